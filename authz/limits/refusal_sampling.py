"""Records refusals so that no sender can fill the disk or hide the refusals of others.

Refusals cost their sender nothing, so each process records them at a bounded rate. A sender spends a budget of its own:
an address, or a confidential client at an address, once it has proven who it is. Unknown senders together spend another
one than proven clients together. What goes beyond is counted, and the count is recorded too: with the next refusal that
is written, or within seconds with the worker's report (attack 32). A refusal that cannot be recorded is not answered:
`UnrecordedError` is.
"""

import logging
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from django.db import Error as DatabaseFailure

from authz import audit
from authz.database import concurrency
from authz.database.locks import leave_if_locked
from authz.limits import rate_limits
from authz.limits.addresses import network_of
from authz.protocol.errors import OAuthError, Reason
from authz.telemetry import metrics

log = logging.getLogger(__name__)

# A second in the long run, and at once: for all strangers, and again for all proven clients. With half a kilobyte a
# row, strangers who never stop write some 200 MB a day and process.
RATE, BURST = 5.0, 500.0
# The same, for one source among them.
SOURCE_RATE, SOURCE_BURST = 1.0, 100.0
# Seconds in which one that is full again would be forgotten; more sources than this at once forget the oldest.
MAXIMUM_SOURCES = 10_000
# Seconds after which what was left out is recorded although no refusal follows.
REPORTED_AFTER = 5.0

# The network that a refusal came from, and the client that had proven itself ("" for strangers).
Source = tuple[str, str]
# Refusals that were not recorded, by event and source.
Left = Counter[tuple[str, Source]]


@dataclass(slots=True)
class _Bucket:
    """Tokens to spend, refilled with time."""

    tokens: float
    last: float

    def refill(self, now: float, rate: float, burst: float) -> bool:
        self.tokens = min(burst, self.tokens + (now - self.last) * rate)
        self.last = now
        return self.tokens >= 1


class _Budget:
    """What may still be recorded, and what was not; shared by the threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        now = time.monotonic()
        self._all = {True: _Bucket(BURST, now), False: _Bucket(BURST, now)}
        self._sources: OrderedDict[Source, _Bucket] = OrderedDict()
        self._left_out: Counter[tuple[str, Source]] = Counter()
        self._since = now
        self._is_out_of_order = False

    def take(self, event: str, source: Source) -> Left | None:
        """What was left out since the last refusal that was recorded, or None: leave this one out, too."""
        with self._lock:
            now = time.monotonic()
            own = self._sources.setdefault(source, _Bucket(SOURCE_BURST, now))
            self._sources.move_to_end(source)
            if len(self._sources) > MAXIMUM_SOURCES:
                self._sources.popitem(last=False)
            together = self._all[bool(source[1])]
            has_own = own.refill(now, SOURCE_RATE, SOURCE_BURST)
            # Both are refilled, and both are spent or neither: a noisy source takes nothing from the others.
            if together.refill(now, RATE, BURST) and has_own:
                own.tokens -= 1
                together.tokens -= 1
            # While the audit is out of order each one tries: else a wrong guess beyond the budget had its answer.
            elif not self._is_out_of_order:
                self._leave_out(event, source, now)
                return None
            left_out, self._left_out = self._left_out, Left()
            return left_out

    def _leave_out(self, event: str, source: Source, now: float) -> None:
        if not self._left_out:
            self._since = now
        # Beyond so many sources the count goes on without their names.
        is_new = (event, source) not in self._left_out and len(self._left_out) >= MAXIMUM_SOURCES
        self._left_out[event, ("", "") if is_new else source] += 1

    def overdue(self) -> Left:
        """What was left out and has waited long enough to be told by itself."""
        with self._lock:
            if not self._left_out or time.monotonic() - self._since < REPORTED_AFTER:
                return Left()
            left_out, self._left_out = self._left_out, Left()
            return left_out

    def failed(self, left_out: Left) -> None:
        """A record failed that would have told what was left out."""
        with self._lock:
            self._left_out += left_out
            self._is_out_of_order = True

    def worked(self) -> None:
        self._is_out_of_order = False


_budget = _Budget()


def reset() -> None:
    """A full budget again (tests)."""
    _budget.__init__()  # type: ignore[misc]  # there is one, shared by reference


class UnrecordedError(OAuthError):
    """What a refusal that could not be recorded is answered with: the same for every reason, and for what is right."""

    def __init__(self) -> None:
        super().__init__(Reason.UNAVAILABLE)


def record_unauthenticated(event: StrEnum, error: OAuthError, *, client_id: str = "", subject: str = "") -> OAuthError:
    """Record a refusal, if the budget allows, and give it back to answer with. Raises `UnrecordedError`.

    With the audit out of order, a right guess at a secret and a wrong one get the same answer, or guesses would go
    unseen. It raises, so that no caller can answer something else.
    """
    where = audit.current_origin()
    source = (network_of(where.address), where.proven_client_id)
    left_out = concurrency.once(f"refused {event.value}", lambda: _budget.take(event.value, source))
    if left_out is not None:
        _record(event, error, left_out, client_id=client_id, subject=subject)
    metrics.REFUSALS.add(event.value, error.reason.value)
    rate_limits.refused(error, client_id)
    if left_out is None:
        metrics.REFUSALS_LEFT_OUT.add()
    return error


def _record(event: StrEnum, error: OAuthError, left_out: Left, *, client_id: str, subject: str) -> None:
    detail: dict[str, object] = {**error.facts}
    if error.detail:
        detail["detail"] = error.detail
    if left_out:
        detail["left_out"] = left_out.total()
    try:
        about = audit.current_origin()
        audit.record(
            event,
            reason=error.reason,
            client_id=client_id,
            subject=subject or about.subject,
            resource=about.resource,
            authorization=about.authorization,
            detail=detail,
        )
    except DatabaseFailure as failure:
        # It begins again, with what it took from the budget.
        leave_if_locked(failure)
        _budget.failed(left_out)
        log.exception("a refusal could not be recorded")
        metrics.REFUSALS.add(event.value, error.reason.value)
        rate_limits.refused(error, client_id)
        raise UnrecordedError from None
    _budget.worked()


def record_left_out() -> None:
    """Record how many refusals were not, and who was loudest. Raises what the database raises; nothing is lost then."""
    left_out = _budget.overdue()
    if not left_out:
        return
    by_event, by_source = Counter[str](), Counter[Source]()
    for (event, source), count in left_out.items():
        by_event[event] += count
        by_source[source] += count
    loudest = [
        {"network": network, "client_id": client_id, "count": count}
        for (network, client_id), count in by_source.most_common(5)
    ]
    try:
        detail = {"left_out": left_out.total(), "events": dict(by_event), "loudest": loudest}
        audit.record(audit.Event.REFUSALS_LEFT_OUT, detail=detail)
    except DatabaseFailure:
        _budget.failed(left_out)
        raise
    _budget.worked()
