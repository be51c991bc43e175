"""On SQLite, a process works on one machine request at a time.

Threads that compute do not run side by side in Python, and on SQLite they cannot write side by side either: more of
them at work only take the interpreter from each other in the middle of a transaction, which multiplies the tail
(docs/decisions/0011-turns.md). A request that has to wait for somebody else, the network or another request's fetch,
steps aside for good: it goes on beside the others and never asks for its turn again, so nobody can wait for a turn
while holding what another one needs. On PostgreSQL, where requests wait for the database most of the time, all work at
once.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connection

_turn = threading.Lock()
_has_turn: ContextVar[bool] = ContextVar("has_turn", default=False)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Work on one request, when it is this one's turn."""
    if connection.vendor != "sqlite":
        yield
        return
    _turn.acquire()
    _has_turn.set(True)
    try:
        yield
    finally:
        step_aside()


def step_aside() -> None:
    """Let others work: from here on this request may wait."""
    if _has_turn.get():
        _has_turn.set(False)
        _turn.release()
