"""Who of a server's threads and processes writes next, on SQLite.

SQLite has one writer. A connection that finds another one writing sleeps for milliseconds before it tries again, which
is as long as dozens of transactions take. So the threads and processes of a server share a file lock (`flock`), which
they try every few microseconds. Correctness does not need it: SQLite decides.

**Event loops go first.** Many requests wait for a loop that waits, and its groups take turns with each other anyway. A
loop that finds the lock taken holds a second lock, shared with other loops; threads that want to write let it pass.
"""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# Seconds: between two tries, and for which a thread lets waiting loops pass.
POLL_SECONDS, POLITE_SECONDS = 0.00005, 0.25


class WriteLock:
    """Of one connection. Raises `OSError` where the folder is gone."""

    def __init__(self, folder: Path) -> None:
        self._lock = _opened(folder / "write-lock")
        try:
            self._loops = _opened(folder / "loops-wait")
        except OSError:
            os.close(self._lock)
            raise

    def close(self) -> None:
        os.close(self._lock)
        os.close(self._loops)

    def take(self, goes_on_waiting: Callable[[float], bool]) -> None:
        """Return when it is ours, or `goes_on_waiting`, which gets the seconds waited, says no."""
        began, waited = 0.0, 0.0
        while (waited < POLITE_SECONDS and self._does_a_loop_wait()) or not _tried(self._lock):
            began = began or time.monotonic()
            waited = time.monotonic() - began
            if not goes_on_waiting(waited):
                return
            time.sleep(POLL_SECONDS)

    def take_first(self, seconds: float) -> bool:
        """For an event loop: whether it is ours, after so many seconds at most. If not, threads let this loop pass
        until it calls again and then `release`.
        """
        ends = time.monotonic() + seconds
        while not _tried(self._lock):
            fcntl.flock(self._loops, fcntl.LOCK_SH)
            if time.monotonic() >= ends:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def release(self) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        fcntl.flock(self._loops, fcntl.LOCK_UN)

    def _does_a_loop_wait(self) -> bool:
        if not _tried(self._loops):
            return True
        fcntl.flock(self._loops, fcntl.LOCK_UN)
        return False


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _tried(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
