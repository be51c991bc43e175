"""One deadline covers all of an exchange (attack 4)."""

import socket
import time
from typing import Any

import pytest

from authz.outbound import Cause
from tests.outbound.support import HEAD, OK, allowing, refused
from tests.support.document_host import DocumentHost, drip, reply
from tests.support.timing import quickest


def ends_in_time(url: str) -> None:
    def is_refused() -> None:
        assert refused(url).cause is Cause.TIMEOUT

    assert quickest(is_refused, enough=1.0) < 1.0


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Slow: " + b"y" * 500,
        HEAD + b"Content-Length: 500\r\n\r\n" + b" " * 500,
        HEAD + b"\r\n" + b" " * 500,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 100,
    ],
    ids=["headers", "length", "until-close", "chunked"],
)
def test_a_slow_drip_ends_at_the_deadline(answer: bytes, host: DocumentHost) -> None:
    """Each byte arrives well within a socket's own timeout; all of them together do not arrive in time."""
    ends_in_time(host.serve("/c.json", drip(answer, every=0.02)))


@pytest.mark.usefixtures("hasty")
def test_silence_ends_at_the_deadline(host: DocumentHost) -> None:
    ends_in_time(host.serve("/c.json", reply(OK, after=3)))


@pytest.mark.usefixtures("hasty")
def test_a_handshake_that_never_comes_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with allowing(("localhost", port)):
            ends_in_time(f"https://localhost:{port}/")


@pytest.mark.usefixtures("hasty")
def test_a_resolver_that_hangs_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any, **__: Any) -> Any:
        time.sleep(1.5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    ends_in_time("https://client.example.com/")
