"""Each worker takes its share of the connections that wait, and none waits for a worker that does not take it."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing

import pytest
import uvicorn

from authz.serving import connection_balancer, processes
from authz.serving.connection_balancer import Acceptor
from authz.serving.http_protocol import Connection

pytestmark = pytest.mark.any_database


async def answer(scope: object, receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as made:
        made.setblocking(False)
        yield made


def balanced(counts: list[int], listener: socket.socket) -> uvicorn.Server:
    """The worker at place 0, in the running loop."""
    config = uvicorn.Config(answer, http=Connection, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    Acceptor(server, listener, counts, 0)
    return server


async def connect(
    listener: socket.socket, how_many: int = 1
) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    return [await asyncio.open_connection(*listener.getsockname()) for _ in range(how_many)]


async def settle(seconds: float = 0.01) -> None:
    await asyncio.sleep(seconds)


def test_it_serves_the_connections_that_it_takes(listener: socket.socket) -> None:
    async def go() -> bytes:
        server = balanced([0, 0], listener)
        [(reader, writer)] = await connect(listener)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        line = await asyncio.wait_for(reader.readline(), 5)
        server.should_exit = True
        writer.close()
        await settle()
        return line

    assert asyncio.run(go()) == b"HTTP/1.1 204 No Content\r\n"


def test_a_connection_is_left_to_the_worker_with_fewer(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_balancer, "BACKOFF_SECONDS", 3600.0)

    async def go() -> list[int]:
        counts, seen = [0, 1], []
        balanced(counts, listener)
        for other in (1, 1, 1, 3):
            counts[1] = other
            clients.extend(await connect(listener))
            await settle()
            seen.append(counts[0])
        for _, writer in clients:
            writer.close()
        return seen

    clients: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    # The first two are taken; the third is left to the other. When that has three, it takes the waiting one and a
    # fourth.
    assert asyncio.run(go()) == [1, 2, 2, 4]


def waiting_connections(listener: socket.socket, how_many: int) -> list[socket.socket]:
    """That the kernel has, before any worker looks."""
    return [socket.create_connection(listener.getsockname()) for _ in range(how_many)]


@pytest.mark.parametrize(
    ("counts", "coming", "taken"),
    [
        pytest.param([0, 0], 50, 25, id="half of a burst"),
        pytest.param([0, 0], 51, 26, id="one more of an odd one"),
        pytest.param([0, 30], 50, 40, id="more, where the other has more"),
        pytest.param([0, 60], 50, 50, id="all, where the other has more than that"),
        pytest.param([0, 0, 0, 0], 50, 13, id="a quarter of four"),
    ],
)
def test_of_a_burst_each_takes_its_share_in_one_turn(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, counts: list[int], coming: int, taken: int
) -> None:
    """Attack: each turn of a busy loop takes as long as its requests. One connection a turn, and the last waits for
    seconds.
    """
    monkeypatch.setattr(connection_balancer, "BACKOFF_SECONDS", 3600.0)

    async def go() -> list[int]:
        clients, seen = waiting_connections(listener, coming), []
        balanced(counts, listener)
        for _ in range(3):
            await asyncio.sleep(0)
            seen.append(counts[0])
        for client in clients:
            client.close()
        await settle(0.05)
        return seen

    seen = asyncio.run(go())
    # It jumps from nothing to all of them, and stays.
    assert set(seen) <= {0, taken}
    assert seen[-1] == taken


def test_a_loop_whose_turns_are_long_takes_what_the_others_leave(listener: socket.socket) -> None:
    """The other worker is dead, and this one has so many requests that it looks only now and then."""

    async def go() -> bool:
        counts, loop, is_over = [5, 0], asyncio.get_running_loop(), False

        def compute() -> None:
            time.sleep(0.015)
            if not is_over:
                loop.call_soon(compute)

        compute()
        server, clients = balanced(counts, listener), waiting_connections(listener, 3)
        # Only of its own: it has as many as its share until those that wait are counted.
        server.server_state.connections.update(range(5))  # type: ignore[arg-type]
        deadline = loop.time() + 10
        while counts[0] < 8 and loop.time() < deadline:
            await asyncio.sleep(0)
        is_over, taken = True, counts[0]
        for client in clients:
            client.close()
        server.server_state.connections.clear()
        await settle(0.05)
        return taken == 8

    assert asyncio.run(go())


def test_it_takes_the_connections_that_busy_workers_leave(listener: socket.socket) -> None:
    """Attack: one worker is busy, or dead, and has no connections; a flood comes."""

    async def go() -> int:
        counts = [0, 0]
        balanced(counts, listener)
        clients = await connect(listener, 50)
        deadline = asyncio.get_running_loop().time() + 10
        while counts[0] != 50 and asyncio.get_running_loop().time() < deadline:
            await settle()
        taken = counts[0]
        for _, writer in clients:
            writer.close()
        await settle()
        return taken

    assert asyncio.run(go()) == 50


def test_it_goes_on_when_accept_fails(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file descriptor is left."""
    monkeypatch.setattr(connection_balancer, "POLL_SECONDS", 0.001)
    denied = iter([OSError(24, "Too many open files")] * 3)

    class Poor:
        fileno = listener.fileno

        def accept(self) -> object:
            if error := next(denied, None):
                raise error
            return listener.accept()

    async def go() -> int:
        counts = [0]
        balanced(counts, Poor())  # type: ignore[arg-type]
        [(_, writer)] = await connect(listener)
        deadline = asyncio.get_running_loop().time() + 10
        while counts[0] < 1 and asyncio.get_running_loop().time() < deadline:
            await settle()
        writer.close()
        await settle()
        return counts[0]

    assert asyncio.run(go()) == 1


def test_a_stopping_worker_takes_no_more(listener: socket.socket) -> None:
    async def go() -> int:
        counts = [0]
        balanced(counts, listener).should_exit = True
        [(_, writer)] = await connect(listener)
        await settle(0.05)
        writer.close()
        return counts[0]

    assert asyncio.run(go()) == 0


def test_a_server_that_stops_refuses_connections_and_answers_over_open_ones_for_the_last_time(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy sends no POST twice: one that meets a closing connection, or a queue that is reset, is lost."""
    monkeypatch.setattr(Connection, "is_ending", False)
    monkeypatch.setattr(connection_balancer, "POLL_SECONDS", 0.01)

    async def go() -> None:
        server = balanced([0], listener)
        [(reader, writer)] = await connect(listener)
        await settle(0.05)
        processes._refuse_connections(listener)
        await settle(0.05)
        with pytest.raises(ConnectionRefusedError):
            await connect(listener)
        assert not server.should_exit
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        assert b"\r\nconnection: close\r\n" in answer.lower()
        writer.close()
        deadline = asyncio.get_running_loop().time() + 10
        while not server.should_exit:
            assert asyncio.get_running_loop().time() < deadline
            await settle(0.02)

    asyncio.run(go())
