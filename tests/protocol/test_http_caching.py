"""RFC 9111 as a table (attack 9)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.protocol.http_caching import MAX_DELTA, directives, freshness, updated, validators

NOW = 1_767_225_600.0  # Thu, 01 Jan 2026 00:00:00 GMT
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
HOUR_AGO = "Wed, 31 Dec 2025 23:00:00 GMT"
IN_AN_HOUR = "Thu, 01 Jan 2026 01:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "remaining"),
    [
        ({}, None),
        ({"cache-control": "public"}, None),
        ({"cache-control": "max-age=600"}, 600),
        ({"cache-control": "Max-Age=600, PUBLIC"}, 600),
        ({"cache-control": 'max-age="600"'}, 600),
        ({"cache-control": "max-age=600,,public,"}, 600),
        ({"cache-control": "max-age=600, s-maxage=60"}, 60),
        ({"cache-control": "s-maxage=0, max-age=600"}, 0),
        ({"cache-control": "max-age=600, max-age=60"}, 60),
        ({"cache-control": "max-age=60, max-age=600"}, 60),
        ({"cache-control": "max-age=600, max-age=nonsense"}, 0),
        ({"cache-control": "max-age=-1"}, 0),
        ({"cache-control": "max-age=1.5"}, 0),
        ({"cache-control": "max-age"}, 0),
        ({"cache-control": "max-age="}, 0),
        ({"cache-control": "max-age=٣"}, 0),
        ({"cache-control": "max-age=99999999999999999999999"}, MAX_DELTA),
        ({"cache-control": "no-store, max-age=600"}, 0),
        ({"cache-control": "no-cache, max-age=600"}, 0),
        ({"cache-control": 'no-cache="Set-Cookie", max-age=600'}, 0),
        ({"cache-control": "private, max-age=600"}, 0),
        ({"cache-control": "max-age=600; public"}, 0),
        ({"cache-control": "=600"}, 0),
        ({"cache-control": 'max-age="600'}, 0),
        ({"cache-control": "max-age=600", "vary": "*"}, 0),
        ({"cache-control": "max-age=600", "vary": "Accept"}, 600),
        ({"cache-control": "max-age=600", "age": "100"}, 500),
        ({"cache-control": "max-age=600", "age": "700"}, -100),
        ({"cache-control": "max-age=600", "age": "100, 0"}, 500),
        ({"cache-control": "max-age=600", "age": "nonsense"}, 600),
        ({"cache-control": "max-age=600", "date": HOUR_AGO}, -3000),
        ({"cache-control": "max-age=600", "date": IN_AN_HOUR}, 600),
        ({"cache-control": "max-age=600", "expires": DATE, "date": DATE}, 600),
        ({"expires": IN_AN_HOUR, "date": DATE}, 3600),
        ({"expires": IN_AN_HOUR}, 3600),
        ({"expires": "0"}, 0),
        ({"expires": "-1", "date": DATE}, 0),
        ({"expires": DATE, "date": HOUR_AGO}, 0),
        ({"expires": HOUR_AGO, "date": DATE}, -3600),
    ],
)
def test_what_a_response_says_of_its_freshness(headers: dict[str, str], remaining: float | None) -> None:
    assert freshness(headers, requested=NOW, received=NOW).remaining == remaining


def test_the_time_that_the_answer_took_counts_as_age() -> None:
    said = freshness({"cache-control": "max-age=600", "age": "10"}, requested=NOW - 4, received=NOW)
    assert said.remaining == 586


@pytest.mark.parametrize(
    ("cache_control", "must_revalidate", "stale_if_error"),
    [
        ("max-age=60", False, None),
        ("max-age=60, must-revalidate", True, None),
        ("max-age=60, proxy-revalidate", True, None),
        ("s-maxage=60", True, None),
        ("no-cache", True, None),
        ("no-store", True, None),
        ("max-age=60, stale-if-error=600", False, 600),
        ("max-age=60, stale-if-error=x", False, None),
    ],
)
def test_when_a_stale_response_may_serve(
    cache_control: str, must_revalidate: bool, stale_if_error: float | None
) -> None:
    said = freshness({"cache-control": cache_control}, requested=NOW, received=NOW)
    assert (said.must_revalidate, said.stale_if_error) == (must_revalidate, stale_if_error)


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({}, {}),
        ({"etag": '"a"'}, {"If-None-Match": '"a"'}),
        ({"etag": 'W/"a"'}, {"If-None-Match": 'W/"a"'}),
        ({"etag": '""'}, {"If-None-Match": '""'}),
        ({"etag": "a"}, {}),
        ({"etag": '"a", "b"'}, {}),
        ({"etag": '"a"\r\nX: y'}, {}),
        ({"etag": "*"}, {}),
        ({"etag": '"' + "a" * 300 + '"'}, {}),
        ({"last-modified": DATE}, {"If-Modified-Since": DATE}),
        ({"last-modified": "yesterday"}, {}),
        ({"last-modified": DATE + "\r\nX: y"}, {}),
        ({"etag": '"a"', "last-modified": DATE}, {"If-None-Match": '"a"', "If-Modified-Since": DATE}),
    ],
)
def test_only_real_validators_are_sent_back(headers: dict[str, str], condition: dict[str, str]) -> None:
    assert validators(headers) == condition


@pytest.mark.parametrize(
    ("stored", "not_modified", "expected"),
    [
        (
            {"etag": '"a"', "age": "5"},
            {"etag": '"a"', "cache-control": "max-age=9"},
            {"etag": '"a"', "cache-control": "max-age=9"},
        ),
        ({"etag": '"a"'}, {"date": DATE}, {"etag": '"a"', "date": DATE}),
        ({"etag": 'W/"a"'}, {"etag": '"a"'}, {"etag": '"a"'}),
        ({"etag": '"a"'}, {"etag": '"b"'}, None),
        ({"last-modified": DATE}, {"etag": '"b"'}, None),
        (
            {"etag": '"a"', "content-type": "application/json"},
            {"content-type": "text/html"},
            {"etag": '"a"', "content-type": "application/json"},
        ),
        ({"cache-control": "max-age=1", "date": HOUR_AGO}, {}, {"cache-control": "max-age=1"}),
    ],
)
def test_a_304_updates_what_is_stored_or_is_about_something_else(
    stored: dict[str, str], not_modified: dict[str, str], expected: dict[str, str] | None
) -> None:
    assert updated(stored, not_modified) == expected


@given(st.text(max_size=80))
def test_no_field_makes_the_reading_fail(text: str) -> None:
    assert isinstance(directives(text), dict)
    names = ("cache-control", "expires", "date", "age", "vary", "etag", "last-modified")
    headers: dict[str, Any] = dict.fromkeys(names, text)
    said = freshness(headers, requested=NOW, received=NOW)
    assert said.remaining is None or said.remaining <= MAX_DELTA * 200
    assert all("\r" not in value and "\n" not in value for value in validators(headers).values())
