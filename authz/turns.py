"""How many machine requests a process works on at once.

Threads that compute do not run side by side in Python, and on SQLite they cannot write side by side either: more
of them at work only take the interpreter from each other in the middle of a transaction, which multiplies the tail
(docs/decisions/0011-turns.md). So on SQLite one works at a time, and PostgreSQL, where each waits for the database most
of the time, has many. Whoever waits for the network lets others work meanwhile.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connection

AT_ONCE = {"sqlite": 1}
OTHERWISE = 16

_slots = threading.BoundedSemaphore(AT_ONCE.get(connection.vendor, OTHERWISE))
_is_working: ContextVar[bool] = ContextVar("is_working", default=False)


@contextmanager
def working() -> Iterator[None]:
    """Work on one request, when it is this one's turn."""
    with _slots:
        token = _is_working.set(True)
        try:
            yield
        finally:
            _is_working.reset(token)


@contextmanager
def waiting() -> Iterator[None]:
    """Wait for somebody else (the network, another process) without keeping others from working."""
    if not _is_working.get():
        yield
        return
    _slots.release()
    try:
        yield
    finally:
        _slots.acquire()
