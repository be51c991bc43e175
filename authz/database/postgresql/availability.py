"""Whether PostgreSQL answers, as this process last saw it.

A database that hangs costs whoever asks it the whole deadline. Without a memory of that every thread would spend it,
one after the other, and requests that need no database would wait for a thread. So after a deadline has passed one
request tries again each second, and all others are refused at once. Any answer ends that.
"""

import threading
import time
from collections.abc import Callable

# Seconds between two tries of a database that did not answer.
RETRY_SECONDS = 1.0


class Availability:
    """`clock` gives seconds that only move forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._is_slow = False
        self._next_try: float | None = None
        self._trying = 0

    @property
    def is_in_doubt(self) -> bool:
        """Whether a deadline has passed since the last answer. The event loop's thread asks nothing meanwhile."""
        return self._is_slow or self._next_try is not None

    def may_ask(self, seconds: float) -> bool:
        """Whether this thread may ask, and wait for `seconds` at most. While the database hangs one thread may."""
        if self._next_try is None:
            return True
        with self._lock:
            now, me = self._clock(), threading.get_ident()
            # Trying takes several statements.
            if self._next_try is None or self._trying == me or now >= self._next_try:
                self._next_try, self._trying = now + seconds + RETRY_SECONDS, me
                return True
            return False

    def answered(self) -> None:
        with self._lock:
            self._is_slow, self._next_try, self._trying = False, None, 0

    def was_slow(self) -> None:
        """The event loop's thread waited as long as it may, which is not long enough to call the database away."""
        self._is_slow = True

    def timed_out(self) -> None:
        """A whole deadline passed."""
        with self._lock:
            self._next_try, self._trying = self._clock() + RETRY_SECONDS, 0


availability = Availability()
