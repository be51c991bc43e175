"""Attacks 4 and 41: another server that never finishes, at any point of the exchange.

Each hostile server below goes on for as long as its connection is open. The exchange always ends at the
deadline, the connection is closed, and an incomplete response is not accepted.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.conf import settings
from django.test import override_settings

from authz import outbound
from authz.outbound import Cause, OutboundError, Role, fetch, mail_transport

pytestmark = pytest.mark.any_database

CA = trustme.CA()
SECONDS = 0.6
# What an exchange may take on a busy machine; a socket's own timeout would never end it.
AT_MOST = 5.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
Server = Callable[[socket.socket], None]


def dripping(begin: bytes, then: bytes) -> Server:
    """Sends `begin` at once, and then `then` again and again, byte by byte."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            for byte in then:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)

    return serve


def flooding(begin: bytes, then: bytes) -> Server:
    def serve(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(then)

    return serve


def staying(answer: bytes) -> Server:
    """Sends an answer, and keeps the connection open."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(answer)
        while connection.recv(4096):
            pass

    return serve


LATE = {
    "status line": dripping(b"", b"H"),
    "headers": dripping(HEAD, b"X-A: y\r\n"),
    "one header": dripping(HEAD + b"X-A: ", b"y"),
    "body without length": dripping(HEAD + b"\r\n", b" "),
    "body with length": dripping(HEAD + b"Content-Length: 4000\r\n\r\n", b" "),
    "chunk size": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "chunk extension": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "chunks": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "trailer": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X-A: y\r\n"),
    "100 Continue": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "silence": staying(b""),
    "a body that never closes": staying(HEAD + b"\r\n{}"),
}
TOO_MUCH = {
    "a chunk size without end": flooding(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 4096),
    "chunk extensions": flooding(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 900 + b"\r\n \r\n"),
    "trailers": flooding(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X-A: y\r\n" * 500),
    "a trailer without end": flooding(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"x" * 4096),
    "100 Continue": flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "100 Continue with headers": flooding(b"HTTP/1.1 100 Continue\r\n", (b"X: " + b"y" * 60_000 + b"\r\n") * 50),
    "a body": flooding(HEAD + b"\r\n", b" " * 4096),
}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for role in (Role.CLIENT_METADATA_DOCUMENT, Role.WEBHOOK, Role.AUDIT_SYSLOG):
        limits = outbound.Limits(5 * 1024, "application/json", r".*", SECONDS)
        monkeypatch.setattr(role, "limits", limits)
    monkeypatch.setattr(mail_transport, "SECONDS", SECONDS)


@contextlib.contextmanager
def hostile(serve: Server, *, tls: bool, raw: bool = False) -> Iterator[tuple[int, threading.Event]]:
    """The port of a server that does this with each connection, and whether it saw its (last) one end."""
    ended = threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.settimeout(20)
            if tls:
                connection = context.wrap_socket(connection, server_side=True)
            if not raw:
                connection.recv(65536)
            serve(connection)
        connection.close()
        ended.set()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], ended
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def allowing(port: int, tmp_path: Path) -> Any:
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    changed = {"OUTBOUND_ALLOWED_HOSTS": [("localhost", port)], "OUTBOUND_CA_BUNDLE": str(tmp_path / "ca.pem")}
    return override_settings(GATEHOUSE={**settings.GATEHOUSE, **changed})


def refused(work: Callable[[], object]) -> Cause:
    began = time.monotonic()
    with pytest.raises(OutboundError) as caught:
        work()
    assert time.monotonic() - began < AT_MOST
    return caught.value.cause


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
@pytest.mark.parametrize("serve", LATE.values(), ids=LATE)
def test_an_answer_that_does_not_end_ends_at_the_deadline(serve: Server, tls: bool, tmp_path: Path) -> None:
    with hostile(serve, tls=tls) as (port, ended), allowing(port, tmp_path):
        url = f"{'https' if tls else 'http'}://localhost:{port}/c.json"
        assert refused(lambda: fetch(Role.CLIENT_METADATA_DOCUMENT, url)) is Cause.TIMEOUT
        assert ended.wait(AT_MOST)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("serve", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_flood_ends_at_a_bound_of_bytes(serve: Server, tmp_path: Path) -> None:
    with hostile(serve, tls=False) as (port, ended), allowing(port, tmp_path):
        url = f"http://localhost:{port}/c.json"
        # By bytes, or where the machine is slower than the deadline, by time; `http.client` ends long lines itself.
        found = refused(lambda: fetch(Role.CLIENT_METADATA_DOCUMENT, url))
        assert found in {Cause.TOO_LARGE, Cause.TIMEOUT, Cause.PROTOCOL}
        assert ended.wait(AT_MOST)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("status", ["102 Processing", "103 Early Hints", "199 X"])
def test_an_interim_answer_is_no_answer(status: str, tmp_path: Path) -> None:
    serve = dripping(b"", f"HTTP/1.1 {status}\r\n\r\n".encode())
    with hostile(serve, tls=False) as (port, ended), allowing(port, tmp_path):
        url = f"http://localhost:{port}/c.json"
        assert refused(lambda: fetch(Role.CLIENT_METADATA_DOCUMENT, url)) in {Cause.STATUS, Cause.TIMEOUT}
        assert ended.wait(AT_MOST)


def _hello_without_end(connection: socket.socket) -> None:
    """A TLS record that is announced and arrives byte by byte."""
    connection.recv(4096)
    dripping(b"\x16\x03\x03\x3f\xff", b"\x02")(connection)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("serve", [staying(b""), _hello_without_end], ids=["silence", "drip"])
@pytest.mark.parametrize("kind", ["fetch", "syslog", "smtps", "starttls"])
def test_a_handshake_that_does_not_end_ends_at_the_deadline(serve: Server, kind: str, tmp_path: Path) -> None:
    def greeted(connection: socket.socket) -> None:
        connection.sendall(b"220 x\r\n")
        connection.recv(4096)
        connection.sendall(b"250-x\r\n250 STARTTLS\r\n")
        connection.recv(4096)
        connection.sendall(b"220 go\r\n")
        serve(connection)

    work: dict[str, Callable[[int], object]] = {
        "fetch": lambda port: fetch(Role.CLIENT_METADATA_DOCUMENT, f"https://localhost:{port}/c.json"),
        "syslog": lambda port: outbound.deliver(Role.AUDIT_SYSLOG, "localhost", port, b"x"),
        "smtps": lambda port: _mail(port, ssl=True),
        "starttls": lambda port: _mail(port, tls=True),
    }
    with (
        hostile(greeted if kind == "starttls" else serve, tls=False, raw=True) as (port, ended),
        allowing(port, tmp_path),
    ):
        assert refused(lambda: work[kind](port)) is Cause.TIMEOUT
        assert ended.wait(AT_MOST)


# --- Receivers ---------------------------------------------------------------------------------------------------


def _unread(connection: socket.socket) -> None:
    """Reads a byte now and then, so that the sender never notices (slowloris)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    while connection.recv(1):
        time.sleep(0.02)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_a_receiver_that_does_not_read_ends_at_the_deadline(tls: bool, tmp_path: Path) -> None:
    with hostile(_unread, tls=tls) as (port, _), allowing(port, tmp_path):
        url = f"{'https' if tls else 'http'}://localhost:{port}/hook"
        assert refused(lambda: fetch(Role.WEBHOOK, url, body=b"x" * 30_000_000)) is Cause.TIMEOUT


def _alert_without_end(connection: socket.socket) -> None:
    """Takes the batch, and never says that it closes."""
    while connection.recv(65536):
        pass
    time.sleep(AT_MOST)


def _talkative(connection: socket.socket) -> None:
    """Answers what has no answer, so that the close waits behind it."""
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("serve", [_alert_without_end, _unread, _talkative, dripping(b"", b"x")])
def test_a_syslog_server_that_does_not_close_ends_at_the_deadline(serve: Server, tmp_path: Path) -> None:
    with hostile(serve, tls=True, raw=True) as (port, _), allowing(port, tmp_path):
        found = refused(lambda: outbound.deliver(Role.AUDIT_SYSLOG, "localhost", port, b"x" * 30_000_000))
        assert found in {Cause.TIMEOUT, Cause.TLS}


def _mail(port: int, **kind: bool) -> None:
    changed = {
        "EMAIL_BACKEND": "authz.outbound.mail_transport.EmailBackend",
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": port,
        "EMAIL_USE_SSL": kind.get("ssl", False),
        "EMAIL_USE_TLS": kind.get("tls", False),
    }
    with override_settings(**changed):
        outbound.mail("a@example.com", "s", "b")


SMTP_LATE = {
    "no greeting": staying(b""),
    "greeting": dripping(b"", b"2"),
    "greeting of many lines": dripping(b"", b"220-x\r\n"),
    "greeting that floods": flooding(b"", b"220-x\r\n" * 100),
    "ehlo": dripping(b"220 x\r\n", b"250-x\r\n"),
    "ehlo that stays away": staying(b"220 x\r\n"),
}


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("serve", SMTP_LATE.values(), ids=SMTP_LATE)
def test_a_mail_server_that_does_not_end_ends_at_the_deadline(serve: Server) -> None:
    with hostile(serve, tls=False, raw=True) as (port, ended):
        assert refused(lambda: _mail(port)) is Cause.TIMEOUT
        assert ended.wait(AT_MOST)


def _takes_mail(connection: socket.socket) -> None:
    """Takes a mail, and drips its answer to QUIT."""
    connection.sendall(b"220 x\r\n")
    received = b""
    for wanted, answer in ((b"\r\n", b"250 x\r\n"), (b"MAIL", b"250 x\r\n"), (b"RCPT", b"250 x\r\n"),
                           (b"DATA", b"354 go\r\n"), (b"\r\n.\r\n", b"250 taken\r\n")):  # fmt: skip
        while wanted not in received:
            received += connection.recv(4096).upper()
        received = b""
        connection.sendall(answer)
    dripping(b"", b"221-x\r\n")(connection)


@pytest.mark.usefixtures("hasty")
def test_a_mail_that_was_taken_is_sent_however_the_conversation_ends() -> None:
    began = time.monotonic()
    with hostile(_takes_mail, tls=False, raw=True) as (port, ended):
        _mail(port)
        assert ended.wait(AT_MOST)
    assert time.monotonic() - began < 2 * AT_MOST
