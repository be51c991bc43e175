"""Two nodes that start at the same moment prepare one database one after the other."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management.base import CommandError
from django.db import connection

# Our number among PostgreSQL's advisory locks. It must never change.
LOCK = 7_306_086_967_398_266_731
# Seconds. Longer than the longest migration of a large database.
LONGEST_WAIT, LOOK = 3600.0, 0.2


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the database's preparation; another node waits here. Raises `CommandError` after an hour."""
    until = time.monotonic() + LONGEST_WAIT
    with _lock() as is_ours:
        while not is_ours():
            if time.monotonic() > until:
                raise CommandError("another node has been preparing this database for an hour")
            time.sleep(LOOK)
        yield


@contextmanager
def _lock() -> Iterator[Callable[[], bool]]:
    if connection.vendor == "postgresql":
        yield lambda: _ask("pg_try_advisory_lock")
        _ask("pg_advisory_unlock")
        return
    # The folder and not the file: closing a descriptor of the file would end the locks that SQLite has on it.
    folder = os.open(Path(connection.settings_dict["NAME"]).parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield lambda: _is_locked(folder)
    finally:
        os.close(folder)


def _ask(function: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _is_locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
