"""Bounds on what an unauthenticated connection may send, and on how long it may take."""

import asyncio
import socket
import struct
from asyncio import selector_events
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from authz.serving import http_protocol
from authz.serving.http_protocol import Connection

pytestmark = pytest.mark.any_database

HEAD = b"GET / HTTP/1.1\r\nHost: us\r\n"
CLOSE = b"Connection: close\r\n"
Address = tuple[str, int]
seen: list[dict[str, Any]] = []


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body that came, or with much where `/much` is asked for; `/broken` fails after the head, `/slow`
    before its body's second half.
    """
    body, message = b"", {"more_body": True}
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    seen.append({"headers": dict(scope["headers"]), "body": body, "client": scope["client"]})
    answer = b"a" * 50_000_000 if scope["path"] == "/much" else body
    length = (b"content-length", str(len(answer)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    if scope["path"] == "/broken":
        raise RuntimeError
    if scope["path"] == "/slow":
        await send({"type": "http.response.body", "body": answer[:2], "more_body": True})
        await asyncio.sleep(0.2)
        answer = answer[2:]
    await send({"type": "http.response.body", "body": answer})


@pytest.fixture(autouse=True)
def _nothing_seen() -> Iterator[None]:
    seen.clear()
    yield
    assert not http_protocol._arriving


def served(act: Callable[[Address, ServerState], Awaitable[Any]], most: int = 10) -> Any:
    """What `act` gives, with a server that it can talk to."""

    async def run() -> Any:
        config = uvicorn.Config(application, ws="none", log_level="error", log_config=None)
        state, loop = ServerState(), asyncio.get_running_loop()
        made = lambda: Connection(config=config, server_state=state, app_state={}, _loop=loop)  # noqa: E731
        server = await loop.create_server(made, "127.0.0.1", 0)
        try:
            return await act(server.sockets[0].getsockname(), state)
        finally:
            for left in list(state.connections):
                left.abort()  # type: ignore[union-attr]
            server.close()

    before, Connection.most = Connection.most, most
    try:
        return asyncio.run(run(), debug=False)
    finally:
        Connection.most = before


def ask(*pieces: bytes) -> bytes:
    """What comes back until the server closes."""

    async def act(address: Address, _: ServerState) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            return await asyncio.wait_for(reader.read(), 5)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    found: bytes = served(act)
    return found


class TestWhatComesIn:
    def test_a_request_in_pieces_is_one(self) -> None:
        answer = ask(b"POST / HT", b"TP/1.1\r\nHo", b"st: us\r\nContent-Le", b"ngth: 4\r\n" + CLOSE + b"\r\nab", b"cd")
        assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"abcd")

    @pytest.mark.parametrize(
        "pieces",
        [
            (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: us\r\n\r\n",),
            (HEAD + b"X: " + b"a" * 70_000 + b"\r\n\r\n",),
            (HEAD + (b"X: " + b"a" * 9_000 + b"\r\n") * 8 + b"\r\n",),
            (HEAD, *[b"Y: a\r\n" * 10] * 11, b"\r\n"),
            (HEAD + b"X: ", *[b"a" * 30_000] * 4),
            (HEAD + b"X" * 10, *[b"x" * 30_000] * 4),
        ],
        ids=["address", "header", "headers", "many headers", "a header without end", "a name without end"],
    )
    def test_a_head_without_end_is_not_kept(self, pieces: tuple[bytes, ...]) -> None:
        """Attack: one connection sends a head of gigabytes, or a hundred thousand headers that are put together."""
        assert not ask(*pieces).startswith(b"HTTP/1.1 200")
        assert seen == []

    def test_a_trailer_is_no_header(self) -> None:
        """Attack: X-Forwarded-For behind the body, where the proxy that writes it into the head does not look."""
        chunked = (
            HEAD.replace(b"GET", b"POST") + b"X-Forwarded-For: 192.0.2.1\r\nTransfer-Encoding: chunked\r\n" + CLOSE
        )
        assert ask(chunked + b"\r\n2\r\nab\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\nAuthorization: Basic eDp5\r\n\r\n")
        assert seen[0]["headers"][b"x-forwarded-for"] == b"192.0.2.1"
        assert b"authorization" not in seen[0]["headers"] and seen[0]["body"] == b"ab"

    def test_trailers_without_end_are_not_kept(self) -> None:
        chunked = HEAD.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
        assert ask(chunked, *[b"X: " + b"a" * 9_000 + b"\r\n"] * 9).startswith(b"HTTP/1.1 400")
        assert ask(chunked + b"X: ", *[b"a" * 30_000] * 4).startswith(b"HTTP/1.1 400")

    def test_no_connection_is_upgraded(self) -> None:
        upgrade = b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
        assert b" 200 " in ask(HEAD + upgrade).splitlines()[0]


class TestWhatGoesOut:
    @pytest.fixture
    def sent(self, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
        """What the server and the client wrote to their sockets."""
        sent: list[bytes] = []
        transport = selector_events._SelectorSocketTransport
        write = transport.write

        def recorded(self: Any, data: bytes) -> None:
            sent.append(bytes(data))
            write(self, data)

        monkeypatch.setattr(transport, "write", recorded)
        return sent

    def test_the_head_goes_with_the_body(self, sent: list[bytes]) -> None:
        answer = ask(HEAD.replace(b"GET", b"POST") + CLOSE + b"Content-Length: 4\r\n\r\nabcd")
        assert [part for part in sent if part.startswith(b"HTTP/")] == [answer]
        assert answer.endswith(b"\r\n\r\nabcd")

    def test_a_body_in_parts_is_sent_as_it_is_made(self, sent: list[bytes]) -> None:
        request = b"POST /slow HTTP/1.1\r\nHost: us\r\n" + CLOSE + b"Content-Length: 4\r\n\r\nabcd"
        answer = ask(request)
        assert answer.endswith(b"\r\n\r\nabcd")
        assert sent == [request, answer[:-2], b"cd"]

    @pytest.mark.parametrize("request_line", [b"HEAD / HTTP/1.1\r\nHost: us\r\n", HEAD], ids=["HEAD", "GET"])
    def test_a_head_without_a_body_goes_by_itself(self, request_line: bytes) -> None:
        answer = ask(request_line + CLOSE + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\r\n\r\n")

    def test_a_head_is_sent_where_no_body_follows(self, caplog: pytest.LogCaptureFixture) -> None:
        answer = ask(b"POST /broken HTTP/1.1\r\nHost: us\r\nContent-Length: 4\r\n\r\nabcd")
        assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\r\n\r\n")
        assert "Exception in ASGI application" in caplog.text

    def test_expect_100_continue_is_answered(self) -> None:
        async def act(address: Address, _: ServerState) -> tuple[bytes, bytes]:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(HEAD + CLOSE + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            writer.write(b"abcd")
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return told, answer

        told, answer = served(act)
        assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"abcd")

    def test_each_of_several_requests_at_once_is_answered(self) -> None:
        posted = HEAD.replace(b"GET", b"POST") + b"Content-Length: 2\r\n"
        answers = ask(posted + b"\r\nab" + posted + b"\r\ncd" + posted + CLOSE + b"\r\nef")
        assert answers.count(b"HTTP/1.1 200") == 3
        assert [part[:2] for part in answers.split(b"\r\n\r\n")[1:]] == [b"ab", b"cd", b"ef"]


class TestTimeouts:
    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_protocol, "TIMEOUT_SECONDS", 0.3)

    @pytest.mark.parametrize(
        "pieces",
        [
            (),
            (b"\r\n",),
            (b"GET",),
            (HEAD + b"\r\n", b"\r\n"),
            (HEAD + b"\r\n", HEAD),
            (HEAD + b"Content-Length: 5\r\n\r\nab",),
        ],
        ids=["nothing", "an empty line", "a word", "and an empty line", "and half a second", "half a body"],
    )
    def test_slowloris_is_cut_off(self, pieces: tuple[bytes, ...]) -> None:
        """Attack (slowloris): connections that stay open for ever, until the server has no file left to open."""
        ask(*pieces)  # fails where the server does not close

    def test_a_dripping_slowloris_is_cut_off(self) -> None:
        assert not ask(HEAD + b"X: ", *[b"a"] * 100).startswith(b"HTTP/1.1 200")

    def test_a_client_that_does_not_read_is_cut_off(self) -> None:
        async def act(address: Address, state: ServerState) -> int:
            with socket.create_connection(address) as client:
                client.sendall(b"GET /much HTTP/1.1\r\nHost: us\r\n\r\n")
                await asyncio.sleep(1)
                return len(state.connections)

        assert served(act) == 0

    def test_a_connection_is_kept_alive_for_the_next_request(self) -> None:
        async def act(address: Address, _: ServerState) -> bytes:
            reader, writer = await asyncio.open_connection(*address)
            for pause in (0.6, 0.0):
                writer.write(HEAD + b"\r\n")
                answer = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(pause)
            writer.close()
            return answer

        assert served(act).startswith(b"HTTP/1.1 200")


class TestTooMany:
    def test_connections_without_a_request_are_closed_first(self) -> None:
        """Attack: a thousand connections that send nothing; a request is answered all the same."""

        async def act(address: Address, state: ServerState) -> tuple[bytes, int]:
            silent = [await asyncio.open_connection(*address) for _ in range(20)]
            reader, writer = await asyncio.open_connection(*address)
            writer.write(HEAD + b"\r\n")
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            for _, opened in (*silent, (reader, writer)):
                opened.transport.abort()
            return answer, len(state.connections)

        answer, left = served(act)
        assert answer.startswith(b"HTTP/1.1 200") and left <= 10

    def test_a_connection_that_is_reset_at_once_is_no_error(self) -> None:
        """Attack: connections that are reset before they have an address would each write a page into the log."""

        async def act(address: Address, _: ServerState) -> None:
            for _ in range(100):
                with socket.create_connection(address) as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.sendall(HEAD + b"\r\n")
            await asyncio.sleep(0.1)

        served(act)
        assert all(request["client"] is not None for request in seen)
