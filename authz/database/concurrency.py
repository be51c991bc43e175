"""Which requests may block: threads are few, and each request must find one that is free.

**The event-loop thread.** Machines' requests run one after the other, in one thread of each process
(authz/serving/asgi.py).
Threads that compute do not run side by side in Python, and on SQLite they cannot write side by side either: more of
them only take the interpreter from each other in the middle of a transaction (docs/decisions/0011-turns.md). Nobody
waits for other servers in the lane, nor for long for the database: a request that has to leaves it (`MustRunInThread`)
and begins again beside it.

**Beginning again.** A request that needs what another server has waits in no thread: it leaves with an errand, and
begins again when that is over (authz/outbound/errands.py).

**A place to wait.** A request that cannot begin again, such as a person's way back from their issuer, asks for a place
before it waits for the network. Two of a process's threads are kept from waiting, so that
however many strangers make this server fetch from slow hosts, its own people and agents are served (attack 10).
"""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto
from functools import cache
from typing import Any, TypeVar

from authz.conf import conf

RESERVED_THREADS = 2


class MustRunInThread(BaseException):
    """Raised by a request that has to wait for somebody else. With an `errand` it begins again when that is over;
    without one it leaves the lane, and begins again beside it.
    """

    def __init__(self, errand: Any = None) -> None:
        super().__init__()
        self.errand = errand


class Locked(MustRunInThread):
    """What it needs is locked by somebody else, for longer than our own transactions take."""


class _Place(Enum):
    """Where a request stands. Outside a request of the server, such as in a command, everybody may wait."""

    OUTSIDE = auto()
    IN_LANE = auto()
    BESIDE = auto()
    WAITING = auto()
    ON_AN_ERRAND = auto()


T = TypeVar("T")
_counted: ContextVar[dict[str, Any] | None] = ContextVar("counted", default=None)
# Who waits for which host.
_parties: Counter[str] = Counter()
_parties_lock = threading.Lock()
_party: ContextVar[str] = ContextVar("party", default="")
_standing: ContextVar[_Place] = ContextVar("standing", default=_Place.OUTSIDE)


@cache
def _places() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(max(1, conf.threads - RESERVED_THREADS))


@contextmanager
def in_event_loop() -> Iterator[None]:
    """Work on a request that the next one waits for."""
    _standing.set(_Place.IN_LANE)
    try:
        yield
    finally:
        _standing.set(_Place.OUTSIDE)


@contextmanager
def in_thread() -> Iterator[None]:
    """Work on a request in a thread of its own."""
    _standing.set(_Place.BESIDE)
    try:
        yield
    finally:
        if _standing.get() is _Place.WAITING:
            with _parties_lock:
                _parties[_party.get()] -= 1
            _places().release()
        _standing.set(_Place.OUTSIDE)


def is_serving() -> bool:
    """Whether this is a request of the server, which has deadlines; commands and scheduled tasks have none."""
    return _standing.get() is not _Place.OUTSIDE


# What errands have brought to a request that can begin again, by their keys; None: it cannot.
_brought: ContextVar[Mapping[Hashable, Future[Any]] | None] = ContextVar("brought", default=None)


@contextmanager
def beginning_again(brought: Mapping[Hashable, Future[Any]]) -> Iterator[None]:
    """Work on a request that may raise `MustRunInThread` and be begun again: it does nothing twice that counts."""
    token = _brought.set(brought)
    try:
        yield
    finally:
        _brought.reset(token)


def brought() -> Mapping[Hashable, Future[Any]] | None:
    return _brought.get()


@contextmanager
def on_an_errand() -> Iterator[None]:
    """Work in a thread that others wait for, and that holds nothing of theirs."""
    tokens = _standing.set(_Place.ON_AN_ERRAND), _brought.set(None)
    try:
        yield
    finally:
        _standing.reset(tokens[0])
        _brought.reset(tokens[1])


def is_on_an_errand() -> bool:
    return _standing.get() is _Place.ON_AN_ERRAND


def is_outside() -> bool:
    """Whether this is no request of the server, or its errand: it may take its time, where it is."""
    return _standing.get() in {_Place.OUTSIDE, _Place.ON_AN_ERRAND}


def is_in_event_loop() -> bool:
    return _standing.get() is _Place.IN_LANE


def may_block(party: str = "") -> bool:
    """From here on this request may wait, for `party` (a host) if that is known. False: all places to wait are taken,
    or as many as one party has, so it may not. Raises `MustRunInThread`.
    """
    match _standing.get():
        case _Place.IN_LANE:
            raise MustRunInThread
        case _Place.BESIDE:
            return _take_a_place(party)
    return True


def _take_a_place(party: str) -> bool:
    # Half of the places at the most for one host, so that one which hangs leaves some to the others.
    per_party = max(1, (conf.threads - RESERVED_THREADS) // 2)
    with _parties_lock:
        if (party and _parties[party] >= per_party) or not _places().acquire(blocking=False):
            return False
        _parties[party] += 1
    _party.set(party)
    _standing.set(_Place.WAITING)
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
