"""The transaction of a group (authz/database/sqlite3/group_commit.py), on the connection of the loop's thread."""

from typing import Any, Protocol

from django.db import Error

from authz.database.locks import is_locked
from authz.database.sqlite3.log import Log

# Seconds for which the loop's thread tries the write lock before it goes on with other work.
LOOK = 0.001


class Database(Protocol):
    """What this needs of Django's connection (authz/database/sqlite3/base.py)."""

    connection: Any

    def ensure_connection(self) -> None: ...
    def execute(self, sql: str) -> None: ...
    def take_write_lock_first(self, seconds: float) -> bool: ...
    def release_write_lock(self) -> None: ...
    def restore_busy_timeout(self) -> None: ...
    def log(self) -> Log: ...


class GroupTransaction:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, *, goes_on: bool) -> bool:
        database = self._database
        database.ensure_connection()
        if not database.take_write_lock_first(LOOK) and not goes_on:
            return False
        try:
            database.execute("PRAGMA busy_timeout=0")
            # The log is flushed when others may write again. SQLite would keep the lock meanwhile.
            database.execute("PRAGMA synchronous=NORMAL")
            database.execute("BEGIN IMMEDIATE")
        except Error as failure:
            self.end()
            if is_locked(failure):
                return False
            raise
        return True

    def is_open(self) -> bool:
        driver = self._database.connection
        return bool(driver is not None and driver.in_transaction)

    def commit(self) -> Log:
        self._database.execute("COMMIT")
        return self._database.log()

    def abandon(self) -> None:
        if self.is_open():
            self._database.execute("ROLLBACK")

    def end(self) -> None:
        try:
            if self._database.connection is not None:
                self._database.execute("PRAGMA synchronous=FULL")
                self._database.restore_busy_timeout()
        finally:
            self._database.release_write_lock()
