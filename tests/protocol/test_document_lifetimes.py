"""How long a document of another server serves: RFC 9111 between our bounds, as tables (attack 9)."""

from dataclasses import dataclass, replace

import pytest

from authz.outbound import remote_keys
from authz.protocol.document_lifetimes import Step, next_step, retry_after, schedule, serves
from cimd import settlement
from xaa.trusted_issuers import discovery

NOW = 1_767_225_600.0
HOUR, DAY = 3600.0, 24 * 3600.0
BOUNDS = replace(settlement.BOUNDS, stale=2 * DAY)
KINDS = {
    "metadata documents": settlement.BOUNDS,
    "keys": remote_keys.BOUNDS,
    "issuers' metadata": discovery.BOUNDS,
}


@dataclass
class Kept:
    """A document as it is kept; times are seconds from `NOW`."""

    fresh: float = -1
    stale: float = -1
    retry: float = -1
    holds: bool = True

    @property
    def fresh_until(self) -> float:
        return NOW + self.fresh

    @property
    def serves_until(self) -> float:
        return NOW + self.stale

    @property
    def retry_at(self) -> float:
        return NOW + self.retry


@pytest.mark.parametrize(
    ("headers", "fresh", "stale"),
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
def test_a_document_serves_between_our_bounds(headers: dict[str, str], fresh: float, stale: float) -> None:
    planned = schedule(headers, requested=NOW, received=NOW, bounds=BOUNDS)
    assert (planned.fresh_until - NOW, planned.serves_until - NOW) == (fresh, stale)


def test_a_failing_host_is_asked_ever_more_seldom() -> None:
    waits = [retry_after(failures, BOUNDS) for failures in range(1, 12)]
    assert waits[:3] == [5, 10, 20]
    assert waits == sorted(waits)
    assert waits[-1] == 300


@pytest.mark.parametrize(
    ("said", "stale"),
    [("max-age=600, must-revalidate", HOUR), ("max-age=600, stale-if-error=0", HOUR), ("no-store", HOUR)],
)
def test_keys_serve_while_their_host_is_down_whatever_its_headers_say(said: str, stale: float) -> None:
    planned = schedule({"cache-control": said}, requested=NOW, received=NOW, bounds=remote_keys.BOUNDS)
    assert planned.serves_until - planned.fresh_until == stale


def test_a_schedule_uses_the_clock_that_reads_it() -> None:
    planned = schedule({}, requested=NOW, received=NOW, bounds=BOUNDS, now=7.0)
    assert planned.fresh_until == 7.0 + HOUR


FRESH = Kept(fresh=60, stale=HOUR)
STALE = Kept(stale=HOUR)
EXPIRED = Kept()
NOTHING = Kept(holds=False, fresh=60, stale=HOUR)
WAITS = {"retry": 5.0}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("kept", "wants_other", "expected"),
    [
        (None, False, Step.ASK),
        (FRESH, False, Step.SERVE),
        (FRESH, True, Step.ASK),
        (replace(FRESH, **WAITS), False, Step.SERVE),
        (replace(FRESH, **WAITS), True, Step.SERVE),
        (STALE, True, Step.ASK),
        (replace(STALE, **WAITS), False, Step.SERVE),
        (replace(STALE, **WAITS), True, Step.SERVE),
        (EXPIRED, False, Step.ASK),
        (replace(EXPIRED, **WAITS), False, Step.REFUSE),
        (NOTHING, False, Step.ASK),
        (replace(NOTHING, **WAITS), False, Step.REFUSE),
        (replace(EXPIRED, retry=1000), False, Step.ASK),  # put off by a clock that was ahead
        (Kept(fresh=3 * DAY, stale=9 * DAY), False, Step.ASK),
    ],
)
def test_each_kind_takes_the_same_step(kind: str, kept: Kept | None, wants_other: bool, expected: Step) -> None:
    assert next_step(kept, NOW, KINDS[kind], wants_other=wants_other) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("metadata documents", Step.ASK), ("keys", Step.SERVE_AND_ASK), ("issuers' metadata", Step.SERVE_AND_ASK)],
)
def test_a_stale_document_is_asked_for_and_what_follows_from_a_change_is_never_put_off(
    kind: str, expected: Step
) -> None:
    assert next_step(STALE, NOW, KINDS[kind]) is expected


@pytest.mark.parametrize(("kept", "expected"), [(FRESH, True), (STALE, True), (EXPIRED, False), (NOTHING, False)])
def test_what_serves_while_a_host_is_down(kept: Kept, expected: bool) -> None:
    assert serves(kept, NOW, BOUNDS) is expected
