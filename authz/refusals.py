"""Recording refusals without letting a stranger fill the disk.

Refusals cost their sender nothing, so each process records them at a bounded rate; what goes beyond is counted, and the
next one that is recorded says how many were left out.
"""

import logging
import threading
import time
from enum import StrEnum

from django.db import DatabaseError

from authz import audit
from authz.protocol.errors import OAuthError, Reason

log = logging.getLogger(__name__)

RATE = 20.0  # a second, in the long run
BURST = 500.0


class _Budget:
    """A token bucket, shared by the threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens = BURST
        self._last = time.monotonic()
        self._left_out = 0

    def take(self) -> int | None:
        """How many refusals were left out since the last one recorded, or None: leave this one out too."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(BURST, self._tokens + (now - self._last) * RATE)
            self._last = now
            if self._tokens < 1:
                self._left_out += 1
                return None
            self._tokens -= 1
            left_out, self._left_out = self._left_out, 0
            return left_out


_budget = _Budget()


def reset() -> None:
    """A full budget again (tests)."""
    _budget.__init__()  # type: ignore[misc]  # there is one, shared by reference


def record_unauthenticated(event: StrEnum, error: OAuthError, *, client_id: str = "") -> OAuthError:
    """Record a refusal, if the budget allows, and give the refusal to answer with.

    That is another one where it cannot be recorded: with the audit out of order, a right guess at a secret and a wrong
    one get the same answer, or guesses would go unseen.
    """
    left_out = _budget.take()
    if left_out is None:
        return error
    detail: dict[str, object] = {**error.facts}
    if error.detail:
        detail["detail"] = error.detail
    if left_out:
        detail["left_out"] = left_out
    try:
        audit.record(event, reason=error.reason, client_id=client_id, detail=detail)
    except DatabaseError:
        log.exception("a refusal could not be recorded")
        return OAuthError(Reason.UNAVAILABLE)
    return error
