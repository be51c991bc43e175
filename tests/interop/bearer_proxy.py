"""A proxy that adds a Bearer token, for programs that cannot get one; all else goes through as it is.

The conformance suite calls tools of its own names (fixtures): `tools` says which of the server's tools stand for them.
"""

import http.client
import json
import threading
from collections.abc import Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

# By the name that the program knows: the server's own tool, and its arguments.
Tools = Mapping[str, tuple[str, Mapping[str, Any]]]


class BearerProxy:
    """Listens on a port of its own, and passes requests on to `to` (host:port) with `token`."""

    def __init__(self, to: str, token: str, tools: Tools | None = None) -> None:
        named = tools or {}

        class Handler(BaseHTTPRequestHandler):
            def passes(self) -> None:
                own = f"127.0.0.1:{self.server.server_address[1]}"  # type: ignore[misc]
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body, called = _translated(body, named)
                # A program that does not wait for its answer must leave no open socket.
                with closing(http.client.HTTPConnection(to, timeout=30)) as connection:
                    self.answer(connection, body, called, own)

            def answer(
                self, connection: http.client.HTTPConnection, body: bytes, called: dict[str, str], own: str
            ) -> None:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() in {"authorization", "connection", "content-length"}:
                        continue
                    sent = called.get(value, value) if name.lower() == "mcp-name" else value
                    # Its own name becomes the server's, as a reverse proxy has it; others stay what they are.
                    connection.putheader(name, sent.replace(own, to))
                connection.putheader("Authorization", f"Bearer {token}")
                connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
                answer = connection.getresponse()
                content = _listed(answer.read(), named)
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = do_OPTIONS = do_PUT = passes

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _translated(body: bytes, named: Tools) -> tuple[bytes, dict[str, str]]:
    """The body with the server's tool in place of the program's, and the names that were replaced."""
    message = _object(body)
    params = message.get("params")
    if message.get("method") != "tools/call" or not isinstance(params, dict) or params.get("name") not in named:
        return body, {}
    before = params["name"]
    params["name"], params["arguments"] = named[before][0], dict(named[before][1])
    return json.dumps(message).encode(), {before: params["name"]}


def _listed(content: bytes, named: Tools) -> bytes:
    message = _object(content)
    listed = message.get("result", {}).get("tools") if isinstance(message.get("result"), dict) else None
    if not named or not isinstance(listed, list):
        return content
    theirs = {own: name for name, (own, _) in named.items()}
    for tool in listed:
        tool["name"] = theirs.get(tool["name"], tool["name"])
    return json.dumps(message).encode()


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
