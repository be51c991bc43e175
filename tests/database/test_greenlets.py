"""A greenlet is left where its request waits, and nothing of one request is another's (authz/database/greenlets.py)."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any

import pytest
from greenlet import getcurrent

from authz.database import greenlets
from authz.database.greenlets import READ, WRITE, ClientGoneError, NotInTimeError, Request
from tests.support.timing import quickest

_whose: ContextVar[str] = ContextVar("whose", default="no one's")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def here() -> Request[Any]:
    request = greenlets.current()
    assert request is not None
    return request


def in_time() -> float:
    return time.monotonic() + 10


def test_what_waits_for_nothing_is_answered_at_once() -> None:
    async def ask() -> int:
        return await greenlets.run(lambda: 7)

    assert asyncio.run(ask()) == 7
    assert greenlets.current() is None


def test_the_loop_goes_on_while_a_request_waits_for_a_socket(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair

    def work() -> bytes:
        assert here().wait_for_socket(ours.fileno(), READ, in_time()) == READ
        return ours.recv(10)

    async def both() -> tuple[bytes, str]:
        waiting = asyncio.ensure_future(greenlets.run(work))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        other = await greenlets.run(lambda: "answered")
        theirs.send(b"there")
        return await waiting, other

    assert asyncio.run(both()) == (b"there", "answered")


def test_a_socket_may_be_ready_for_writing_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    ready = asyncio.run(greenlets.run(lambda: here().wait_for_socket(pair[0].fileno(), READ | WRITE, in_time())))
    assert ready == WRITE


def test_nothing_came_in_time(pair: tuple[socket.socket, socket.socket]) -> None:
    def wait() -> None:
        with pytest.raises(NotInTimeError):
            asyncio.run(greenlets.run(lambda: here().wait_for_socket(pair[0].fileno(), READ, time.monotonic() + 0.1)))

    assert 0.1 <= quickest(wait, enough=2) < 2


def test_what_a_request_raises_is_raised_where_its_answer_is_awaited(pair: tuple[socket.socket, socket.socket]) -> None:
    def work() -> None:
        here().wait_for_socket(pair[0].fileno(), WRITE, in_time())
        raise KeyError("hers")

    with pytest.raises(KeyError, match="hers"):
        asyncio.run(greenlets.run(work))


def test_a_thread_brings_what_a_request_waits_for() -> None:
    future: Future[str] = Future()
    threading.Timer(0.05, future.set_result, ["brought"]).start()
    assert asyncio.run(greenlets.run(lambda: here().wait_for_thread(future, in_time()))) == "brought"


def test_a_thread_that_brings_nothing_is_not_waited_for_longer() -> None:
    with pytest.raises(NotInTimeError):
        asyncio.run(greenlets.run(lambda: here().wait_for_thread(Future(), time.monotonic() + 0.1)))


def test_context_variables_and_the_running_loop_are_each_requests_own() -> None:
    """Attack: what is recorded of one request carries the address of another."""
    seen: list[str] = []

    def work(name: str) -> Callable[[], None]:
        def steps() -> None:
            _whose.set(name)
            for _ in range(3):
                here().pause(time.monotonic())
                seen.append(_whose.get())
                with pytest.raises(RuntimeError):
                    asyncio.get_running_loop()

        return steps

    async def both() -> None:
        await asyncio.gather(greenlets.run(work("Alice")), greenlets.run(work("Bob")))
        assert _whose.get() == "no one's"
        assert asyncio.get_running_loop()

    asyncio.run(both())
    assert sorted(seen) == ["Alice"] * 3 + ["Bob"] * 3
    assert seen != sorted(seen)


def test_a_thread_that_a_request_starts_is_no_request() -> None:
    def work() -> list[object]:
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(greenlets.current()))
        thread.start()
        thread.join()
        return found

    assert asyncio.run(greenlets.run(work)) == [None]


def test_a_request_that_is_cancelled_cleans_up_and_waits_for_nothing_more() -> None:
    did: list[str] = []

    def work() -> None:
        try:
            here().pause(in_time())
        finally:
            did.append("cleaned up")
            with pytest.raises(ClientGoneError):
                here().pause(in_time())
            did.append("waited for nothing")

    async def cancel() -> None:
        waiting = asyncio.ensure_future(greenlets.run(work))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait({waiting})

    asyncio.run(cancel())
    assert did == ["cleaned up", "waited for nothing"]
    assert not greenlets._waiting


def test_only_of_a_slow_request_the_client_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[str] = []

    async def watch() -> None:
        watched.append("watched")
        await asyncio.sleep(60)

    async def ask(seconds: float) -> None:
        await greenlets.run(lambda: here().pause(time.monotonic() + seconds), watch)

    # On a busy machine each request takes longer than what is slow.
    monkeypatch.setattr(greenlets, "SLOW", 60.0)
    asyncio.run(ask(0.2))
    assert watched == []
    monkeypatch.undo()
    asyncio.run(ask(0.2))
    assert watched == ["watched"]


def test_a_request_finds_nothing_of_the_one_that_had_its_greenlet_before() -> None:
    """Attack: what is recorded of one request carries the address of the one before it."""
    seen: list[tuple[int, str]] = []

    def work() -> None:
        seen.append((id(getcurrent()), _whose.get()))
        _whose.set("Alice's")
        raise KeyError

    async def both() -> None:
        for _ in range(2):
            with pytest.raises(KeyError):
                await greenlets.run(work)

    asyncio.run(both())
    (first, before), (second, after) = seen
    assert (first, before) == (second, after) == (first, "no one's")
