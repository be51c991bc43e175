"""The connections to PostgreSQL that requests of the event loop share: each borrows one when it first asks something,
and gives it back when it ends.

The first that waits is the first that is served. A request that waits too long is answered with 503. One whose
statement takes long (a locked row, a large table) does not keep others from the database: another connection is opened
in place of its own, up to half as many again.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from psycopg.pq import TransactionStatus

from authz.conf import conf
from authz.database import greenlets
from authz.database.greenlets import ClientGoneError, Request

T = TypeVar("T")
# Seconds that a request waits for a connection.
WAIT_SECONDS = 1.0


class NoConnectionError(OperationalError):
    """Every connection of this process was in use, for as long as a request waits."""


class Pool:
    """Of Django's wrappers, each with its connection. For one thread, the event loop's."""

    def __init__(self) -> None:
        self._idle: list[Any] = []
        self._borrowers: set[Request[Any]] = set()
        self._queue: deque[Request[Any]] = deque()

    def borrow(self, request: Request[Any]) -> Any:
        """The request's own connection until `give_back`. Raises `NoConnectionError`."""
        if self._queue or not self._has_room():
            self._wait(request)
        if request.database is None:
            self._lend(request)
        # What Django does before each request.
        request.database.close_if_unusable_or_obsolete()
        # The first statement of each request finds out whether it is alive (authz/database/configuration_cache.py).
        request.database.health_check_done = True
        return request.database

    def give_back(self, request: Request[Any]) -> None:
        """Also of a request that has borrowed nothing."""
        database, request.database = request.database, None
        if database is None:
            return
        self._borrowers.discard(request)
        # One that is too many stood in for one that is back by now.
        if _is_clean(database) and len(self._borrowers) + len(self._idle) < conf.database_pool:
            self._idle.append(database)
        else:
            database.close()
        self._serve_next()

    def close(self) -> None:
        """Close those that nothing uses (tests)."""
        while self._idle:
            self._idle.pop().close()

    def _has_room(self) -> bool:
        slow = sum(request.is_slow for request in self._borrowers)
        return len(self._borrowers) < conf.database_pool + min(slow, conf.database_pool // 2)

    def _lend(self, request: Request[Any]) -> None:
        # The last one back is the first to go: what it has seen is still in memory, on both sides.
        request.database = self._idle.pop() if self._idle else connections.create_connection(DEFAULT_DB_ALIAS)
        self._borrowers.add(request)

    def _serve_next(self) -> None:
        while self._queue and self._has_room():
            first = self._queue.popleft()
            self._lend(first)
            greenlets.wake_soon(first)

    def _wait(self, request: Request[Any]) -> None:
        until = time.monotonic() + WAIT_SECONDS
        self._queue.append(request)
        try:
            while request.database is None:
                # Others may have become slow meanwhile.
                request.pause(min(until, time.monotonic() + greenlets.SLOW))
                self._serve_next()
                if request.database is None and request.is_client_gone:
                    raise ClientGoneError
                if request.database is None and time.monotonic() >= until:
                    raise NoConnectionError(f"no connection was free within {WAIT_SECONDS:g} seconds")
        finally:
            if request in self._queue:
                self._queue.remove(request)


pool = Pool()


def lending(work: Callable[[], T]) -> T:
    """Do the work of a request in its greenlet; what it borrows is given back."""
    request = greenlets.current()
    assert request is not None  # noqa: S101  authz/serving/asgi.py has seen to it
    try:
        return work()
    finally:
        pool.give_back(request)


def _is_clean(database: Any) -> bool:
    """Whether the next request may have this connection: nothing of the last one is under way on it."""
    if database.connection is None:
        return True
    is_idle = database.connection.pgconn.transaction_status == TransactionStatus.IDLE
    return is_idle and not database.in_atomic_block and not database.needs_rollback


class _OfEachRequest:
    """Where Django looks for a connection: in a greenlet the request's own, elsewhere the thread's as always."""

    def __init__(self, of_threads: Any) -> None:
        self.__dict__["_of_threads"] = of_threads

    def __getattr__(self, alias: str) -> Any:
        request = greenlets.current()
        if request is None or alias != DEFAULT_DB_ALIAS:
            return getattr(self._of_threads, alias)
        return request.database or pool.borrow(request)

    def __setattr__(self, alias: str, database: Any) -> None:
        setattr(self._of_threads, alias, database)

    def __delattr__(self, alias: str) -> None:
        delattr(self._of_threads, alias)


def install() -> None:
    """From here on Django's `connections` knows requests' own."""
    handler: Any = connections
    if not isinstance(handler._connections, _OfEachRequest):
        handler._connections = _OfEachRequest(handler._connections)
