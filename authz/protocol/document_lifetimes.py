"""How long a document of another server serves, and when its host is asked again: HTTP caching (RFC 9111) and
stale-if-error (RFC 5861), between bounds of ours.

Pure: times are seconds of one clock that the caller reads, durations seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from authz.protocol import http_caching
from authz.protocol.moments import is_due


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`minimum` keeps `no-store` from making every request a fetch; `default` is for a document that says nothing.

    `stale`: how long a document serves at most while its host is down. `heeds_staleness`: whether the document may
    shorten that (must-revalidate, stale-if-error). `serves_meanwhile`: whether a stale document serves while its host
    is being asked. After a failure its host is left alone for `first_retry`, which doubles up to `longest_retry`.
    """

    minimum: float
    default: float
    maximum: float
    stale: float
    first_retry: float
    longest_retry: float
    heeds_staleness: bool
    serves_meanwhile: bool


class Kept(Protocol):
    """A document as it is kept, with the bookkeeping of asking for it. `holds`: whether there is one at all."""

    @property
    def holds(self) -> bool: ...
    @property
    def fresh_until(self) -> float: ...
    @property
    def serves_until(self) -> float: ...
    @property
    def retry_at(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Schedule:
    """Until when a document serves, and until when it may serve while its host is down."""

    fresh_until: float
    serves_until: float


def schedule(
    headers: Mapping[str, str], *, requested: float, received: float, bounds: Bounds, now: float | None = None
) -> Schedule:
    """The schedule of a document received with these headers (names in lower case). `requested` and `received` are
    seconds since the epoch; `now` is the time of receipt by the schedule's clock, if that is another.
    """
    said = http_caching.freshness(headers, requested=requested, received=received)
    remaining = bounds.default if said.remaining is None else said.remaining
    fresh_until = (received if now is None else now) + max(bounds.minimum, min(remaining, bounds.maximum))
    if not bounds.heeds_staleness:
        return Schedule(fresh_until, fresh_until + bounds.stale)
    # > A cache MUST NOT generate a stale response if it is prohibited by an explicit in-protocol directive
    # > (RFC 9111 §4.2.4)
    if said.must_revalidate:
        return Schedule(fresh_until, fresh_until)
    stale = bounds.stale if said.stale_if_error is None else min(said.stale_if_error, bounds.stale)
    return Schedule(fresh_until, fresh_until + stale)


def retry_after(failures: int, bounds: Bounds) -> float:
    """How long to leave a host alone after so many failures in a row.

    This is not a cached error: nothing is concluded from it but that asking again at once would be no use.
    """
    return min(bounds.longest_retry, bounds.first_retry * float(1 << min(max(failures - 1, 0), 8)))


class Step(Enum):
    """What to do for a request that needs the document. REFUSE: there is none, and its host failed a moment ago."""

    SERVE = auto()
    SERVE_AND_ASK = auto()
    ASK = auto()
    REFUSE = auto()


def is_fresh(kept: Kept, now: float, bounds: Bounds) -> bool:
    """Whether the document serves without asking its host."""
    return kept.holds and not is_due(kept.fresh_until, now, bounds.maximum)


def serves(kept: Kept, now: float, bounds: Bounds) -> bool:
    """Whether the document serves if its host cannot be asked."""
    return is_fresh(kept, now, bounds) or (
        kept.holds and not is_due(kept.serves_until, now, bounds.maximum + bounds.stale)
    )


def next_step(kept: Kept | None, now: float, bounds: Bounds, *, wants_other: bool = False) -> Step:
    """`wants_other`: the request needs something that is not in the document, and its host may be asked for that."""
    if kept is None:
        return Step.ASK
    if is_fresh(kept, now, bounds) and not wants_other:
        return Step.SERVE
    is_served = serves(kept, now, bounds)
    if not is_due(kept.retry_at, now, bounds.longest_retry):
        return Step.SERVE if is_served else Step.REFUSE
    return Step.SERVE_AND_ASK if is_served and bounds.serves_meanwhile and not wants_other else Step.ASK
