"""Django's PostgreSQL, for requests. None of them waits longer than its deadline (connections.py beside this module).
In the event loop they wait in greenlets (authz/database/greenlets.py), each with a connection of the pool (pool.py).
"""

import contextvars
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import psycopg
from django.db import Error
from django.db.backends.postgresql import base

from authz.conf import conf
from authz.database import concurrency, greenlets
from authz.database.greenlets import NotInTimeError, Request
from authz.database.postgresql.availability import availability
from authz.database.postgresql.connections import (
    BoundedCursor,
    deadline,
    driver,
    limit,
    long_statements,
    refuse_if_in_doubt,
)

# Seconds: how long a request tries to connect (the driver's minimum).
CONNECT_TIMEOUT = 2
# Threads that open connections for the event loop: the look-up of a host's name blocks.
OPENERS = 4


class DatabaseWrapper(base.DatabaseWrapper):
    Database = driver

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
        if (request := greenlets.current()) is not None:
            return self._opened_beside(conn_params, request)
        return self._opened(conn_params)

    def _opened(self, conn_params: dict[str, Any]) -> Any:
        try:
            opened = super().get_new_connection(conn_params)
        except psycopg.errors.ConnectionTimeout:
            availability.timed_out()
            raise
        availability.answered()
        return opened

    def _opened_beside(self, conn_params: dict[str, Any], request: Request[Any]) -> Any:
        """A connection for a request in the event loop, which another thread opens."""
        opening = _openers().submit(contextvars.copy_context().run, self._opened, conn_params)
        try:
            return request.wait_for_thread(opening, time.monotonic() + deadline())
        except BaseException as failure:
            # A connection that comes late is closed.
            opening.add_done_callback(_close)
            if isinstance(failure, NotInTimeError):
                raise psycopg.errors.ConnectionTimeout("no connection in time") from None
            raise

    def init_connection_state(self) -> None:
        super().init_connection_state()
        if concurrency.is_serving():
            # The server's timeout ends before the client's deadline, so that the connection can be used again.
            self._limit()

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

    @contextmanager
    def last_statement(self) -> Iterator[None]:
        """Around the one statement with which the transaction ends. Where it is inside another one, it is like any."""
        driver = self.connection
        if driver is None or len(self.atomic_blocks) != 1 or self.savepoint_ids or self.needs_rollback:
            yield
            return
        driver.commits = True
        try:
            yield
        finally:
            driver.commits = False

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]  # the stubs do not know it
        finally:
            self._is_over()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # the stubs do not know it
        finally:
            self._is_over()

    def _is_over(self) -> None:
        if self.connection is not None:
            self.connection.has_committed = False

    def _limit(self) -> None:
        if not conf.database_pooler:
            with self.cursor() as cursor:
                cursor.execute(f"SET {limit()}")

    def close_if_unusable_or_obsolete(self) -> None:
        """Called before each request."""
        if self.connection is not None and self.connection.closed and not self.in_atomic_block:
            self.close()
        super().close_if_unusable_or_obsolete()


@cache
def _openers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(OPENERS, thread_name_prefix="opener")


def _close(opening: Future[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
