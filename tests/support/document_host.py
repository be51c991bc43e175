"""A host for client metadata documents, over TLS, as well-behaved or as hostile as a test wants it.

It counts what reaches it: `connections` at the socket, `requests` by their heads.
"""

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import trustme

Handler = Callable[[socket.socket, str], None]


class DocumentHost:
    """Serves `handlers[path](connection, head)` on 127.0.0.1, each connection in a thread of its own."""

    def __init__(self, ca: trustme.CA | None = None, *names: str) -> None:
        self.handlers: dict[str, Handler] = {}
        self.connections = 0
        self.requests: list[str] = []
        self.lock = threading.Lock()
        self.context: ssl.SSLContext | None = None
        if ca is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ca.issue_cert("localhost", "127.0.0.1", *names).configure_cert(self.context)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self.listener.getsockname()[1]
        self.stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str, host: str = "localhost") -> str:
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    def serve(self, path: str, handler: Handler) -> str:
        """Answer `path` with `handler`; the URL."""
        self.handlers[path] = handler
        return self.url(path)

    def document(self, path: str = "/client.json", *, headers: Mapping[str, str] | None = None, **members: Any) -> str:
        """Serve a client metadata document whose `client_id` is its URL; the URL."""
        url = self.url(path)
        document = {
            "client_id": url,
            "client_name": "Test client",
            "redirect_uris": ["http://localhost/callback"],
            **members,
        }
        kept = {name: value for name, value in document.items() if value is not ...}
        return self.serve(path, reply(json.dumps(kept).encode(), headers=headers))

    def seen(self, path: str) -> int:
        """How many requests for `path` have arrived."""
        with self.lock:
            return sum(head.split(" ", 2)[1] == path for head in self.requests)

    def stop(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            connection.settimeout(20)
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            stack.enter_context(connection)
            received = b""
            while b"\r\n\r\n" not in received or len(received) < _length(received):
                more = connection.recv(4096)
                if not more:
                    return
                received += more
            text = received.decode("latin-1")
            with self.lock:
                self.requests.append(text)
            handler = self.handlers.get(text.split(" ", 2)[1], reply(b"not here", status="404 Not Found"))
            handler(connection, text)


def _length(received: bytes) -> int:
    """How long the whole request is, by its head."""
    head, _, _ = received.partition(b"\r\n\r\n")
    announced = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
    return len(head) + 4 + (int(announced[1]) if announced else 0)


def reply(
    body: bytes,
    *,
    status: str = "200 OK",
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
    after: float = 0.0,
) -> Handler:
    """A handler that answers with `body`, `after` seconds."""

    def handler(connection: socket.socket, _: str) -> None:
        time.sleep(after)
        lines = {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        connection.sendall(f"HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n".encode() + body)

    return handler


def raw(data: bytes) -> Handler:
    """A handler that sends exactly these bytes and hangs up."""
    return lambda connection, _: connection.sendall(data)


def drip(data: bytes, every: float) -> Handler:
    """A handler that sends one byte `every` so many seconds."""

    def handler(connection: socket.socket, _: str) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(every)

    return handler


@contextlib.contextmanager
def document_host(ca: trustme.CA | None = None, *names: str) -> Iterator[DocumentHost]:
    host = DocumentHost(ca, *names)
    try:
        yield host
    finally:
        host.stop()


def write_bundle(ca: trustme.CA, directory: Path) -> str:
    """The CA's certificate as a file; its path."""
    path = directory / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)
