"""The few statements that every token pays for, straight to the database's driver.

Django's cursor wraps each call in checks, conversions and context managers that cost more than the statement itself
(measured: `make bench`). Here a statement goes to the driver's connection, unless somebody wants to see statements
(tests, DEBUG), or has to be told that a transaction is broken: then it goes Django's way. Errors are Django's either
way.
"""

import threading
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from authz.database.sqlite3.base import DatabaseWrapper as SQLite

_here = threading.local()


def one(sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row, if there is one. Placeholders are `%s`, and `%` stands for nothing else."""
    row: tuple[Any, ...] | None = _execute(sql, parameters).fetchone()
    return row


def every(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows."""
    rows: list[tuple[Any, ...]] = _execute(sql, parameters).fetchall()
    return rows


def write(sql: str, parameters: Sequence[Any] = ()) -> int:
    """How many rows the statement changed. Outside `unit_of_work()` it is a transaction of its own."""
    database = _database()
    if not isinstance(database, SQLite) or database.in_atomic_block:
        return int(_execute(sql, parameters).rowcount)
    database.take_turn()
    try:
        return database.patiently(lambda: int(_execute(sql, parameters).rowcount))
    finally:
        database.end_turn()


def _execute(sql: str, parameters: Sequence[Any]) -> Any:
    database = _database()
    driver = database.connection
    if driver is None or database.execute_wrappers or database.queries_logged or database.needs_rollback:
        return _djangos_way(database, sql, parameters)
    try:
        return driver.execute(_native(sql) if database.vendor == "sqlite" else sql, parameters)
    except Exception:
        # The driver's errors become Django's; anything else stays what it is.
        with database.wrap_database_errors:
            raise


def _djangos_way(database: BaseDatabaseWrapper, sql: str, parameters: Sequence[Any]) -> Any:
    cursor = database.cursor()
    cursor.execute(sql, parameters)
    return cursor


def moment(value: datetime) -> datetime | str:
    """A moment in UTC, as the driver wants it."""
    # SQLite's has no zones: Django writes UTC without one, as text.
    return str(value.replace(tzinfo=None)) if _database().vendor == "sqlite" else value


def _database() -> BaseDatabaseWrapper:
    """This thread's connection. Django looks for it anew each time, by way of the task that may be running."""
    try:
        database: BaseDatabaseWrapper = _here.database
    except AttributeError:
        database = _here.database = connections[DEFAULT_DB_ALIAS]
    return database


@cache
def _native(sql: str) -> str:
    return sql.replace("%s", "?")
