"""What somebody else has locked: a row or a table of PostgreSQL, or all of a SQLite database for writing."""

import sqlite3

from django.db import Error

from authz.database import concurrency

_LOCK_NOT_AVAILABLE = "55P03"
_SQLITE_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def is_locked(failure: Error) -> bool:
    """Whether a statement failed because it would have had to wait for somebody else."""
    cause = failure.__cause__
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorcode & 0xFF in _SQLITE_LOCKED
    return getattr(cause, "sqlstate", "") == _LOCK_NOT_AVAILABLE


def leave_if_locked(failure: Error) -> None:
    """In the event loop's thread nobody waits for a lock: the request begins again beside it (raises `Locked`)."""
    if concurrency.is_in_event_loop() and is_locked(failure):
        raise concurrency.Locked from None
