"""Which requests may block: threads are few, and each request must find one that is free.

**The event-loop thread.** Machines' requests run one after the other, in one thread of each process
(authz/serving/asgi.py).
Threads that compute do not run side by side in Python, and on SQLite they cannot write side by side either: more of
them only take the interpreter from each other in the middle of a transaction (docs/decisions/0011-turns.md). Nobody
waits for other servers in the lane, nor for long for the database: a request that has to leaves it (`MustWait`) and
begins again beside it.

**A place to wait.** Beside the lane a request that has to wait for somebody else, the network or another request's
fetch, asks for a place first. Two of a process's threads are kept from waiting, so that
however many strangers make this server fetch from slow hosts, its own people and agents are served (attack 10).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto
from functools import cache
from typing import Any, TypeVar

from authz.conf import conf

KEPT_FREE = 2


class MustWait(BaseException):
    """Raised in the lane by a request that has to wait for somebody else; it is to begin again beside the lane."""


class Locked(MustWait):
    """What it needs is locked by somebody else, for longer than our own transactions take."""


class _Standing(Enum):
    """Where a request stands. Outside a request of the server, such as in a command, everybody may wait."""

    OUTSIDE = auto()
    IN_LANE = auto()
    BESIDE = auto()
    WAITING = auto()


T = TypeVar("T")
_counted: ContextVar[dict[str, Any] | None] = ContextVar("counted", default=None)
_standing: ContextVar[_Standing] = ContextVar("standing", default=_Standing.OUTSIDE)


@cache
def _places() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(max(1, conf.threads - KEPT_FREE))


@contextmanager
def in_the_lane() -> Iterator[None]:
    """Work on a request that the next one waits for."""
    _standing.set(_Standing.IN_LANE)
    try:
        yield
    finally:
        _standing.set(_Standing.OUTSIDE)


@contextmanager
def beside_the_others() -> Iterator[None]:
    """Work on a request in a thread of its own."""
    _standing.set(_Standing.BESIDE)
    try:
        yield
    finally:
        if _standing.get() is _Standing.WAITING:
            _places().release()
        _standing.set(_Standing.OUTSIDE)


def is_serving() -> bool:
    """Whether this is a request of the server, which has deadlines; commands and scheduled tasks have none."""
    return _standing.get() is not _Standing.OUTSIDE


def is_in_the_lane() -> bool:
    return _standing.get() is _Standing.IN_LANE


def step_aside() -> bool:
    """From here on this request may wait. False: all places to wait are taken, so it may not. Raises `MustWait`."""
    match _standing.get():
        case _Standing.IN_LANE:
            raise MustWait
        case _Standing.BESIDE:
            if not _places().acquire(blocking=False):
                return False
            _standing.set(_Standing.WAITING)
    return True


@contextmanager
def begun(counted: dict[str, Any]) -> Iterator[None]:
    """For a request that may have to begin again: with the same `counted`, what is counted `once` is counted once."""
    token = _counted.set(counted)
    try:
        yield
    finally:
        _counted.reset(token)


def once(name: str, count: Callable[[], T]) -> T:
    """What `count` gives, which is called when the request is begun, and not when it begins again."""
    counted = _counted.get()
    if counted is None:
        return count()
    if name not in counted:
        counted[name] = count()
    found: T = counted[name]
    return found
