"""Who works, and who may wait: threads are few, and each must find one that is free.

**A turn.** On SQLite a process works on one machine request at a time. Threads that compute do not run side by side in
Python, and on SQLite they cannot write side by side either: more of them at work only take the interpreter from each
other in the middle of a transaction, which multiplies the tail (docs/decisions/0011-turns.md). On PostgreSQL, where
requests wait for the database most of the time, all work at once.

**A place to wait.** A request that has to wait for somebody else, the network or another request's fetch, steps aside
for good: it goes on beside the others and never asks for its turn again, so nobody can wait for a turn while holding
what another one needs. Two of a process's threads are kept from waiting, so that however many strangers make this
server fetch from slow hosts, its own people and agents are served (attack 10).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto

from django.db import connection

from authz.conf import conf

KEPT_FREE = 2


class _Standing(Enum):
    """Where a thread stands. Outside a request of the server, such as in a command, everybody may wait."""

    OUTSIDE = auto()
    AT_WORK = auto()
    HAS_TURN = auto()
    ASIDE = auto()


_turn = threading.Lock()
_places = threading.BoundedSemaphore(max(1, conf.threads - KEPT_FREE))
_standing: ContextVar[_Standing] = ContextVar("standing", default=_Standing.OUTSIDE)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Work on a machine's request, when it is this one's turn."""
    if connection.vendor == "sqlite":
        _turn.acquire()
        _standing.set(_Standing.HAS_TURN)
    else:
        _standing.set(_Standing.AT_WORK)
    try:
        yield
    finally:
        _leave()


@contextmanager
def beside_the_others() -> Iterator[None]:
    """Work on a person's request."""
    _standing.set(_Standing.AT_WORK)
    try:
        yield
    finally:
        _leave()


def step_aside() -> bool:
    """Let others work: from here on this request may wait. False: all places to wait are taken, so it may not."""
    standing = _standing.get()
    if standing in {_Standing.OUTSIDE, _Standing.ASIDE}:
        return True
    if not _places.acquire(blocking=False):
        return False
    _standing.set(_Standing.ASIDE)
    if standing is _Standing.HAS_TURN:
        _turn.release()
    return True


def _leave() -> None:
    standing = _standing.get()
    _standing.set(_Standing.OUTSIDE)
    if standing is _Standing.HAS_TURN:
        _turn.release()
    elif standing is _Standing.ASIDE:
        _places.release()
