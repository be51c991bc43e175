"""What requests of one event loop do together: of many that need the same, one reads it and the others wait for it.

Where the database refuses or is not reached, all of them have failed: one after the other they would wait for as long
as the first, and the last of twenty for twenty times as long. In a thread of its own each does it by itself.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError

from authz.database import greenlets
from authz.database.concurrency import Locked
from authz.database.greenlets import ClientGoneError, Request

# Seconds between two looks; as soon as it is done those that wait are woken.
LOOK_SECONDS = 0.5


class SharedRead:
    """Something that is read again and again. A request shares the first reading that begins after it asked."""

    def __init__(self) -> None:
        self._begun = self._done = 0
        self._under_way: _UnderWay | None = None

    def read(self, read: Callable[[], None]) -> None:
        """Return when a reading is done that began after this call. Raises what `read` raises, if it is its own; and
        `OperationalError` or `Locked` if it is the one that this call waited for.
        """
        request, wanted = greenlets.current(), self._begun + 1
        if request is None:
            read()
            return
        while self._done < wanted:
            if self._under_way is not None:
                self._under_way.wait(request)
            else:
                self._lead(read)

    def _lead(self, read: Callable[[], None]) -> None:
        self._begun += 1
        number, self._under_way = self._begun, _UnderWay()
        with self._under_way.done():
            try:
                read()
                self._done = number
            finally:
                self._under_way = None


class OneAtATime:
    """Of all that need the same thing, by its key, one makes it at a time. Those that come after it find it made."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _UnderWay] = {}

    @contextmanager
    def turn(self, key: Hashable) -> Iterator[None]:
        """Raises `OperationalError` or `Locked` where the request that was waited for has raised it."""
        request = greenlets.current()
        if request is None:
            yield
            return
        while (under_way := self._under_way.get(key)) is not None:
            under_way.wait(request)
        self._under_way[key] = under_way = _UnderWay()
        with under_way.done():
            try:
                yield
            finally:
                del self._under_way[key]


class _UnderWay:
    """What one request does while others wait for it."""

    def __init__(self) -> None:
        self._waiting: list[Request[Any]] = []
        self._failure: OperationalError | Locked | None = None

    def wait(self, request: Request[Any]) -> None:
        """Return when it is over, or some time before. Raises `ClientGoneError`, `Locked` or `OperationalError`."""
        self._waiting.append(request)
        request.pause(time.monotonic() + LOOK_SECONDS)
        if request.is_client_gone:
            raise ClientGoneError
        if isinstance(self._failure, Locked):
            raise Locked
        if self._failure is not None:
            raise OperationalError(*self._failure.args) from self._failure.__cause__

    @contextmanager
    def done(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, Locked) as failure:
            self._failure = failure
            raise
        finally:
            while self._waiting:
                greenlets.wake_soon(self._waiting.pop())
