"""Attack 36: HTTP that a proxy reads in one way and this server in another, so that a body becomes a request; and
senders that cost memory or keep others waiting. Over raw sockets, against the running server.
"""

import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support import databases, processes
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET, basic_header, configuration

pytestmark = pytest.mark.any_database

FORM = b"grant_type=client_credentials"
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
HOST = b"Host: a\r\n"
CLOSE = b"Connection: close\r\n"
TOKEN = b"POST /o/token HTTP/1.1\r\n" + HOST
AUTHENTICATED = (
    f"Authorization: {basic_header('nightly-report', SECRET)}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
).encode()
LENGTH = b"Content-Length: %d\r\n" % len(FORM)
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGatehouse]:
    directory = tmp_path_factory.mktemp("http")
    with (
        databases.database(directory, configuration()) as url,
        processes.running(url, directory, workers=2) as gatehouse,
    ):
        yield gatehouse


@contextmanager
def connected(server: RunningGatehouse) -> Iterator[socket.socket]:
    host, port = server.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as made:
        yield made


def answers(server: RunningGatehouse, *pieces: bytes, ends: bool = True) -> bytes:
    """All that comes back until the server closes. One that `ends` says that it has nothing more to send."""
    with connected(server) as sent:
        # If the server closes in the middle, the earlier response counts.
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                sent.sendall(piece)
                time.sleep(0.02 if len(pieces) > 1 else 0)
            if ends:
                sent.shutdown(socket.SHUT_WR)
        received = b""
        with suppress(ConnectionResetError):
            while more := sent.recv(65536):
                received += more
        return received


def statuses(server: RunningGatehouse, *pieces: bytes) -> list[int]:
    return [int(status) for status in STATUS.findall(answers(server, *pieces))]


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


OFFERS = {
    "h2c, as curl offers it": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "TLS": b"Connection: keep-alive, upgrade\r\nUpgrade: TLS/1.2\r\n",
    "two lines": b"Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: foo\r\n",
    "odd case": b"cOnNeCtIoN: uPgRaDe\r\nuPgRaDe: H2C\r\n",
    "no Connection": b"Upgrade: h2c\r\n",
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
class TestAnOfferedUpgrade:
    """> A server MAY ignore a received Upgrade header field (RFC 9110 §7.8)"""

    def test_an_honest_client_is_answered(self, server: RunningGatehouse, offer: bytes) -> None:
        assert statuses(server, TOKEN + AUTHENTICATED + offer + LENGTH + b"\r\n" + FORM) == [200]

    def test_in_pieces_too(self, server: RunningGatehouse, offer: bytes) -> None:
        head = TOKEN + AUTHENTICATED + offer + LENGTH
        assert statuses(server, head[:90], head[90:], b"\r\n", FORM[:5], FORM[5:]) == [200]

    def test_in_chunks_too(self, server: RunningGatehouse, offer: bytes) -> None:
        head = TOKEN + AUTHENTICATED + offer + b"Transfer-Encoding: chunked\r\n\r\n"
        assert statuses(server, head + chunked(FORM[:5], FORM[5:])) == [200]

    def test_a_body_is_no_request(self, server: RunningGatehouse, offer: bytes) -> None:
        body = b"Content-Length: %d\r\n\r\n" % len(HIDDEN)
        assert statuses(server, TOKEN + AUTHENTICATED + offer + body + HIDDEN) == [400]

    def test_what_follows_the_body_is_one(self, server: RunningGatehouse, offer: bytes) -> None:
        assert statuses(server, TOKEN + AUTHENTICATED + offer + LENGTH + b"\r\n" + FORM + HIDDEN) == [200, 200]


GET = b"GET /healthz HTTP/1.1\r\n"
POST = b"POST /healthz HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
REFUSED = {
    "no Host": (400, GET + b"\r\n"),
    "two Hosts": (400, GET + HOST + HOST + b"\r\n"),
    "an empty Host": (400, GET + b"Host: \r\n\r\n"),
    "a Host with a path": (400, GET + b"Host: a/b\r\n\r\n"),
    "a Host with a user": (400, GET + b"Host: u@a\r\n\r\n"),
    "a Host with a space": (400, GET + b"Host: a b\r\n\r\n"),
    "two Hosts in one": (400, GET + b"Host: a, b\r\n\r\n"),
    "a Host with no port": (400, GET + b"Host: a:b\r\n\r\n"),
    "a Host with a port too high": (400, GET + b"Host: a:65536\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /healthz\r\n\r\n"),
    "HTTP/0.9, in words": (400, b"GET /healthz HTTP/0.9\r\n\r\n"),
    "HTTP/1.2": (400, b"GET /healthz HTTP/1.2\r\n" + HOST + b"\r\n"),
    "HTTP/2.0": (400, b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n"),
    "HTTP/2 by prior knowledge": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/11": (400, b"GET /healthz HTTP/11\r\n" + HOST + b"\r\n"),
    "http/1.1": (400, b"GET /healthz http/1.1\r\n" + HOST + b"\r\n"),
    "RTSP": (400, b"POST /healthz RTSP/1.0\r\n\r\n"),
    "two spaces": (400, b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a space behind the version": (400, b"GET /healthz HTTP/1.1 \r\n" + HOST + b"\r\n"),
    "an unknown method": (400, b"FOO /healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "CONNECT": (501, b"CONNECT a:443 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "TRACE": (501, b"TRACE /healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "GET *": (400, b"GET * HTTP/1.1\r\n" + HOST + b"\r\n"),
    "no path": (400, b"GET healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a fragment": (400, b"GET /healthz#a HTTP/1.1\r\n" + HOST + b"\r\n"),
    "another scheme": (400, b"GET ftp://a/healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "an absolute target with a user": (400, b"GET http://u@a/healthz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "an absolute target without a Host": (400, b"GET http://a/healthz HTTP/1.1\r\n\r\n"),
    "bare LF": (400, b"GET /healthz HTTP/1.1\nHost: a\n\n"),
    "bare LF before the end": (400, GET + HOST + b"\n"),
    "bare LF after a header": (400, GET + b"Host: a\nX: b\r\n\r\n"),
    "bare CR": (400, GET + HOST + b"X: a\rb\r\n\r\n"),
    "NUL": (400, GET + HOST + b"X: a\0b\r\n\r\n"),
    "a folded header": (400, GET + HOST + b"X: a\r\n b\r\n\r\n"),
    "a folded first header": (400, GET + b" X: a\r\n" + HOST + b"\r\n"),
    "a space before the colon": (400, GET + HOST + b"X : a\r\n\r\n"),
    "a header without a name": (400, GET + HOST + b": a\r\n\r\n"),
    "a header without a colon": (400, GET + HOST + b"X\r\n\r\n"),
    "a head too long": (431, GET + HOST + b"X: " + b"a" * 70_000 + b"\r\n\r\n"),
    "too many headers": (431, GET + HOST + b"X: a\r\n" * 101 + b"\r\n"),
    "both framings": (400, POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "both, the other way round": (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    "two lengths": (400, POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd"),
    "one length twice": (400, POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd"),
    "two lengths in one": (400, POST + b"Content-Length: 4, 4\r\n\r\nabcd"),
    "a length with a plus": (400, POST + b"Content-Length: +4\r\n\r\nabcd"),
    "a length below zero": (400, POST + b"Content-Length: -4\r\n\r\nabcd"),
    "a length with a blank": (400, POST + b"Content-Length: 4 4\r\n\r\nabcd"),
    "a length of nothing": (400, POST + b"Content-Length:\r\n\r\nabcd"),
    "a hexadecimal length": (400, POST + b"Content-Length: 0x4\r\n\r\nabcd"),
    "a length with a point": (400, POST + b"Content-Length: 4.0\r\n\r\nabcd"),
    "a length with a low line": (400, POST + b"Content-Length: 1_0\r\n\r\nabcd"),
    "a length in other digits": (400, POST + "Content-Length: ٤\r\n\r\nabcd".encode()),
    "a length beyond all": (400, POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nabcd"),
    "a length of an exabyte": (413, POST + b"Content-Length: 1000000000000000000\r\n\r\nabcd"),
    "gzip": (501, POST + b"Transfer-Encoding: gzip\r\n\r\nabcd"),
    "identity": (501, POST + b"Transfer-Encoding: identity\r\n\r\nabcd"),
    "gzip, chunked": (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "chunked, gzip": (400, POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "chunked twice": (400, POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "chunked on two lines": (400, POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n"),
    "xchunked": (501, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "chunked with a parameter": (501, POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n"),
    "no coding": (400, POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
    "an upgrade and gzip": (501, POST + OFFERS["websocket"] + b"Transfer-Encoding: gzip\r\n\r\nabcd"),
    "an upgrade and both framings": (
        400,
        POST + OFFERS["websocket"] + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "chunks by HTTP/1.0": (400, b"POST /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a chunk of 0x4": (400, CHUNKED + b"0x4\r\nabcd\r\n0\r\n\r\n"),
    "a chunk of +4": (400, CHUNKED + b"+4\r\nabcd\r\n0\r\n\r\n"),
    "a chunk of nothing": (400, CHUNKED + b"\r\nabcd\r\n0\r\n\r\n"),
    "a chunk of a blank and 4": (400, CHUNKED + b" 4\r\nabcd\r\n0\r\n\r\n"),
    "a chunk of 4 and a blank": (400, CHUNKED + b"4 \r\nabcd\r\n0\r\n\r\n"),
    "a chunk beyond 64 bits": (400, CHUNKED + b"1" + b"0" * 16 + b"\r\nabcd\r\n0\r\n\r\n"),
    "a chunk behind a bare LF": (400, CHUNKED + b"4\nabcd\r\n0\r\n\r\n"),
    "a chunk before a bare LF": (400, CHUNKED + b"4\r\nabcd\n0\r\n\r\n"),
    "a chunk longer than it says": (400, CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
    "an extension without end": (400, CHUNKED + b"4;" + b"a" * 70_000 + b"\r\nabcd\r\n0\r\n\r\n"),
    "extensions without end": (400, CHUNKED + (b"1;" + b"a" * 30_000 + b"\r\na\r\n") * 3),
    "an extension with a CR": (400, CHUNKED + b"4;a\rb\r\nabcd\r\n0\r\n\r\n"),
    "a trailer with a bare LF": (400, CHUNKED + b"0\r\nX: a\nY: b\r\n\r\n"),
    "a trailer without a colon": (400, CHUNKED + b"0\r\nGET /healthz\r\n\r\n"),
    "an unknown expectation": (417, POST + b"Expect: 200-ok\r\nContent-Length: 4\r\n\r\nabcd"),
}


@pytest.mark.parametrize(("status", "request_"), REFUSED.values(), ids=REFUSED)
class TestWhatCanBeReadInTwoWays:
    def test_it_is_refused_and_the_connection_is_closed(
        self, server: RunningGatehouse, status: int, request_: bytes
    ) -> None:
        """The bytes after it are ambiguous, so they are not parsed."""
        assert statuses(server, request_ + HIDDEN * 3) == [status]

    def test_the_answers_before_it_come_first(self, server: RunningGatehouse, status: int, request_: bytes) -> None:
        """Attack: a response that overtakes another one is taken for that one's, on a shared connection."""
        assert statuses(server, HIDDEN + HIDDEN + request_ + HIDDEN) == [200, 200, status]


TAKEN = {
    "HTTP/1.0 without Host": (b"GET /healthz HTTP/1.0\r\n\r\n", [200]),
    "HTTP/1.0 with Host": (b"GET /healthz HTTP/1.0\r\n" + HOST + b"\r\n", [200]),
    "HTTP/1.0, and another": (b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + HIDDEN, [200]),
    "an IPv6 Host": (GET + b"Host: [::1]:8000\r\n" + CLOSE + b"\r\n", [200]),
    "a Host with a colon": (GET + b"Host: a:\r\n\r\n", [200]),
    "white space around a Host": (GET + b"Host: \t a \t\r\n\r\n", [200]),
    "blank lines before": (b"\r\n\r\n\r\n" + HIDDEN + b"\r\n" + HIDDEN, [200, 200]),
    "an absolute target": (b"GET http://other:80/healthz HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
    "an absolute target, odd case": (b"GET HTTP://other/healthz?a=b HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
    "close, and another": (GET + HOST + CLOSE + b"\r\n" + HIDDEN, [200]),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", [204]),
    "two slashes": (b"GET //healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", [404]),
    "many at once": (HIDDEN * 50, [200] * 50),
    "a body, and another": (POST + b"Content-Length: 4\r\n\r\nabcd" + HIDDEN, [200, 200]),
    "a length with zeros": (POST + b"Content-Length: 0004\r\n\r\nabcd" + HIDDEN, [200, 200]),
    "GET with a body": (GET + HOST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, [200]),
    "chunks, and another": (CHUNKED + chunked(b"a" * 20_000, b"b") + HIDDEN, [200, 200]),
    "CHUNKED": (POST + b"Transfer-Encoding: \tCHUNKED \r\n\r\n" + chunked(b"a") + HIDDEN, [200, 200]),
    "an extension": (CHUNKED + b'4;a=b;c="d"\r\nabcd\r\n0;e\r\n\r\n' + HIDDEN, [200, 200]),
    "a trailer": (CHUNKED + b"4\r\nabcd\r\n0\r\nX: a\r\nContent-Length: 9\r\n\r\n" + HIDDEN, [200, 200]),
    "a request in a chunk": (CHUNKED + chunked(HIDDEN) + HIDDEN, [200, 200]),
    "Expect by HTTP/1.0": (
        b"POST /healthz HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
        [200],
    ),
}


@pytest.mark.parametrize(("sent", "expected"), TAKEN.values(), ids=TAKEN)
class TestWhatCanBeReadInOneWay:
    def test_each_request_is_answered_once(self, server: RunningGatehouse, sent: bytes, expected: list[int]) -> None:
        assert statuses(server, sent) == expected

    def test_in_pieces_it_is_the_same(self, server: RunningGatehouse, sent: bytes, expected: list[int]) -> None:
        pieces = [sent[at : at + max(7, len(sent) // 40)] for at in range(0, len(sent), max(7, len(sent) // 40))]
        assert statuses(server, *pieces) == expected


def test_a_client_that_goes_on_sending_can_read_the_refusal(server: RunningGatehouse) -> None:
    """Closing at once would reset the connection, and the answer with it."""
    received = answers(server, GET + b"\r\n", *[HIDDEN * 200] * 10, ends=False)
    assert [int(status) for status in STATUS.findall(received)] == [400]


def test_the_same_host_is_meant_by_target_and_header(server: RunningGatehouse) -> None:
    """Attack: a proxy goes by the target, we by the header. Pages answer to our own hosts only."""
    ours = server.origin.removeprefix("http://").encode()
    page = b"GET %s/accounts/login/ HTTP/1.1\r\nHost: %s\r\n" + CLOSE + b"\r\n"
    assert statuses(server, page % (b"", ours)) == [200]
    assert statuses(server, page % (b"http://evil.example", ours)) == [400]
    assert statuses(server, page % (b"http://" + ours, b"evil.example")) == [200]


# --- The cost of a connection ---


def memory(server: RunningGatehouse) -> int:
    """Bytes that the server's processes have for themselves."""
    assert server.server.process is not None
    children = Path(f"/proc/{server.server.process.pid}/task/{server.server.process.pid}/children").read_text().split()
    private = re.compile(r"^Private_\w+:\s+(\d+) kB", re.MULTILINE)
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in children]
    return sum(int(kilobytes) for rollup in rollups for kilobytes in private.findall(rollup)) * 1024


def flood(server: RunningGatehouse, connections: int, sent: bytes) -> list[socket.socket]:
    """Connections that have sent as much of it as the server takes, and read nothing."""
    made = []
    for _ in range(connections):
        host, port = server.origin.removeprefix("http://").split(":")
        one = socket.create_connection((host, int(port)), timeout=30)
        one.setblocking(False)
        made.append(one)
    for one in made:
        left = memoryview(sent)
        try:
            while left:
                left = left[one.send(left) :]
        except (BlockingIOError, ConnectionError):
            pass
    return made


def let_go(connections: list[socket.socket]) -> None:
    for one in connections:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()


FLOODS = {
    "pipelined requests": HIDDEN * 7_300,
    "pipelined requests for a long answer": b"GET /o/jwks HTTP/1.1\r\nHost: a\r\n\r\n" * 7_000,
    "pipelined requests with a body": (POST + b"Content-Length: 4\r\n\r\nabcd") * 4_000,
    "pipelined requests for a page": b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" * 7_000,
    "a body that is too long": POST + b"Content-Length: 10000000\r\n\r\n" + b"a" * 250_000,
    "a body in small chunks": CHUNKED + b"1\r\na\r\n" * 40_000,
}


@pytest.mark.parametrize("sent", FLOODS.values(), ids=FLOODS)
def test_a_hundred_connections_cost_little_and_delay_no_other(server: RunningGatehouse, sent: bytes) -> None:
    """Attack: 100 connections with 250 KB of requests each took 2 GiB, and others waited for 17 s."""
    before = memory(server)
    begun = threading.Thread(target=lambda: made.extend(flood(server, 100, sent)))
    made: list[socket.socket] = []
    begun.start()
    try:
        slowest, most, until = 0.0, before, time.monotonic() + 2
        while time.monotonic() < until or begun.is_alive():
            asked = time.monotonic()
            assert statuses(server, HIDDEN) == [200]
            slowest = max(slowest, time.monotonic() - asked)
            most = max(most, memory(server))
    finally:
        begun.join()
        let_go(made)
    assert most - before < 96 * 1024 * 1024
    assert slowest < 8  # on a quiet machine a tenth of a second
