"""HTTP caching (RFC 9111) for what this server fetches: how long a response is fresh, and how it is asked for again.

This server is a shared cache: what it fetches serves every person who signs in. Header names are in lower case;
times are seconds since the epoch, durations seconds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

# > a cache … MUST … use … the greatest positive integer it can conveniently represent … 2147483648 (RFC 9111 §1.2.2)
MAX_DELTA = 2**31
# What this module reads of a response.
HEADERS = frozenset({"age", "cache-control", "date", "etag", "expires", "last-modified", "vary"})

# An empty element of a list is allowed and means nothing (RFC 9110 §5.6.1).
_NOTHING = re.compile(r"[, \t]*+")
_DIRECTIVE = re.compile(r"""([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?\s*(?:,|$)""")
_DATE = re.compile(r"[A-Za-z0-9 ,:+\-]{1,64}")
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a response says of itself. `remaining` may be negative (stale on arrival); None: it says nothing.

    `must_revalidate`: once stale it may not serve, even if its host is down. `stale_if_error`: how long it may then
    (RFC 5861 §4), None if it does not say.
    """

    remaining: float | None
    must_revalidate: bool
    stale_if_error: float | None


def directives(cache_control: str) -> dict[str, str]:
    """The directives of a Cache-Control field, names in lower case, `""` for those without an argument.

    A field that cannot be read is `no-store`, the careful reading. Of a directive given twice the smaller counts.
    """
    found: dict[str, str] = {}
    position = 0
    while position < len(cache_control):
        position = _NOTHING.match(cache_control, position).end()  # type: ignore[union-attr]  # it always matches
        if position == len(cache_control):
            break
        match = _DIRECTIVE.match(cache_control, position)
        if match is None:
            return {"no-store": ""}
        name, argument = match[1].lower(), match[2] or match[3] or ""
        # > When there is more than one value present for a given directive … either the first occurrence should be used
        # > or the response should be considered stale. (RFC 9111 §4.2.1)
        found[name] = min(found[name], argument, key=_seconds_or_zero) if name in found else argument
        position = match.end()
    return found


def freshness(headers: Mapping[str, str], *, requested: float, received: float) -> Freshness:
    """How long a response to a request sent at `requested` and received at `received` stays fresh (RFC 9111 §4.2)."""
    said = directives(headers.get("cache-control", ""))
    is_unusable = (
        not said.keys().isdisjoint({"no-store", "no-cache", "private"}) or headers.get("vary", "").strip() == "*"
    )
    lifetime = 0.0 if is_unusable else _lifetime(said, headers, received)
    return Freshness(
        remaining=None if lifetime is None else lifetime - _age(headers, requested, received),
        # > The s-maxage directive … incorporates the semantics of the proxy-revalidate response directive (§5.2.2.10)
        must_revalidate=is_unusable or not said.keys().isdisjoint({"must-revalidate", "proxy-revalidate", "s-maxage"}),
        stale_if_error=_seconds(said["stale-if-error"]) if "stale-if-error" in said else None,
    )


def _lifetime(said: Mapping[str, str], headers: Mapping[str, str], received: float) -> float | None:
    # > If the cache is shared and the s-maxage response directive is present, use its value, or … max-age … or Expires
    # > minus Date (RFC 9111 §4.2.1, in this order)
    for name in ("s-maxage", "max-age"):
        if name in said:
            return _seconds_or_zero(said[name])
    if "expires" in headers:
        expires = _date(headers["expires"])
        # > A cache recipient MUST interpret invalid date formats … as representing a time in the past (RFC 9111 §5.3)
        return 0.0 if expires is None else expires - (_date(headers.get("date", "")) or received)
    return None


def _age(headers: Mapping[str, str], requested: float, received: float) -> float:
    """Its age on arrival (RFC 9111 §4.2.3): the more pessimistic of what clocks and Age say."""
    date = _date(headers.get("date", ""))
    apparent = max(0.0, received - date) if date is not None else 0.0
    # > If … multiple Age … a recipient SHOULD use the first (RFC 9111 §5.1)
    corrected = _seconds_or_zero(headers.get("age", "0").partition(",")[0].strip()) + (received - requested)
    return max(apparent, corrected)


def validators(headers: Mapping[str, str]) -> dict[str, str]:
    """The condition with which to ask for the same again (RFC 9110 §13.1); empty if the response had no validator.

    What does not look like a validator is not echoed: a host must not choose what our next request says.
    """
    condition = {}
    if _ENTITY_TAG.fullmatch(tag := headers.get("etag", "")) and len(tag) <= 256:
        condition["If-None-Match"] = tag
    if _date(modified := headers.get("last-modified", "")) is not None:
        condition["If-Modified-Since"] = modified
    return condition


def updated(stored: Mapping[str, str], not_modified: Mapping[str, str]) -> dict[str, str] | None:
    """The stored response's headers after a 304 (RFC 9111 §3.2); None if the 304 is about another representation."""
    # > If the new response contains one or more strong validators, then each of those strong validators identifies a
    # > selected representation for update. (RFC 9111 §4.3.4)
    if "etag" in not_modified and not_modified["etag"].removeprefix("W/") != stored.get("etag", "").removeprefix("W/"):
        return None
    kept = {"content-type", "content-length", "content-encoding", "content-range"}
    # Age and Date describe a message, not the representation: those of the old message say nothing of the new one.
    old = {name: value for name, value in stored.items() if name not in {"age", "date"}}
    return old | {name: value for name, value in not_modified.items() if name not in kept}


def _seconds(text: str) -> float | None:
    return float(min(int(text[:20]), MAX_DELTA)) if text.isascii() and text.isdecimal() else None


def _seconds_or_zero(text: str) -> float:
    # > Caches are encouraged to consider responses that have invalid freshness information … to be stale. (§4.2.1)
    return _seconds(text) or 0.0


def _date(text: str) -> float | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
