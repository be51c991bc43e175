"""psycopg's connections, with a client-side deadline for each statement of a request.

The server enforces `statement_timeout`, so it does not help where the server is stopped or packets are lost. Here the
client stops waiting and closes the connection, and the request is answered with 503. PostgreSQL rolls back what was not
committed. Commands, scheduled tasks and downloads have no deadline.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from django.db.backends.postgresql.base import Cursor  # type: ignore[attr-defined]  # the stubs do not know it
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout
from psycopg.pq import TransactionStatus

from authz.conf import conf
from authz.database import concurrency, greenlets
from authz.database.greenlets import ClientGoneError, NotInTimeError, Request
from authz.database.postgresql.availability import availability
from authz.database.postgresql.prepared import Found, Prepared, Statement

# Seconds for a statement that may change all rows of a table.
LONG_SECONDS = 120
# Seconds by which the client's deadline is later than the server's, so that the connection can be kept.
GRACE = 0.5


class NoAnswer(psycopg.OperationalError):
    """The database did not answer within the deadline; or it did not a moment ago, and the statement was not sent."""


_is_long: ContextVar[bool] = ContextVar("is_long", default=False)


def server_deadline() -> int:
    """Seconds after which the server ends a statement."""
    return LONG_SECONDS if _is_long.get() else conf.database_timeout


def deadline() -> float:
    """Seconds after which a request stops waiting for a statement."""
    return server_deadline() + GRACE


def limit() -> str:
    """The server's deadline as PostgreSQL wants it."""
    return f"statement_timeout = {server_deadline() * 1000}"


@contextmanager
def long_statements() -> Iterator[None]:
    """For an administrator's request that may change all rows of a table, such as ending all access."""
    token = _is_long.set(True)
    try:
        yield
    finally:
        _is_long.reset(token)


class BoundedConnection(psycopg.Connection[Any]):
    # What the next statement brings along, so that it costs no round trip of its own: the transaction's begin, its end.
    begins = commits = False
    # The statement that brought the end along has been sent.
    has_committed = False
    _own: Prepared | None = None

    def wait(self, gen: Any, *rest: Any, **more: Any) -> Any:
        """What the driver's generator gives in the end. In a greenlet the loop answers others meanwhile. Raises
        `NoAnswer`.
        """
        if rest or more or not concurrency.is_serving():
            return super().wait(gen, *rest, **more)
        request = greenlets.current()
        try:
            if request is not None:
                return self._wait_in_greenlet(request, gen)
            return super().wait(gen, timeout=deadline())
        except (_WaitTimeout, NotInTimeError):
            # A late answer on this connection would be taken for the answer to the next statement.
            self.pgconn.finish()
            availability.timed_out()
            raise NoAnswer(f"no answer within {deadline():g} seconds") from None
        except ClientGoneError:
            self.pgconn.finish()
            raise

    def _wait_in_greenlet(self, request: Request[Any], gen: Any) -> Any:
        until = time.monotonic() + deadline()
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(request.wait_for_socket(self.pgconn.socket, wanted, until))
        except StopIteration as end:
            return end.value

    def run(self, *statements: Statement) -> list[Found] | None:
        """What each of them gives, in one round trip (authz/database/postgresql/prepared.py). None: they have to go by
        a cursor, such as those of a transaction that has begun, and all where a pooler gives each another session.
        """
        if conf.database_pooler or not self.autocommit or self._pipeline is not None or not self._is_idle():
            return None
        if self._own is None:
            self._own = Prepared(self)
        if not self._own.takes(statements):
            return None
        self.begin_statement()
        try:
            found: list[Found] = self.wait(self._own.run(statements))
        finally:
            self.end_statement()
        return found

    def begin_statement(self) -> None:
        """Raises `NoAnswer` where the database is known to hang, and `ClientGoneError`."""
        if availability.is_in_doubt and concurrency.is_serving() and self._is_idle():
            refuse_if_in_doubt()
        request = greenlets.current()
        if request is not None and request.is_client_gone:
            # The current statement is not interrupted: whether it happened would be unknown.
            raise ClientGoneError
        if self.has_committed:
            raise RuntimeError("a statement after the last one of its transaction")
        self.begins = not self.autocommit and self._pipeline is None and self._is_idle()

    def leading(self) -> list[bytes]:
        """What goes before the next statement, in the same message."""
        begin = [self._get_tx_start_command()] if self.begins else []
        # A session's settings are lost where a pooler gives each transaction another session.
        is_limited = conf.database_pooler and self._is_idle() and self._pipeline is None and concurrency.is_serving()
        return [*begin, f"SET LOCAL {limit()}".encode()] if is_limited else begin

    def end_statement(self) -> None:
        self.has_committed |= self.commits
        self.begins = self.commits = False
        if availability.is_in_doubt and not self.closed:
            availability.answered()

    def _start_query(self) -> PQGen[None]:
        if not self.begins:
            yield from super()._start_query()

    def _is_idle(self) -> bool:
        return self.pgconn.transaction_status == TransactionStatus.IDLE


def refuse_if_in_doubt() -> None:
    """Raises `NoAnswer`, unless this request is to try."""
    if not availability.may_ask(deadline()):
        raise NoAnswer("the database did not answer a moment ago")


class BoundedCursor(Cursor):  # type: ignore[misc]  # the stubs do not know it
    """PostgreSQL takes several statements at once, so BEGIN and COMMIT travel with the first and the last of them."""

    # Which results are the statement's own.
    _wanted = slice(None)

    def execute(self, query: Any, *rest: Any, **more: Any) -> Any:
        connection: BoundedConnection = self.connection
        connection.begin_statement()
        try:
            return super().execute(query, *rest, **more)
        finally:
            connection.end_statement()

    def _execute_send(self, query: Any, **more: Any) -> None:
        connection: BoundedConnection = self.connection
        leading = connection.leading()
        last = [b"COMMIT"] if connection.commits else []
        self._wanted = slice(len(leading), -len(last) or None)
        statement = query.query
        query.query = b";".join([*leading, statement, *last])
        super()._execute_send(query, **more)
        query.query = statement  # what Django logs

    def _set_results(self, results: list[Any]) -> None:
        super()._set_results(results[self._wanted])


class _Driver:
    """The module psycopg, with our connections."""

    connect = staticmethod(BoundedConnection.connect)

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


driver = _Driver()
