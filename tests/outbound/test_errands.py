"""What requests need from other servers is fetched once, beside them, and within bounds of its kind."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from authz.database import concurrency
from authz.endpoints.machine import json_response, machine_endpoint
from authz.outbound import errands
from authz.outbound.errands import BusyError, Pool
from authz.serving import asgi, wsgi
from tests.serving.test_asgi import PATH, scope

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadPoolExecutor(1, thread_name_prefix="thread") as pool:
        monkeypatch.setattr(asgi, "_threads", pool)
        yield
        pool.submit(connections.close_all).result()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    def plug(view: Any) -> None:
        monkeypatch.setitem(wsgi.MACHINES, PATH, machine_endpoint("GET", "POST")(view).answer)

    return plug


class Visitor:
    """One request, as the event loop sees it; it leaves when it is told to."""

    def __init__(self, path: bytes = PATH.encode()) -> None:
        self.sent: list[dict[str, Any]] = []
        self.leaves = asyncio.Event()
        self._scope = scope("GET", path)
        self._has_read = False

    async def receive(self) -> dict[str, Any]:
        if not self._has_read:
            self._has_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def visit(self) -> tuple[int, bytes]:
        await asgi.application(self._scope, self.receive, self.send)
        if not self.sent:
            return 0, b""
        return self.sent[0]["status"], b"".join(message.get("body", b"") for message in self.sent[1:])


def test_a_request_begins_again_with_what_was_brought(machine: Callable[[Any], None]) -> None:
    begun: list[str] = []

    def view(_: Any) -> Any:
        begun.append(threading.current_thread().name)
        return json_response({"came": errands.result(Pool.ISSUERS, "a", lambda: threading.current_thread().name)})

    machine(view)
    status, body = asyncio.run(_visit())
    # Twice in the event loop's own thread, and the work in one of its own.
    assert (status, body) == (200, b'{"came":"errand issuers"}')
    assert begun == [threading.current_thread().name] * 2


async def _visit() -> tuple[int, bytes]:
    return await Visitor().visit()


def test_however_many_ask_it_is_done_once(machine: Callable[[Any], None]) -> None:
    done: list[int] = []

    def work() -> int:
        time.sleep(0.3)
        done.append(1)
        return len(done)

    machine(lambda _: json_response({"came": errands.result(Pool.ISSUERS, "a", work)}))

    async def visits() -> list[tuple[int, bytes]]:
        return await asyncio.gather(*(Visitor().visit() for _ in range(40)))

    assert asyncio.run(visits()) == [(200, b'{"came":1}')] * 40
    assert done == [1]


def test_a_hanging_host_delays_no_other_request(machine: Callable[[Any], None]) -> None:
    over = threading.Event()

    def view(request: Any) -> Any:
        if request.META["QUERY_STRING"] == "slow":
            errands.result(Pool.ISSUERS, "slow", lambda: over.wait(30), party="slow")
        return json_response({"came": errands.result(Pool.ISSUERS, "quick", lambda: 1, party="quick")})

    machine(view)

    async def visits() -> float:
        slow = Visitor()
        slow._scope = {**slow._scope, "query_string": b"slow"}
        waiting = [asyncio.ensure_future(slow.visit())]
        await asyncio.sleep(0.05)
        began = time.monotonic()
        assert (await Visitor().visit())[0] == 200
        took = time.monotonic() - began
        over.set()
        await asyncio.gather(*waiting)
        return took

    assert asyncio.run(visits()) < 5


def test_an_error_is_told_to_each_who_waits(machine: Callable[[Any], None]) -> None:
    def work() -> None:
        raise ValueError("no")

    def view(_: Any) -> Any:
        try:
            errands.result(Pool.CLIENTS, "a", work)
        except ValueError as error:
            return json_response({"error": str(error)})

    machine(view)
    assert asyncio.run(_visit()) == (200, b'{"error":"no"}')


def test_the_last_who_leaves_ends_it(machine: Callable[[Any], None]) -> None:
    ended, begun = threading.Event(), threading.Event()

    def work() -> None:
        errands._under_way["a"].abandonment.on_abandoned(ended.set)
        begun.set()
        ended.wait(30)

    machine(lambda _: json_response({"came": errands.result(Pool.STRANGERS, "a", work)}))

    async def visits() -> list[tuple[int, bytes]]:
        first, second = Visitor(), Visitor()
        waiting = [asyncio.ensure_future(first.visit()), asyncio.ensure_future(second.visit())]
        # Until both wait for it: the work begins with the first of them.
        while not begun.is_set() or errands._under_way["a"]._waiting < 2:
            await asyncio.sleep(0.01)
        first.leaves.set()
        await waiting[0]
        assert not ended.is_set()  # another request still wants it
        second.leaves.set()
        return await asyncio.gather(*waiting)

    assert asyncio.run(visits()) == [(0, b""), (0, b"")]
    assert ended.wait(5)


@pytest.mark.parametrize("kind", list(Pool))
def test_a_kind_and_a_party_have_so_many_places_and_no_more(kind: Pool) -> None:
    over = threading.Event()
    with concurrency.in_event_loop(), concurrency.beginning_again({}):
        try:
            taken = 0
            for number in range(kind.at_once + 1):
                party = f"party {number // kind.per_party}"
                with pytest.raises((concurrency.MustRunInThread, BusyError)) as raised:
                    errands.result(kind, ("place", kind, number), lambda: over.wait(30), party=party)
                taken += raised.type is concurrency.MustRunInThread
            assert taken == kind.at_once
        finally:
            over.set()
            _wait_until_none_is_left()
        over.clear()
        try:
            for _ in range(kind.per_party):
                with pytest.raises(concurrency.MustRunInThread):
                    errands.result(kind, ("party", object()), lambda: over.wait(30), party="one")
            with pytest.raises(BusyError):
                errands.result(kind, ("party", object()), lambda: over.wait(30), party="one")
        finally:
            over.set()
            _wait_until_none_is_left()


def _wait_until_none_is_left() -> None:
    until = time.monotonic() + 10
    while errands._under_way and time.monotonic() < until:
        time.sleep(0.01)


def test_kinds_take_no_places_from_each_other() -> None:
    over = threading.Event()
    with concurrency.in_event_loop(), concurrency.beginning_again({}):
        try:
            for number in range(Pool.STRANGERS.at_once):
                with pytest.raises(concurrency.MustRunInThread):
                    errands.result(Pool.STRANGERS, number, lambda: over.wait(30), party=str(number))
            for kind in (Pool.FAILING, Pool.CLIENTS, Pool.ISSUERS):
                with pytest.raises(concurrency.MustRunInThread):
                    errands.result(kind, kind, lambda: over.wait(30))
        finally:
            over.set()
            _wait_until_none_is_left()


def test_a_request_that_cannot_begin_again_waits_where_it_is() -> None:
    with concurrency.in_thread():
        assert errands.result(Pool.ISSUERS, "a", lambda: 7) == 7


def test_outside_the_server_it_is_done_here_and_one_at_a_time() -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def work() -> str:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1
        return threading.current_thread().name

    with ThreadPoolExecutor(5, thread_name_prefix="caller") as pool:
        names = list(pool.map(lambda _: errands.result(Pool.ISSUERS, "a", work), range(10)))
    assert all(name.startswith("caller") for name in names)
    assert most == 1
    assert not errands.is_under_way("a")
