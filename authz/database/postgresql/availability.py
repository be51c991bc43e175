"""A circuit breaker: whether PostgreSQL answers, as this process last saw it.

A statement to a database that hangs costs the whole deadline. If each thread spent it, requests that need no database
would wait for a thread. So after a deadline has passed, one request tries again each second, and all others are refused
at once. Any answer ends that.
"""

import threading
import time
from collections.abc import Callable

from greenlet import getcurrent

from authz.database import greenlets

# Seconds between two tries of a database that did not answer.
RETRY_SECONDS = 1.0


class Availability:
    """`clock` gives seconds that only move forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next_try: float | None = None
        self._trying = 0

    @property
    def is_in_doubt(self) -> bool:
        """Whether a deadline has passed since the last answer."""
        return self._next_try is not None

    def may_ask(self, seconds: float) -> bool:
        """Whether this request may run a statement of at most `seconds`. While the database hangs, one request may."""
        if self._next_try is None:
            return True
        with self._lock:
            now, me = self._clock(), id(greenlets.current() or getcurrent())  # each thread has a greenlet, too
            # Trying takes several statements.
            if self._next_try is None or self._trying == me or now >= self._next_try:
                self._next_try, self._trying = now + seconds + RETRY_SECONDS, me
                return True
            return False

    def answered(self) -> None:
        with self._lock:
            self._next_try, self._trying = None, 0

    def timed_out(self) -> None:
        """A whole deadline passed."""
        with self._lock:
            self._next_try, self._trying = self._clock() + RETRY_SECONDS, 0


availability = Availability()
