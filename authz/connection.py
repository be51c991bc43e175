"""A connection to the lane: uvicorn's, with an end to what a stranger may send, and to how long they may take.

uvicorn waits for ever for a request that never comes, for a body that stops and for a reader that does not read; it
takes a head without end, and what stands behind a body (trailers) for headers. It also sends an answer's head by
itself: a packet more, and one more that somebody has to be woken for.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Seconds in which a request has to be here with its body, and its answer has to be read.
PATIENCE = 30.0
# Bytes, and lines. A browser's cookies and the longest request to sign in are a tenth of it.
MAXIMUM_HEAD, MAXIMUM_HEADERS = 64 * 1024, 100
# Those whose request is not here yet, the oldest first: where there are too many connections, it is they who go.
_arriving: dict["Connection", None] = {}


class TooLongError(Exception):
    """uvicorn answers it as it does all that is no HTTP: with 400, and by closing."""


class Connection(HttpToolsProtocol):
    # How many there may be: each is an open file, and the database needs some. authz/serve.py says.
    most = 512

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._is_in_head, self._is_whole = False, False
        self._head = 0  # bytes of it, as far as it was parsed
        self._unparsed = 0  # bytes since the parser last made something of them: of a line that does not end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most and _arriving:
            next(iter(_arriving)).abort()
        # Who has gone before we looked has no address, and waits for no answer.
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
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > MAXIMUM_HEAD:
            self.abort()
        elif self.transport.is_closing():
            self._expect_to_be_read()
        elif not self._is_whole or self.cycle.response_complete:
            self._expect()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head, self._is_whole, self._head = True, False, 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        # > A recipient MUST NOT merge a trailer field into a header section unless the recipient understands the
        # > corresponding header field definition and that definition explicitly permits [it] (RFC 9110 §6.5.1)
        # A proxy that writes X-Forwarded-For into the head does not look for a stranger's behind the body.
        if not self._is_in_head:
            return
        if len(self.headers) >= MAXIMUM_HEADERS:
            raise TooLongError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()
        # The answer to HEAD has nothing that its head could wait for.
        if self.scope["method"] != "HEAD":
            self.cycle.transport = _Answering(self.transport)

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed, self._is_whole = 0, True
        self._has_arrived()
        super().on_message_complete()

    def _count(self, length: int) -> None:
        self._unparsed = 0
        self._head += length
        if self._head > MAXIMUM_HEAD:
            raise TooLongError

    def _expect(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(PATIENCE, self.abort)
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

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_to_be_read()

    def timeout_keep_alive_handler(self) -> None:
        # Closing would wait for whoever has not read until now.
        self.abort()

    def _expect_to_be_read(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(PATIENCE, self.abort)

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class _Answering(asyncio.Transport):
    """Sends the head of an answer together with the first of its body; what uvicorn's cycle needs of a transport."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None  # None: it has not come yet; empty: it is sent

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head is None:
            # Somebody holds the body back until they read this.
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
