"""Recognises locks of other transactions: a row or a table of PostgreSQL, or a SQLite database that is being
written.
"""

import sqlite3

from django.db import Error

from authz.database import concurrency

_LOCK_NOT_AVAILABLE = "55P03"
_SQLITE_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def is_locked(failure: Error) -> bool:
    """Whether a statement failed because it would have had to wait for another transaction."""
    cause = failure.__cause__
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorcode & 0xFF in _SQLITE_LOCKED
    return getattr(cause, "sqlstate", "") == _LOCK_NOT_AVAILABLE


def leave_if_locked(failure: Error) -> None:
    """Raises `Locked` in the event-loop thread, which waits for no lock: the request begins again in another thread."""
    if concurrency.is_in_event_loop() and is_locked(failure):
        raise concurrency.Locked from None
