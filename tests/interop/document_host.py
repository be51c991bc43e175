"""An https host of documents for this machine: what Gatehouse fetches of other parties (client metadata, keys)."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import trustme

from demo.processes import free_port


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `query` and `form` have one value for each name."""

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: an object is sent as JSON, a text as HTML."""

    status: int
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class DocumentHost:
    """Serves `documents` (path → JSON document) at https://localhost:PORT, with a certificate of a CA of its own.

    `answer` is asked first; where it says None, it is a document's turn.
    """

    directory: Path
    documents: dict[str, Any] = field(default_factory=dict)
    answer: Callable[[Asked], Answer | None] = lambda _: None
    port: int = field(default_factory=free_port)
    asked_for: list[str] = field(default_factory=list)
    _servers: list[ThreadingHTTPServer] = field(default_factory=list)

    @property
    def ca_bundle(self) -> Path:
        return self.directory / "ca.pem"

    def url(self, path: str) -> str:
        return f"https://localhost:{self.port}{path}"

    @property
    def settings(self) -> dict[str, str]:
        """What Gatehouse must be told to reach a private address (`GATEHOUSE_OUTBOUND_ALLOWED_HOSTS`)."""
        return {
            "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": f"localhost:{self.port}",
            "GATEHOUSE_OUTBOUND_CA_BUNDLE": str(self.ca_bundle),
        }

    def __enter__(self) -> Self:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_bundle))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        # `localhost` may be either address, and Gatehouse asks the one its resolver names first.
        for kind, address in ((_Server, "127.0.0.1"), (_Server6, "::1")):
            server = kind((address, self.port), self._handler())
            server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self._servers.append(server)
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked_for.append(self.path)
                answer = host.answer(self._asked())
                if answer is None:
                    document = host.documents.get(self.path)
                    answer = Answer(200 if document is not None else 404, document, {"Cache-Control": "max-age=300"})
                self._send(answer)

            def do_POST(self) -> None:
                self._send(host.answer(self._asked()) or Answer(404))

            def _asked(self) -> Asked:
                address = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                query, form = (dict(parse_qsl(text, keep_blank_values=True)) for text in (address.query, body))
                return Asked(self.command, address.path, query, form, dict(self.headers))

            def _send(self, answer: Answer) -> None:
                is_page = isinstance(answer.body, str)
                body = answer.body.encode() if is_page else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                self.send_header("Content-Type", "text/html" if is_page else "application/json")
                self.send_header("Content-Length", str(len(body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """The tests speak for themselves."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6
