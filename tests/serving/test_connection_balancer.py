"""Who has fewest connections takes the next, and nobody waits for one who does not."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing

import pytest
import uvicorn

from authz.serving import connection_balancer
from authz.serving.connection_balancer import Acceptor
from authz.serving.http_protocol import Connection


async def answer(scope: object, receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as made:
        made.setblocking(False)
        yield made


def lane(counts: list[int], listener: socket.socket) -> uvicorn.Server:
    """The lane at place 0, in the loop that runs."""
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


def test_what_it_takes_it_serves(listener: socket.socket) -> None:
    async def go() -> bytes:
        server = lane([0, 0], listener)
        [(reader, writer)] = await connect(listener)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        line = await asyncio.wait_for(reader.readline(), 5)
        server.should_exit = True
        writer.close()
        await settle()
        return line

    assert asyncio.run(go()) == b"HTTP/1.1 204 No Content\r\n"


def test_a_connection_is_left_to_who_has_fewer(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_balancer, "BACKOFF_SECONDS", 3600.0)

    async def go() -> list[int]:
        counts, seen = [0, 1], []
        lane(counts, listener)
        for other in (1, 1, 1, 3):
            counts[1] = other
            clients.extend(await connect(listener))
            await settle()
            seen.append(counts[0])
        for _, writer in clients:
            writer.close()
        return seen

    clients: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    # One and the next are taken, the third is the other's; when the other has three, so is what waited and the fourth.
    assert asyncio.run(go()) == [1, 2, 2, 4]


def test_what_the_others_have_no_time_for_it_takes_all_the_same(listener: socket.socket) -> None:
    """Attack: one lane is busy, or dead, and has none; a flood comes."""

    async def go() -> int:
        counts = [0, 0]
        lane(counts, listener)
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


def test_it_goes_on_when_the_system_had_nothing_to_give(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file may be opened any more."""
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
        lane(counts, Poor())  # type: ignore[arg-type]
        [(_, writer)] = await connect(listener)
        deadline = asyncio.get_running_loop().time() + 10
        while counts[0] < 1 and asyncio.get_running_loop().time() < deadline:
            await settle()
        writer.close()
        await settle()
        return counts[0]

    assert asyncio.run(go()) == 1


def test_who_stops_takes_no_more(listener: socket.socket) -> None:
    async def go() -> int:
        counts = [0]
        lane(counts, listener).should_exit = True
        [(_, writer)] = await connect(listener)
        await settle(0.05)
        writer.close()
        return counts[0]

    assert asyncio.run(go()) == 0
