"""HTTP/1.1 on one connection: uvicorn's protocol with strict framing (authz/protocol/http_request.py), one request at a
time, and bounds on size and time.

uvicorn drops a request's body where an upgrade is offered, queues pipelined requests without a bound, and waits for
ever for a request that never comes, for a body that stops and for a client that does not read (slowloris). It also
sends the head of a response in a packet of its own. Here llhttp parses heads, and no bodies.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from authz.protocol import http_request
from authz.protocol.http_request import Chunks, MalformedRequestError

# Seconds in which a request has to arrive with its body, and its response has to be read.
TIMEOUT_SECONDS = 30.0
# Seconds in which the response to a malformed request has to be read.
LINGER = 2.0
# Bytes, and header lines. A browser's cookies and the longest request to sign in are a tenth of it.
MAXIMUM_HEAD, MAXIMUM_HEADERS = 64 * 1024, 100
# Bytes that are read from the socket at once: the most that a connection can make us buffer.
READ_AT_ONCE = 16 * 1024
# Connections whose request is incomplete, the oldest first. They are closed first when there are too many connections.
_arriving: dict["Connection", None] = {}
# The receive buffer, shared by all connections: its content is copied before the next read.
_received = memoryview(bytearray(READ_AT_ONCE))


class Connection(HttpToolsProtocol):
    # The maximum number of connections. Each is an open file, and the database needs some (authz/serving/processes.py).
    most = 512
    # Whether the server takes no new connections. Then each response is the last one on its connection, so that a proxy
    # sends its next request to another node.
    is_ending = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._waiting = bytearray()  # received and not parsed yet
        self._head = bytearray()  # the request's head, as far as received
        self._left: int | Chunks | None = None  # what is left of the body; None while the head is parsed
        self._is_whole = self._is_refused = self._has_ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_protocol(_Reading(self))
        if len(self.connections) > self.most and _arriving:
            next(iter(_arriving)).abort()
        # A client that has already gone has no address, and waits for no response.
        if self.client is None or len(self.connections) > self.most:
            self.abort()
        else:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_arrived()
        self._is_read()
        super().connection_lost(exc)

    def abort(self) -> None:
        self._has_arrived()
        self.connections.discard(self)
        self.transport.abort()

    # --- What comes in ---

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._waiting += data
        self._go_on()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own, which uvicorn narrows
        """Whether the connection stays open: a client that has closed its sending side still waits for the response."""
        self._has_ended = True
        return self._is_answer_due() or bool(self._waiting)

    def _is_answer_due(self) -> bool:
        return self._is_whole and not self.cycle.response_complete

    def _go_on(self) -> None:
        """Parse what has been received, up to the end of one request. The next one is parsed when this one is answered:
        pipelined requests are not queued, so a connection costs a bounded amount of memory (attack 36).
        """
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        try:
            has_read = True
            while has_read and self._waiting and not self._is_answer_due() and not self.flow.write_paused:
                if self._is_whole:
                    self._next()
                has_read = self._read()
        except MalformedRequestError as error:
            self._refuse(error)
        else:
            if self._waiting and self._is_answer_due():
                self.flow.pause_reading()
            elif not self._is_whole and self._has_ended:
                self.transport.close()
            elif not self._is_whole:
                self._expect()

    def _next(self) -> None:
        self._is_whole, self._left = False, None
        self.parser = httptools.HttpRequestParser(self)

    def _read(self) -> bool:
        """Parse more of the head or the body. False: more has to be received first."""
        before = len(self._waiting)
        if self._left is None:
            self._read_head()
        elif isinstance(self._left, Chunks):
            self._on_body(self._left.take(self._waiting))
            if self._left.is_over:
                self._on_whole()
        else:
            body = bytes(self._waiting[: self._left])
            del self._waiting[: len(body)]
            self._left -= len(body)
            self._on_body(body)
            if not self._left:
                self._on_whole()
        return len(self._waiting) < before

    def _read_head(self) -> None:
        before = len(self._head)
        self._head += self._waiting
        self._waiting.clear()
        end = self._head.find(b"\r\n\r\n", max(0, before - 3)) + 4
        if end >= 4:
            self._waiting += self._head[end:]
            del self._head[end:]
        if len(self._head) > MAXIMUM_HEAD:
            raise MalformedRequestError("the head is too long", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        try:
            self.parser.feed_data(bytes(self._head[before:]))
        except httptools.HttpParserUpgrade:
            # > A server MAY ignore a received Upgrade header field if it wishes to continue using the current protocol
            # > on that connection. (RFC 9110 §7.8) Then the body is a body, as anywhere else.
            pass
        except httptools.HttpParserError as error:
            cause = error.__context__
            raise cause if isinstance(cause, MalformedRequestError) else MalformedRequestError(str(error)) from None
        # Blank lines may stand before a request; nothing else ends where none was found.
        if (self._left is None) != (end < 4 or not self._head.strip(b"\r\n")):
            raise MalformedRequestError("the head does not end where it ends")
        if end >= 4:
            self._head = bytearray()
            if self._left == 0:
                self._on_whole()

    # --- What llhttp found in a head ---

    def on_message_begin(self) -> None:
        if self._left is not None:
            raise MalformedRequestError("a request in a request")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MAXIMUM_HEADERS:
            raise MalformedRequestError("too many headers", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        if self._left is not None:
            raise MalformedRequestError("a request in a request")
        version, method = self.parser.get_http_version(), self.parser.get_method().decode("ascii")
        http_request.check_request_line(self._head.lstrip(b"\r\n"))
        http_request.check_method(method)
        judged = http_request.judged(self.headers)
        http_request.check_host(version, judged)
        http_request.check_expectation(judged)
        host, self.url = http_request.split_target(method, self.url)
        if host is not None:
            # > When an origin server receives a request with an absolute-form of request-target, the origin server MUST
            # > ignore the received Host header field (if any) and instead use the host information of the
            # > request-target. (RFC 9112 §3.2.2)
            self.headers[:] = [(b"host", host), *(header for header in self.headers if header[0] != b"host")]
        length = http_request.body_length(version, judged)
        # > A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation.
        # > (RFC 9110 §10.1.1) A client that sends no body does not wait for it either.
        self.expect_100_continue &= version != "1.0" and length != 0
        super().on_headers_complete()
        self._left = Chunks() if length is None else length
        self.cycle.keep_alive &= not self.is_ending
        # The response to HEAD has no body that its head could be sent with.
        if self.scope["method"] != "HEAD":
            self.cycle.transport = _Answering(self.transport)

    def on_body(self, body: bytes) -> None:
        """Never called in order: llhttp parses no bodies here, because it drops them where an upgrade is offered."""
        raise MalformedRequestError("a body where none was announced")

    def on_message_complete(self) -> None:
        """Ignored: `_on_whole` says when a request is complete."""

    def _on_body(self, body: bytes) -> None:
        # If the response was sent before the request was complete, the rest of the body is discarded.
        if body and not self.cycle.response_complete:
            super().on_body(body)

    def _on_whole(self) -> None:
        self._is_whole = True
        self._has_arrived()
        if not self.cycle.response_complete:
            super().on_message_complete()

    def _refuse(self, error: MalformedRequestError) -> None:
        """Send the error, and close when the client has read it. Closing while more arrives would reset the connection,
        and the client would lose the response.
        """
        self._is_refused = True
        self._waiting.clear()
        self._head.clear()
        begun = self.cycle if self._left is not None else None
        if begun is not None and (begun.response_started or begun.response_complete):
            self.abort()  # a second response to one request would be taken for the next request's
            return
        if begun is not None:
            begun.disconnected = True
            begun.message_event.set()
        phrase = HTTPStatus(error.status).phrase
        self.transport.write(
            f"HTTP/1.1 {error.status} {phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(phrase)}\r\nconnection: close\r\n\r\n{phrase}".encode()
        )
        self.transport.write_eof()
        self._has_arrived()
        self._expect(LINGER)

    def _expect(self, seconds: float | None = None) -> None:
        if self._late is None:
            self._late = self.loop.call_later(TIMEOUT_SECONDS if seconds is None else seconds, self.abort)
            _arriving[self] = None

    def _has_arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
            del _arriving[self]

    # --- What goes out ---

    def pause_writing(self) -> None:
        self._expect_to_be_read()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._is_read()
        super().resume_writing()
        if self.cycle is not None and self.cycle.response_complete:
            self.loop.call_soon(self._go_on)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_to_be_read()
        elif self._waiting:
            # Other connections come first: pipelining a thousand requests gives no advantage over sending one.
            self.loop.call_soon(self._go_on)
        elif self._has_ended and self._is_whole:
            self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        # Closing would wait until the client has read everything.
        self.abort()

    def _expect_to_be_read(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(TIMEOUT_SECONDS, self.abort)

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class _Reading(asyncio.BufferedProtocol):
    """Reads from the socket into a small shared buffer. The event loops' own buffers have 250 KB for each
    connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]
        self.eof_received = connection.eof_received  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        return _received

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.data_received(bytes(_received[:nbytes]))


class _Answering(asyncio.Transport):
    """Sends the head of a response in one packet with the beginning of its body. It has what uvicorn's cycle needs of a
    transport.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None  # None: not written yet; empty: sent

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head is None:
            # The client holds the body back until it reads this.
            if bytes(data).startswith(b"HTTP/1.1 100 "):
                self._transport.write(data)
            else:
                self._head = bytes(data)
        elif self._head:
            self._transport.writelines((self._head, data))
            self._head = b""
        else:
            self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
        self._transport.close()
