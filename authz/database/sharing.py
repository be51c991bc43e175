"""What requests of one event loop do together: of many that need the same, one reads it and the others wait for it.

In a thread of its own each does it by itself.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from authz.database import greenlets
from authz.database.greenlets import ClientGoneError, Request

# Seconds between two looks; as soon as it is done those that wait are woken.
LOOK_SECONDS = 0.5


class SharedRead:
    """Something that is read again and again. A request shares the first reading that begins after it asked."""

    def __init__(self) -> None:
        self._begun = self._done = 0
        self._is_under_way = False
        self._waiting: list[Request[Any]] = []

    def read(self, read: Callable[[], None]) -> None:
        """Return when a reading is done that began after this call. Raises what `read` raises, if it is its own."""
        request, wanted = greenlets.current(), self._begun + 1
        if request is None:
            read()
            return
        while self._done < wanted:
            if self._is_under_way:
                self._waiting.append(request)
                _wait(request)
            else:
                self._lead(read)

    def _lead(self, read: Callable[[], None]) -> None:
        self._begun += 1
        number, self._is_under_way = self._begun, True
        try:
            read()
            self._done = number
        finally:
            self._is_under_way = False
            _wake(self._waiting)


class OneAtATime:
    """Of all that need the same thing, by its key, one makes it at a time. Those that come after it find it made."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, list[Request[Any]]] = {}

    @contextmanager
    def turn(self, key: Hashable) -> Iterator[None]:
        request = greenlets.current()
        if request is None:
            yield
            return
        while (waiting := self._under_way.get(key)) is not None:
            waiting.append(request)
            _wait(request)
        self._under_way[key] = []
        try:
            yield
        finally:
            _wake(self._under_way.pop(key))


def _wait(request: Request[Any]) -> None:
    request.pause(time.monotonic() + LOOK_SECONDS)
    if request.is_client_gone:
        raise ClientGoneError


def _wake(waiting: list[Request[Any]]) -> None:
    while waiting:
        greenlets.wake_soon(waiting.pop())
