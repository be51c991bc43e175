"""The worker with the fewest connections takes the next, and no connection waits for a worker that does not."""

import asyncio
import socket
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
