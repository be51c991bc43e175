"""Which requests may block: threads are few, and each request must find a free one.

**The event-loop thread.** Machine endpoints are served one request after the other, in one thread of each process
(authz/serving/asgi.py). Threads that compute do not run in parallel in Python, and on SQLite they cannot write in
parallel either: more threads would only interrupt each other's transactions
(docs/decisions/0011-event-loop-and-workers.md). The event-loop thread never waits for other servers, and at most for
milliseconds for the database. A request that has to wait leaves it (`MustRunInThread`) and begins again in a thread.

**Beginning again.** A request that needs something from another server does not wait in a thread. It starts an errand
and leaves, and begins again when the errand is over (authz/outbound/errands.py).

**Waiting places.** A request that cannot begin again, such as the redirect back from a person's issuer, takes a waiting
place before it waits for the network. Two threads of each process are reserved for requests that do not wait, so slow
hosts cannot occupy all threads, however many clients make this server fetch from them (attack 10).

**Threads that compute.** Python runs one thread of a process at a time. Six that compute leave the event-loop thread a
seventh of the time, and on SQLite each of them keeps the write lock while it waits for its turn to compute. There, two
at a time work on pages; the others begin when one of these has ended or waits for the network, or after a quarter of a
second. On PostgreSQL threads wait for the database more than they compute.
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

from django.conf import settings

from authz.conf import conf

RESERVED_THREADS = 2
# On SQLite: how many threads compute at a time, and after how many seconds another one does.
COMPUTING_THREADS, PATIENCE = 2, 0.25


class MustRunInThread(BaseException):
    """Raised by a request that has to wait. With an `errand` it begins again when the errand is over; without one it
    leaves the event-loop thread, and begins again in another thread.
    """

    def __init__(self, errand: Any = None) -> None:
        super().__init__()
        self.errand = errand


class Locked(MustRunInThread):
    """A row, a table or the database is locked for longer than the server's own transactions take."""


class _Place(Enum):
    """Where the code runs. Outside a request of the server, such as in a command, all code may wait."""

    OUTSIDE = auto()
    IN_EVENT_LOOP = auto()
    IN_THREAD = auto()
    WAITING = auto()
    ON_AN_ERRAND = auto()


T = TypeVar("T")
_counted: ContextVar[dict[str, Any] | None] = ContextVar("counted", default=None)
# How many requests wait for which host.
_parties: Counter[str] = Counter()
_parties_lock = threading.Lock()
_party: ContextVar[str] = ContextVar("party", default="")
_place: ContextVar[_Place] = ContextVar("place", default=_Place.OUTSIDE)
_computing: ContextVar[bool] = ContextVar("computing", default=False)


@cache
def _computing_threads() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(COMPUTING_THREADS if settings.IS_SQLITE else conf.threads)


@cache
def _places() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(max(1, conf.threads - RESERVED_THREADS))


@contextmanager
def in_event_loop() -> Iterator[None]:
    """Serve a request in the event-loop thread: the next request waits for it."""
    _place.set(_Place.IN_EVENT_LOOP)
    try:
        yield
    finally:
        _place.set(_Place.OUTSIDE)


@contextmanager
def in_thread() -> Iterator[None]:
    """Serve a request in a thread of its own."""
    _place.set(_Place.IN_THREAD)
    _computing.set(_computing_threads().acquire(timeout=PATIENCE))
    try:
        yield
    finally:
        _compute_no_longer()
        if _place.get() is _Place.WAITING:
            with _parties_lock:
                _parties[_party.get()] -= 1
            _places().release()
        _place.set(_Place.OUTSIDE)


def _compute_no_longer() -> None:
    if _computing.get():
        _computing.set(False)
        _computing_threads().release()


def is_serving() -> bool:
    """Whether this is a request of the server, which has deadlines; commands and scheduled tasks have none."""
    return _place.get() is not _Place.OUTSIDE


# The results of errands for a request that can begin again, by the errands' keys; None: it cannot begin again.
_brought: ContextVar[Mapping[Hashable, Future[Any]] | None] = ContextVar("brought", default=None)


@contextmanager
def beginning_again(brought: Mapping[Hashable, Future[Any]]) -> Iterator[None]:
    """Serve a request that may raise `MustRunInThread` and begin again: what it does twice has no effect twice."""
    token = _brought.set(brought)
    try:
        yield
    finally:
        _brought.reset(token)


def brought() -> Mapping[Hashable, Future[Any]] | None:
    return _brought.get()


@contextmanager
def on_an_errand() -> Iterator[None]:
    """Run an errand in its thread. Requests wait for it, but it belongs to none of them."""
    tokens = _place.set(_Place.ON_AN_ERRAND), _brought.set(None)
    try:
        yield
    finally:
        _place.reset(tokens[0])
        _brought.reset(tokens[1])


def is_on_an_errand() -> bool:
    return _place.get() is _Place.ON_AN_ERRAND


def is_outside() -> bool:
    """Whether this is no request of the server: an errand, a command or a scheduled task may wait in its thread."""
    return _place.get() in {_Place.OUTSIDE, _Place.ON_AN_ERRAND}


def is_in_event_loop() -> bool:
    return _place.get() is _Place.IN_EVENT_LOOP


def may_block(party: str = "") -> bool:
    """Take a waiting place for this request, to wait for `party` (a host, if known). False: all places are taken, or
    all that one party may have, so the request may not wait. Raises `MustRunInThread` in the event-loop thread.
    """
    match _place.get():
        case _Place.IN_EVENT_LOOP:
            raise MustRunInThread
        case _Place.IN_THREAD:
            return _take_a_place(party)
    return True


def _take_a_place(party: str) -> bool:
    # One host may have half of the places at most, so that a host that hangs leaves some to the others.
    per_party = max(1, (conf.threads - RESERVED_THREADS) // 2)
    with _parties_lock:
        if (party and _parties[party] >= per_party) or not _places().acquire(blocking=False):
            return False
        _parties[party] += 1
    _party.set(party)
    _place.set(_Place.WAITING)
    _compute_no_longer()
    return True


@contextmanager
def begun(counted: dict[str, Any]) -> Iterator[None]:
    """For a request that may begin again: with the same `counted`, each name is counted once (see `once`)."""
    token = _counted.set(counted)
    try:
        yield
    finally:
        _counted.reset(token)


def once(name: str, count: Callable[[], T]) -> T:
    """The result of `count`, which is called the first time only, not when the request begins again."""
    counted = _counted.get()
    if counted is None:
        return count()
    if name not in counted:
        counted[name] = count()
    found: T = counted[name]
    return found
