"""A proxy that adds a Bearer token, for programs that cannot get one; all else goes through as it is."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class BearerProxy:
    """Listens on a port of its own, and passes requests on to `to` (host:port) with `token`."""

    def __init__(self, to: str, token: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def passes(self) -> None:
                own = f"127.0.0.1:{self.server.server_address[1]}"  # type: ignore[misc]
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                connection = http.client.HTTPConnection(to, timeout=30)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in {"authorization", "connection"}:
                        # Its own name becomes the server's, as a reverse proxy has it; others stay what they are.
                        connection.putheader(name, value.replace(own, to))
                connection.putheader("Authorization", f"Bearer {token}")
                connection.endheaders(body)
                answer = connection.getresponse()
                content = answer.read()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                connection.close()

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
