"""Runs the few statements that each token needs directly on the database's driver.

Django's cursor wraps each call in checks, conversions and context managers that cost more than the statement itself
(measured: `make bench`). Here a statement goes to the driver's connection. It goes through Django's cursor where
statements are observed (tests, DEBUG), and in a broken transaction. Errors are Django's in both cases.
"""

import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from authz.database import greenlets
from authz.database.sqlite3.base import DatabaseWrapper as SQLite

_here = threading.local()


# A statement with its parameters.
Statement = tuple[str, tuple[Any, ...]]
# What a request has read ahead. Each answer is used once.
_ahead: ContextVar[dict[Statement, list[tuple[Any, ...]]] | None] = ContextVar("ahead", default=None)


def reads_ahead() -> bool:
    """Whether a request reads ahead here: in the event loop of PostgreSQL."""
    return not settings.IS_SQLITE and greenlets.current() is not None


def read_ahead(*statements: Statement) -> None:
    """Read now, in one round trip, what this request reads in a moment with `one()` or `every()`. In a thread, and on
    SQLite, nothing is read.
    """
    if not reads_ahead():
        return
    database = _database()
    database.ensure_connection()
    _ahead.set({statement: answer.fetchall() for statement, answer in _executed_together(database, statements)})


def _executed_together(
    database: BaseDatabaseWrapper, statements: Sequence[Statement]
) -> Iterator[tuple[Statement, Any]]:
    if not _is_observed(database):
        with database.wrap_database_errors:
            found = database.connection.run(*statements)
        if found is not None:
            yield from zip(statements, found, strict=True)
            return
    sql = ";".join(sql for sql, _ in statements)
    cursor = _execute(sql, [value for _, parameters in statements for value in parameters])
    for statement in statements:
        yield statement, cursor
        cursor.nextset()


def borrow() -> None:
    """In the event loop of PostgreSQL, have a connection before others wait for what this request does."""
    _database()


def _read(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]] | None:
    found = _ahead.get()
    return found.pop((sql, tuple(parameters)), None) if found else None


def one(sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row, if there is one. Placeholders are `%s`; the SQL may have no other `%`. Raises Django's `Error`."""
    if (read := _read(sql, parameters)) is not None:
        return read[0] if read else None
    row: tuple[Any, ...] | None = _execute(sql, parameters).fetchone()
    return row


def every(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows. Raises Django's `Error`."""
    if (read := _read(sql, parameters)) is not None:
        return read
    rows: list[tuple[Any, ...]] = _execute(sql, parameters).fetchall()
    return rows


def write(sql: str, parameters: Sequence[Any] = ()) -> int:
    """The number of rows that the statement changed. Outside `unit_of_work()` it is a transaction of its own. Raises
    Django's `Error`, and on SQLite `Locked`.
    """
    database = _database()
    if not isinstance(database, SQLite) or database.in_atomic_block:
        return int(_execute(sql, parameters).rowcount)
    return database.write_alone(lambda: int(_execute(sql, parameters).rowcount))


def _execute(sql: str, parameters: Sequence[Any]) -> Any:
    database = _database()
    driver = database.connection
    if _is_observed(database):
        return _through_django(database, sql, parameters)
    try:
        if database.vendor == "sqlite":
            return driver.execute(_native(sql), parameters)
        found = driver.run((sql, parameters))
        return driver.execute(sql, parameters) if found is None else found[0]
    except Exception:
        # The driver's errors become Django's; other errors stay as they are.
        with database.wrap_database_errors:
            raise


def _is_observed(database: BaseDatabaseWrapper) -> bool:
    """Whether statements go through Django's cursor: it opens the connection, tells those that watch, and refuses in a
    broken transaction.
    """
    return bool(
        database.connection is None or database.execute_wrappers or database.queries_logged or database.needs_rollback
    )


def _through_django(database: BaseDatabaseWrapper, sql: str, parameters: Sequence[Any]) -> Any:
    cursor = database.cursor()
    cursor.execute(sql, parameters)
    return cursor


def check_connection() -> None:
    """What Django does by a signal before each request, for requests that send none."""
    database = _database()
    if database.connection is not None:
        database.close_if_unusable_or_obsolete()
        # The first statement of each request finds out whether it is alive (authz/database/configuration_cache.py).
        database.health_check_done = True  # type: ignore[attr-defined]  # the stubs do not know it


def timestamp(value: datetime) -> datetime | str:
    """A datetime in UTC, as the driver wants it."""
    # SQLite has no time zones: Django writes UTC without one, as text.
    return str(value.replace(tzinfo=None)) if _database().vendor == "sqlite" else value


def utc(value: datetime | None) -> datetime | None:
    """A datetime, as the driver gave it, with its zone."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def uuid(value: UUID) -> UUID | str:
    """A UUID, as the driver wants it."""
    # SQLite has no type for it: Django keeps 32 hexadecimal digits.
    return value.hex if settings.IS_SQLITE else value


def _database() -> BaseDatabaseWrapper:
    """This request's connection, or the thread's, remembered: Django looks it up by the running task each time."""
    if not settings.IS_SQLITE and (request := greenlets.current()) is not None:
        return request.database or connections[DEFAULT_DB_ALIAS]
    try:
        database: BaseDatabaseWrapper = _here.database
    except AttributeError:
        database = _here.database = connections[DEFAULT_DB_ALIAS]
    return database


@cache
def _native(sql: str) -> str:
    return sql.replace("%s", "?")
