"""Fetches from other servers for requests: each once for all requests, in a thread of its own, within bounds.

A request that needs a document, an issuer's metadata or another party's keys holds no thread while they are on their
way. It leaves (`concurrency.MustRunInThread`), the event loop waits for the errand, and the request begins again with
the result (authz/serving/asgi.py). So a server that drips keeps one thread of its own busy, and no other request
(attacks 10, 41).

Each kind has a pool of its own: documents of unknown clients take no places from known clients, nor from the issuers
that administrators trust. One party may have only a few places, so that no host takes all places of its kind. When the
last waiting client disconnects, the errand ends.

Outside the server (commands, tests) the caller does the work itself, one at a time for each key.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillOnItsWayError
from contextlib import contextmanager
from contextvars import copy_context
from enum import Enum
from typing import Any, TypeVar, cast

from django.db import connections

from authz.database import concurrency
from authz.database.transactions import require_no_transaction
from authz.outbound.deadlines import Abandonment

T = TypeVar("T")

# Seconds. More than any errand takes: a lease that another process holds, a document, a logo.
SECONDS = 25.0


class Pool(Enum):
    """Whose errands they are, and how many there may be in a process: in all, and for one party (a host)."""

    at_once: int
    per_party: int

    def __new__(cls, value: str, at_once: int, per_party: int) -> "Pool":
        member = object.__new__(cls)
        member._value_ = value
        member.at_once, member.per_party = at_once, per_party
        return member

    STRANGERS = "strangers", 48, 2
    FAILING = "failing", 4, 1  # strangers whose host has only failed so far
    CLIENTS = "clients", 24, 4
    ISSUERS = "issuers", 24, 6


class BusyError(Exception):
    """All places of this kind or party are taken, or what others wait for did not come in time."""


class Errand:
    """Some work under way. `future` holds what result."""

    def __init__(self, key: Hashable, kind: Pool, party: str) -> None:
        self.key, self.kind, self.party = key, kind, party
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()
        self.abandonment = Abandonment()
        self._waiting = 0

    @contextmanager
    def waited_for(self) -> Iterator[Future[Any]]:
        """A request waits inside. When none does any more, the work is ended."""
        with _lock:
            self._waiting += 1
        try:
            yield self.future
        finally:
            with _lock:
                self._waiting -= 1
                is_wanted = self._waiting > 0 or self.future.done()
            if not is_wanted:
                self.abandonment.abandon()


_lock = threading.Lock()
_under_way: dict[Hashable, Errand] = {}
_one_at_a_time: dict[Hashable, tuple[threading.Lock, int]] = {}


def result(kind: Pool, key: Hashable, work: Callable[[], T], *, party: str = "") -> T:
    """What `work` gives, or raises. Raises `BusyError`, in the server `concurrency.MustRunInThread`, and RuntimeError
    while a transaction is open.
    """
    require_no_transaction()
    brought = concurrency.brought()
    if brought is not None and key in brought:
        return cast(T, brought[key].result())
    if concurrency.is_outside():
        return _here(key, work)
    if brought is not None:
        raise concurrency.MustRunInThread(_begun(kind, key, work, party))
    # A request that cannot begin again waits where it is, in a place; in the event loop it leaves first.
    if not concurrency.may_block():
        raise BusyError
    with _begun(kind, key, work, party).waited_for() as future:
        try:
            return cast(T, future.result(timeout=SECONDS))
        except StillOnItsWayError:
            raise BusyError from None


def begin(kind: Pool, key: Hashable, work: Callable[[], object], *, party: str = "") -> None:
    """See to it that the work is done, and wait for nothing where that can be. Where there is no place it is left."""
    if concurrency.is_outside():
        with _lock:
            is_being_done = key in _one_at_a_time
        if not is_being_done:
            _here(key, work)
        return
    try:
        _begun(kind, key, work, party)
    except BusyError:
        return


def is_under_way(key: Hashable) -> bool:
    with _lock:
        return key in _under_way or key in _one_at_a_time


def _here(key: Hashable, work: Callable[[], T]) -> T:
    with _lock:
        lock, users = _one_at_a_time.get(key, (threading.Lock(), 0))
        _one_at_a_time[key] = lock, users + 1
    try:
        if not lock.acquire(timeout=SECONDS):
            raise BusyError
        try:
            return work()
        finally:
            lock.release()
    finally:
        with _lock:
            lock, users = _one_at_a_time.pop(key)
            if users > 1:
                _one_at_a_time[key] = lock, users - 1


def _begun(kind: Pool, key: Hashable, work: Callable[[], object], party: str) -> Errand:
    with _lock:
        errand = _under_way.get(key)
        if errand is not None:
            return errand
        parties = [other.party for other in _under_way.values() if other.kind is kind]
        if len(parties) >= kind.at_once or parties.count(party) >= kind.per_party:
            raise BusyError
        errand = _under_way[key] = Errand(key, kind, party)
    # A thread of its own; the server does not wait for it when it ends.
    context = copy_context()
    threading.Thread(target=context.run, args=(_run, errand, work), name=f"errand {kind.value}", daemon=True).start()
    return errand


def _run(errand: Errand, work: Callable[[], object]) -> None:
    try:
        with concurrency.on_an_errand(), errand.abandonment.in_force():
            came = work()
    except BaseException as error:
        _over(errand)
        errand.future.set_exception(error)
    else:
        _over(errand)
        errand.future.set_result(came)
    finally:
        connections.close_all()


def _over(errand: Errand) -> None:
    with _lock:
        del _under_way[errand.key]


def release_database() -> None:
    """Give the connection back before waiting for the network, where this is a thread that ends soon."""
    if concurrency.is_on_an_errand():
        connections.close_all()
