"""How long a document serves: RFC 9111 between our bounds, as a table (attack 9)."""

import pytest

from cimd.freshness import Bounds, State, retry_after, schedule

NOW = 1_767_225_600.0
HOUR, DAY = 3600.0, 24 * 3600.0
BOUNDS = Bounds(minimum=60, default=HOUR, maximum=DAY, stale=2 * DAY)


@pytest.mark.parametrize(
    ("headers", "fresh", "serves"),
    [
        ({}, HOUR, HOUR + 2 * DAY),
        ({"cache-control": "max-age=600"}, 600, 600 + 2 * DAY),
        ({"cache-control": "max-age=600", "age": "100"}, 500, 500 + 2 * DAY),
        ({"cache-control": "max-age=600", "age": "6000"}, 60, 60 + 2 * DAY),
        ({"cache-control": "max-age=1"}, 60, 60 + 2 * DAY),
        ({"cache-control": "max-age=99999999999999"}, DAY, DAY + 2 * DAY),
        ({"cache-control": "max-age=600, s-maxage=0"}, 60, 60),
        ({"cache-control": "no-store"}, 60, 60),
        ({"cache-control": "no-cache"}, 60, 60),
        ({"cache-control": "private"}, 60, 60),
        ({"cache-control": "max-age=600, must-revalidate"}, 600, 600),
        ({"cache-control": "max-age=600, stale-if-error=30"}, 600, 630),
        ({"cache-control": "max-age=600, stale-if-error=999999999"}, 600, 600 + 2 * DAY),
        ({"cache-control": "max-age=600, stale-if-error=0"}, 600, 600),
        ({"expires": "0"}, 60, 60 + 2 * DAY),
        ({"expires": "Thu, 01 Jan 2026 02:00:00 GMT"}, 2 * HOUR, 2 * HOUR + 2 * DAY),
        ({"expires": "Thu, 01 Jan 2099 00:00:00 GMT"}, DAY, DAY + 2 * DAY),
        ({"cache-control": "\x00"}, 60, 60),
    ],
)
def test_a_document_serves_between_our_bounds(headers: dict[str, str], fresh: float, serves: float) -> None:
    planned = schedule(headers, requested=NOW, received=NOW, bounds=BOUNDS)
    assert (planned.fresh_until - NOW, planned.serves_until - NOW) == (fresh, serves)
    assert planned.state(NOW + fresh - 1) is State.FRESH
    assert planned.state(NOW + fresh) is (State.STALE if serves > fresh else State.EXPIRED)
    assert planned.state(NOW + serves) is State.EXPIRED


def test_a_failing_host_is_asked_ever_more_seldom() -> None:
    waits = [retry_after(failures) for failures in range(1, 12)]
    assert waits[:3] == [5, 10, 20]
    assert waits == sorted(waits)
    assert waits[-1] == 300
