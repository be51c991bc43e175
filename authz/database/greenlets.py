"""Requests that wait without blocking the event loop: each runs in a greenlet of its own.

A greenlet is a stack of Python calls that can be left and returned to. A request is synchronous code. Where it has to
wait, for a socket of PostgreSQL or for its turn, its greenlet is left and the loop answers others. The greenlet goes on
when what it waited for is there (docs/decisions/0070-workers-that-do-not-wait.md).

**The loop is called only from outside a greenlet.** While a greenlet runs, a part of the loop's C stack is kept
elsewhere, and libuv has pointers into that part.

All requests of a process share the thread of its loop. So a lock of `threading` must never be held over a statement:
the next request would wait for it in the same thread, for ever.
"""

import asyncio
import time
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

T = TypeVar("T")
# How many greenlets are kept for the requests to come.
KEPT = 64
# Seconds between two looks at requests that wait too long. Deadlines are as exact as that.
TICK = 0.025
# Seconds after which a request is slow: the client may be gone, and its connection does not count (postgresql/pool.py).
SLOW = 0.05
# What psycopg calls a socket that can be read, written, or both (psycopg.waiting).
READ, WRITE = 1, 2
_NO_SOCKET = (-1, 0)


class NotInTimeError(Exception):
    """What a request waited for did not come by its deadline."""


class ClientGoneError(BaseException):
    """The client has closed its connection, or the server stops: the request ends where it is."""


class _Stack(greenlet):
    """A greenlet that runs one request after the other. The first calls of a new one are in memory that the system has
    to map, which takes as long as a dozen statements.
    """

    request: "Request[Any] | None" = None

    def run(self) -> None:
        while self.request is not None:
            self.request.do_work()
            self.request = None
            assert self.parent is not None  # noqa: S101  it has been begun from the loop
            self.parent.switch()


class Request(Generic[T]):
    """A request under way. `database` is what the pool lends it."""

    _outcome: T
    _failure: BaseException | None = None

    def __init__(self, loop: AbstractEventLoop, work: Callable[[], T]) -> None:
        self._work, self._stack = work, _free_stack()
        self._stack.request = self
        # Context variables are its own, as those of a task are.
        self._stack.gr_context = copy_context()
        self.loop = loop
        self.database: Any = None
        self.is_client_gone = False
        self.is_slow = False
        self._is_abandoned = False
        self._began, self._paused, self._until = time.monotonic(), 0.0, 0.0
        self._socket = self._listening = _NO_SOCKET
        self._ready = 0
        self._over: asyncio.Future[T] | None = None
        self._watch: Callable[[], Awaitable[object]] | None = None
        self._watching: asyncio.Future[object] | None = None

    # --- From outside, in the loop ---

    async def answered(self, watch: Callable[[], Awaitable[object]] | None) -> T:
        self._watch = watch
        if self._goes_on():
            return self._outcome
        self._over = self.loop.create_future()
        try:
            return await self._over
        except asyncio.CancelledError:
            self._is_abandoned = True
            self.wake()
            raise
        finally:
            if self._watching is not None:
                self._watching.cancel()

    def wake(self) -> None:
        """Let it look whether it can go on. Any number of times; where it does not wait, nothing happens."""
        if self in _waiting:
            self._finish_or_pause()

    def tick(self, now: float) -> None:
        self.is_slow = now - self._paused >= SLOW
        if now - self._began >= SLOW and self._watching is None and self._watch is not None:
            self._watching = asyncio.ensure_future(self._watch())
            self._watching.add_done_callback(self._client_left)
        if now >= self._until:
            self.wake()

    def _client_left(self, watching: asyncio.Future[object]) -> None:
        if not watching.cancelled():
            self.is_client_gone = True
            self.wake()

    def _finish_or_pause(self) -> None:
        assert self._over is not None  # noqa: S101  it has paused
        try:
            is_over = self._goes_on()
        except BaseException as error:  # raised where the answer is awaited
            if not self._over.done():
                self._over.set_exception(error)
        else:
            if is_over and not self._over.done():
                self._over.set_result(self._outcome)

    def _goes_on(self) -> bool:
        """Run it until it waits again. Whether it is over. Raises what it raises."""
        self._stop_listening()
        # Django keeps database connections by task where a loop is running, and refuses to use them there. While the
        # greenlet runs, the thread is as good as one without a loop.
        asyncio._set_running_loop(None)
        try:
            self._stack.switch()
        finally:
            asyncio._set_running_loop(self.loop)
            while _to_call:
                self.loop.call_soon(_to_call.pop())
        if self._stack.request is self:
            self._listen()
            _keep_ticking(self.loop)
            return False
        _keep(self._stack)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            try:
                raise failure
            finally:
                del failure  # its traceback has this call, which would hold it
        return True

    def _listen(self) -> None:
        """Have the loop watch the socket that the request waits for."""
        self._listening = descriptor, wanted = self._socket
        if wanted & READ:
            self.loop.add_reader(descriptor, self._note, READ)
        if wanted & WRITE:
            self.loop.add_writer(descriptor, self._note, WRITE)

    def _stop_listening(self) -> None:
        (descriptor, wanted), self._listening = self._listening, _NO_SOCKET
        if wanted & READ:
            self.loop.remove_reader(descriptor)
        if wanted & WRITE:
            self.loop.remove_writer(descriptor)

    def _note(self, event: int) -> None:
        self._stop_listening()
        self._ready |= event
        # Not from here, where libuv goes through the sockets that are ready: destructors may call it, too.
        self.loop.call_soon(self.wake)

    # --- From inside: nothing here may call the loop ---

    def do_work(self) -> None:
        try:
            self._outcome = self._work()
        except GreenletExit:  # the process ends
            raise
        except BaseException as failure:  # raised where the answer is awaited
            self._failure = failure

    def pause(self, until: float) -> None:
        """Leave the greenlet. It goes on at the next `wake()`, or soon after `until` (by the monotonic clock). Raises
        `ClientGoneError`.
        """
        if not self._is_abandoned:
            self._until, self._paused = until, time.monotonic()
            _waiting[self] = None
            try:
                assert self._stack.parent is not None  # noqa: S101  it has been begun from the loop
                self._stack.parent.switch()
            finally:
                del _waiting[self]
                self.is_slow = False
        if self._is_abandoned:
            raise ClientGoneError

    def wait_for_socket(self, descriptor: int, wanted: int, until: float) -> int:
        """What the socket is ready for. Raises `NotInTimeError`."""
        self._socket, self._ready = (descriptor, wanted), 0
        try:
            while not self._ready:
                self.pause(until)
                if not self._ready and time.monotonic() >= until:
                    raise NotInTimeError
            return self._ready
        finally:
            self._socket = _NO_SOCKET

    def wait_for_thread(self, future: Future[T], until: float) -> T:
        """What a thread brings, or raises. Raises `NotInTimeError`."""

        def wake(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop has ended
                self.loop.call_soon_threadsafe(self.wake)

        future.add_done_callback(wake)
        while not future.done():
            self.pause(until)
            if not future.done() and time.monotonic() >= until:
                raise NotInTimeError
        return future.result()


def current() -> Request[Any] | None:
    """The request that is running here; None in a thread of its own, and outside requests."""
    running = getcurrent()
    return running.request if type(running) is _Stack else None


def call_soon(function: Callable[[], object]) -> None:
    """Have the loop call it, once the request that is running waits or ends."""
    _to_call.append(function)


def wake_soon(request: Request[Any]) -> None:
    """Have it look whether it can go on, once the one that is running waits or ends."""
    call_soon(request.wake)


async def run(work: Callable[[], T], watch: Callable[[], Awaitable[object]] | None = None) -> T:
    """What `work` gives, or raises. `watch` returns when the client is gone; it is asked where a request is slow."""
    return await Request(asyncio.get_running_loop(), work).answered(watch)


def _free_stack() -> _Stack:
    here = getcurrent()
    while _free:
        stack = _free.pop()
        if stack.parent is here:  # tests have several loops
            return stack
    return _Stack(parent=here)


def _keep(stack: _Stack) -> None:
    if len(_free) < KEPT:
        stack.gr_context = None
        _free.append(stack)


_free: list[_Stack] = []
_waiting: dict[Request[Any], None] = {}
_to_call: list[Callable[[], object]] = []
_ticking: set[AbstractEventLoop] = set()


def _keep_ticking(loop: AbstractEventLoop) -> None:
    if loop not in _ticking:
        _ticking.clear()  # a process has one loop, and tests one after the other
        _ticking.add(loop)
        loop.call_later(TICK, _tick, loop)


def _tick(loop: AbstractEventLoop) -> None:
    _ticking.discard(loop)
    now = time.monotonic()
    for request in list(_waiting):
        if request.loop is loop:
            request.tick(now)
    if _waiting:
        _keep_ticking(loop)
