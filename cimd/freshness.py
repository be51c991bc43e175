"""How long a document serves: what HTTP says (RFC 9111), between our bounds.

> The authorization server SHOULD respect HTTP cache headers when caching client metadata, but MAY define its own upper
> and/or lower bounds on an acceptable cache lifetime as well. (CIMD §4.4)

Times are seconds since the epoch, durations seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from authz.protocol import http_caching

# Seconds that a host is left alone at most after it failed.
LONGEST_RETRY = 300.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """`minimum` keeps `no-store` from making every request a fetch; `stale` is how long a host may be down."""

    minimum: float = 60.0
    default: float = 3600.0
    maximum: float = 24 * 3600.0
    stale: float = 24 * 3600.0


class State(StrEnum):
    """FRESH serves; STALE serves if its host cannot be asked; EXPIRED never serves."""

    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Until when a document serves, and until when it may serve while its host is down."""

    fresh_until: float
    serves_until: float

    def state(self, now: float) -> State:
        if now < self.fresh_until:
            return State.FRESH
        return State.STALE if now < self.serves_until else State.EXPIRED


def schedule(headers: Mapping[str, str], *, requested: float, received: float, bounds: Bounds) -> Schedule:
    """The schedule of a document received with these headers (names in lower case)."""
    said = http_caching.freshness(headers, requested=requested, received=received)
    remaining = bounds.default if said.remaining is None else said.remaining
    fresh_until = received + max(bounds.minimum, min(remaining, bounds.maximum))
    # > A cache MUST NOT generate a stale response if it is prohibited by an explicit in-protocol directive (§4.2.4)
    if said.must_revalidate:
        return Schedule(fresh_until, fresh_until)
    stale = bounds.stale if said.stale_if_error is None else min(said.stale_if_error, bounds.stale)
    return Schedule(fresh_until, fresh_until + stale)


def retry_after(failures: int) -> float:
    """How long to leave a host alone after so many failures in a row: 5 s, doubling, at most 5 minutes.

    This is not a cached error: nothing is concluded from it but that asking again at once would be no use.
    """
    return min(LONGEST_RETRY, 5.0 * float(1 << min(max(failures - 1, 0), 8)))
