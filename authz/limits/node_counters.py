"""Counters that all processes of a node share, in a file that each of them maps (authz/limits/rate_limits.py).

The table has a fixed size, so that no stranger makes it grow. A new counter takes the place of one that has ended, or
of the smallest among the few that could stand where it does: to push a counter out takes a larger one. Where it stands
depends on a random number of this start of the server, so no client can choose its neighbours.
"""

import fcntl
import mmap
import os
import secrets
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from limits.storage import Storage

# What a counter is known by, when it ends and what it counts. Moments are of the monotonic clock, which is
# the same for all processes of a machine.
_COUNTER = struct.Struct("<QdQ")
# The drawn number, and when the last of those who wait may go on.
_HEAD = struct.Struct("<16sd")
_UNTIL = struct.Struct("<d")
_UNTIL_AT = 16
PLACES, NEIGHBOURS = 1 << 15, 8
# How often, and how many seconds apart, a process looks whether another has done with the table.
LOOKS, LOOK = 100, 0.0001
# Those who have to wait are forgotten last.
_MOST = 1 << 63
_SIZE = _HEAD.size + PLACES * _COUNTER.size


class NodeCounters(Storage):
    """A storage of `limits`, and who has to wait. Without a file it is this process's own."""

    STORAGE_SCHEME = None
    # A clock that is set ahead ends no wait, and one that is set back prolongs none.
    clock = staticmethod(time.monotonic)

    def __init__(self, file: Path | None = None) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._file = -1 if file is None else os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with self._alone():
            if file is not None and os.fstat(self._file).st_size < _SIZE:
                os.truncate(self._file, _SIZE)
            self._map = mmap.mmap(self._file, _SIZE)
            if not any(self._map[:_UNTIL_AT]):
                self._map[:_UNTIL_AT] = secrets.token_bytes(_UNTIL_AT)
        self._drawn = self._map[:_UNTIL_AT]

    # --- Who has to wait ---

    def is_anybody_waiting(self) -> bool:
        until: float = _UNTIL.unpack_from(self._map, _UNTIL_AT)[0]
        return until > time.monotonic()

    def wait_until(self, key: str, until: float) -> None:
        with self._alone():
            self._write(self._place(f"wait {key}"), f"wait {key}", until, _MOST)
            _UNTIL.pack_into(self._map, _UNTIL_AT, max(until, _UNTIL.unpack_from(self._map, _UNTIL_AT)[0]))

    def waits_until(self, key: str) -> float:
        """By the monotonic clock (`clock`); 0 if there is nothing to wait for."""
        return self._read(f"wait {key}")[0]

    # --- As `limits` wants it ---

    @property
    def base_exceptions(self) -> type[Exception]:
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        with self._alone():
            ends, count = self._read(key)
            self._write(self._place(key), key, ends or time.monotonic() + expiry, count + amount)
            return count + amount

    def get(self, key: str) -> int:
        return self._read(key)[1]

    def get_expiry(self, key: str) -> float:
        return self._read(key)[0] or time.monotonic()

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        with self._alone():
            self._map[_UNTIL_AT:] = bytes(_SIZE - _UNTIL_AT)
        return None

    def clear(self, key: str) -> None:
        with self._alone():
            self._write(self._place(key), key, 0.0, 0)

    # --- The table ---

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # The system's lock is the process's, not the thread's.
        with self._lock:
            if self._file < 0:
                yield
                return
            is_locked = self._is_locked()
            try:
                yield
            finally:
                if is_locked:
                    fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _is_locked(self) -> bool:
        """Whether it is ours now. A process that was stopped with the lock does not block the others: after `LOOKS`
        attempts they go on, and a count may be lost.
        """
        for _ in range(LOOKS):
            with suppress(BlockingIOError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            time.sleep(LOOK)
        return False

    def _name(self, key: str) -> int:
        return int.from_bytes(blake2b(key.encode(), digest_size=8, key=self._drawn).digest(), "little")

    def _counters(self, name: int) -> Iterator[tuple[int, Any]]:
        for step in range(NEIGHBOURS):
            place = _HEAD.size + (name + step) % PLACES * _COUNTER.size
            yield place, _COUNTER.unpack_from(self._map, place)

    def _read(self, key: str) -> tuple[float, int]:
        """When it ends, and its count; nothing of one that has ended."""
        name, now = self._name(key), time.monotonic()
        for _, (there, ends, count) in self._counters(name):
            if there == name and ends > now:
                return ends, count
        return 0.0, 0

    def _place(self, key: str) -> int:
        name, now = self._name(key), time.monotonic()
        of_no_use: list[tuple[int, int]] = []
        for place, (there, ends, count) in self._counters(name):
            if there == name:
                return place
            of_no_use.append((count if ends > now else 0, place))
        return min(of_no_use)[1]

    def _write(self, place: int, key: str, ends: float, count: int) -> None:
        _COUNTER.pack_into(self._map, place, self._name(key), ends, count)
