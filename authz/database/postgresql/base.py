"""Django's PostgreSQL backend with deadlines for requests (authz/database/postgresql/connections.py). In the event-loop
thread (authz/database/concurrency.py) a request waits for milliseconds only, because all others there wait with it.

A request in the event-loop thread that finds a row locked, or the database away, begins again in another thread. There
it waits up to its deadline, and then fails with an error.
"""

import contextvars
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import psycopg
from django.db import Error
from django.db.backends.postgresql import base

from authz.database import concurrency
from authz.database.postgresql.availability import availability
from authz.database.postgresql.connections import (
    BoundedCursor,
    driver,
    long_statements,
    refuse_if_in_doubt,
    server_deadline,
)

# Milliseconds that a request in the event-loop thread waits for a locked row. The server's own transactions are
# shorter.
LOCK_TIMEOUT = 50
# Seconds: how long a request tries to connect (the driver's minimum), and how long after a failure the event-loop
# thread does not try.
CONNECT_TIMEOUT, AWAY = 2, 10.0
# Seconds that the event-loop thread waits for a connection that another thread opens for it.
LOOP_CONNECT_SECONDS = 0.2


class DatabaseWrapper(base.DatabaseWrapper):
    Database = driver
    _away_until = 0.0
    _opening: Future[Any] | None = None

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        if parameters["cursor_factory"] is base.Cursor:  # type: ignore[attr-defined]  # the stubs do not know it
            parameters["cursor_factory"] = BoundedCursor
        if concurrency.is_serving():
            parameters["connect_timeout"] = CONNECT_TIMEOUT
        return parameters

    def connect(self) -> None:
        try:
            super().connect()
        except BaseException:
            # A connection without its deadlines must not serve the next request.
            if self.connection is not None:
                with suppress(psycopg.Error):
                    self.connection.close()
                self.connection = None
            raise

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not concurrency.is_serving():
            return super().get_new_connection(conn_params)
        refuse_if_in_doubt()
        if concurrency.is_in_event_loop():
            return self._opened_beside(conn_params)
        return self._opened(conn_params)

    def _opened(self, conn_params: dict[str, Any]) -> Any:
        try:
            opened = super().get_new_connection(conn_params)
        except psycopg.errors.ConnectionTimeout:
            availability.timed_out()
            raise
        availability.answered()
        return opened

    def _opened_beside(self, conn_params: dict[str, Any]) -> Any:
        """A connection for the event-loop thread, which another thread opens. Until then requests leave the thread."""
        if time.monotonic() < self._away_until:
            raise concurrency.MustRunInThread
        if self._opening is None:
            self._opening = _opener().submit(contextvars.copy_context().run, self._opened, conn_params)
        try:
            opened = self._opening.result(LOOP_CONNECT_SECONDS)
        except NotYet:
            raise concurrency.MustRunInThread from None
        except psycopg.Error:
            self._opening, self._away_until = None, time.monotonic() + AWAY
            raise concurrency.MustRunInThread from None
        self._opening = None
        return opened

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if concurrency.is_serving():
            # The server's timeout ends before the client's deadline, so that the connection can be used again.
            limits = f"SET statement_timeout = {server_deadline() * 1000}"
            if concurrency.is_in_event_loop():
                limits += f"; SET lock_timeout = {LOCK_TIMEOUT}"
            with self.cursor() as cursor:
                cursor.execute(limits)

    @contextmanager
    def long_statements(self) -> Iterator[None]:
        """Not inside a transaction. Outside a request of the server statements have no deadline."""
        if not concurrency.is_serving():
            yield
            return
        try:
            with long_statements():
                self._limit()
                yield
        finally:
            # A connection that is broken is not used again.
            with suppress(Error):
                self._limit()

    def _limit(self) -> None:
        with self.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {server_deadline() * 1000}")

    def close_if_unusable_or_obsolete(self) -> None:
        """Called before each request."""
        if self.connection is not None and self.connection.closed and not self.in_atomic_block:
            self.close()
        super().close_if_unusable_or_obsolete()


@cache
def _opener() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="opener")
