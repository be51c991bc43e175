"""A connection to an address that was checked, while SNI, certificate and Host header stay those of the name.

It ends with the deadline of its exchange (authz/outbound/deadlines.py), and brings no more bytes than the role allows.
"""

import http.client
import io
import socket
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from authz.outbound.deadlines import BoundedReader, Deadline
from authz.outbound.destinations import Target
from authz.outbound.roles import Cause, Limits, OutboundError

CONNECT_SECONDS = 2.0
# Bytes of an answer that are no body: its head, chunk sizes, trailers.
MAX_FRAMING = 128 * 1024


def connected(addresses: list[str], port: int, deadline: Deadline) -> socket.socket:
    """A connection to the first address that takes one, which ends with the deadline. Raises `OutboundError`."""
    for address in addresses:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            # One address that swallows packets must not take the time of the others.
            sock.settimeout(deadline.left(CONNECT_SECONDS))
            sock.connect((address, port))
            deadline.hold(sock)
            sock.settimeout(deadline.left())
        except OSError:
            sock.close()
            deadline.check()
        else:
            return sock
    raise OutboundError(Cause.CONNECT)


def ended(deadline: Deadline) -> Cause | None:
    """Why we ended the exchange; None if we did not."""
    if deadline.is_abandoned:
        return Cause.ABANDONED
    return Cause.TIMEOUT if deadline.is_over else None


class PinnedAdapter(HTTPAdapter):
    """A transport whose one connection goes to a given address, while everything else is the name's."""

    def __init__(self, target: Target, address: str, deadline: Deadline, limits: Limits) -> None:
        super().__init__(max_retries=0)
        self.address = address
        self.deadline = deadline
        self.connections: list[_PinnedHTTPConnection | _PinnedHTTPSConnection] = []
        is_https = target.scheme == "https"
        self.pool = (HTTPSConnectionPool if is_https else HTTPConnectionPool)(target.host, target.port)
        pinned = _PinnedHTTPSConnection if is_https else _PinnedHTTPConnection

        def answer(sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
            return _BoundedAnswer(sock, deadline, 2 * limits.max_bytes + MAX_FRAMING, *args, **kwargs)

        def connection(*args: Any, **kwargs: Any) -> HTTPConnection:
            made = pinned(*args, **kwargs)
            made.adapter = self
            made.response_class = answer  # type: ignore[assignment]  # a factory is all that http.client needs
            self.connections.append(made)
            return made

        self.pool.ConnectionCls = connection  # type: ignore[assignment]  # a factory is all that the pool needs

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self.pool

    def connect(self, connection: HTTPConnection) -> socket.socket:
        try:
            return connected([self.address], connection.port, self.deadline)
        except OutboundError as error:
            raise urllib3.exceptions.NewConnectionError(connection, "no connection") from error

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        self.pool.close()
        super().close()


class _BoundedAnswer(http.client.HTTPResponse):
    """Reads status lines, headers, chunk sizes, body and trailers through one bound of bytes and one of time."""

    def __init__(self, sock: socket.socket, deadline: Deadline, most: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(BoundedReader(self.fp.detach(), deadline, most))


class _PinnedHTTPConnection(HTTPConnection):
    adapter: PinnedAdapter

    def _new_conn(self) -> socket.socket:
        return self.adapter.connect(self)


class _PinnedHTTPSConnection(HTTPSConnection):
    adapter: PinnedAdapter

    def _new_conn(self) -> socket.socket:
        return self.adapter.connect(self)
