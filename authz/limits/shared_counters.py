"""Rates that several nodes count together, in the Redis or Valkey of `CACHE_URL`. No request ever waits for it.

Each node counts for itself first (authz/limits/node_counters.py), and that count decides at once. A thread of each
process
tells the shared counters afterwards; who was too often wrong on all nodes together is known a round trip later. What
the thread cannot tell in time is left out: the node has counted it.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from limits import RateLimitItem
from limits.errors import StorageError
from limits.strategies import FixedWindowRateLimiter

log = logging.getLogger(__name__)

Key = tuple[str, ...]
# How many counters may wait to be told, and for how many seconds: far away, each takes as long as a round trip.
MAXIMUM, IN_TIME = 1_000, 5.0
# Seconds for which it is not asked after there was no answer.
RETRY = 5.0


class SharedCounters:
    """`is_over` is told of a key that was counted too often, and until when (seconds since the epoch)."""

    def __init__(self, limiter: FixedWindowRateLimiter, is_over: Callable[[Key, float], None]) -> None:
        self._limiter, self._is_over = limiter, is_over
        self._lock = threading.Lock()
        self._waiting: Counter[tuple[RateLimitItem, Key]] = Counter()
        self._something, self._nothing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._away_until = 0.0

    def count(self, rate: RateLimitItem, key: Key) -> None:
        """Once more; told soon."""
        if time.monotonic() < self._away_until:
            return
        with self._lock:
            if len(self._waiting) >= MAXIMUM and (rate, key) not in self._waiting:
                return
            self._waiting[rate, key] += 1
            self._nothing.clear()
            self._something.set()
            # Threads do not survive a fork.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="shared counters", daemon=True)
                self._thread.start()

    def drain(self, seconds: float = 10.0) -> None:
        """Return when all is told or left out (tests)."""
        if self._waiting or self._something.is_set():
            self._nothing.wait(seconds)

    def _run(self) -> None:
        while True:
            self._something.wait()
            with self._lock:
                waiting, self._waiting = self._waiting, Counter()
                self._something.clear()
            try:
                self._tell(waiting)
            except StorageError as error:
                self._away_until = time.monotonic() + RETRY
                log.warning("the shared counters do not answer, so each node counts alone: %s", type(error).__name__)
            with self._lock:
                if not self._waiting:
                    self._nothing.set()

    def _tell(self, waiting: Counter[tuple[RateLimitItem, Key]]) -> None:
        until = time.monotonic() + IN_TIME
        for (rate, key), times in waiting.items():
            if time.monotonic() > until:
                return
            if not self._limiter.hit(rate, *key, cost=times):
                self._is_over(key, self._limiter.get_window_stats(rate, *key).reset_time)
