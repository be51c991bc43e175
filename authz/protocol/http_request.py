"""Where an HTTP/1 request ends and which host it is for (RFC 9112), read in one way, or refused.

A server and the proxy in front of it that disagree about the end of a request let a stranger hide a second request in
the body of the first (request smuggling). So what RFC 9112 lets a server repair is refused here.
"""

import re
from collections.abc import Sequence

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case, values without white space around them

# Bytes of chunk sizes, their extensions and trailers that one body may bring along, beside half of its own: a body of
# single bytes in chunks costs a server thousands of times what it costs its sender.
MAXIMUM_CHUNK_LINES = 16 * 1024
# No body has a length with more digits, and int() reads very long ones slowly.
_MAXIMUM_DIGITS, _MAXIMUM_HEX_DIGITS = 15, 12

_REQUEST_LINE = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5})?)?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_LENGTH = re.compile(rb"[0-9]+")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)(?:[ \t]*;[\t -~\x80-\xff]*)?\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n")


# The headers that say which host a request is for and where it ends.
_JUDGED = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})


class MalformedRequestError(Exception):
    """Answered with `status`; then the connection is closed, because it isn't known where the next request begins."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.why, self.status = why, status


def judged(headers: Headers) -> Headers:
    """Those that are read here: of a request's dozen headers one or two, so that the others are looked at once."""
    return [header for header in headers if header[0] in _JUDGED]


def check_request_line(head: bytes | bytearray) -> None:
    """The `head` begins with `METHOD target HTTP/1.0` or `HTTP/1.1`, with one space between them. Raises
    `MalformedRequestError`.
    """
    # > Although the line terminator for the start-line and fields is the sequence CRLF, a recipient MAY recognize a
    # > single LF as a line terminator (RFC 9112 §2.2): we don't, since a proxy may not.
    if not _REQUEST_LINE.match(head):
        raise MalformedRequestError("not a request line of HTTP/1.0 or HTTP/1.1")


def check_method(method: str) -> None:
    """Raises `MalformedRequestError`, with status 501, for a method that no server of ours implements."""
    # CONNECT asks for a tunnel, TRACE for the request's own headers, secrets included.
    if method in {"CONNECT", "TRACE"}:
        raise MalformedRequestError("method not implemented", 501)


def check_host(version: str, headers: Headers) -> None:
    """Raises `MalformedRequestError` without exactly one valid Host header (HTTP/1.0 needs none)."""
    hosts = [value for name, value in headers if name == b"host"]
    # > A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host
    # > header field and to any request message that contains more than one Host header field line or a Host header
    # > field with an invalid field value. (RFC 9112 §3.2)
    if len(hosts) > 1 or (not hosts and version != "1.0"):
        raise MalformedRequestError("not one Host header")
    if hosts and not is_host(hosts[0]):
        raise MalformedRequestError("invalid Host header")


def is_host(value: bytes) -> bool:
    """A name or an address, and perhaps a port."""
    found = _HOST.fullmatch(value)
    return found is not None and int(found[1] or 0) < 1 << 16


def split_target(method: str, target: bytes) -> tuple[bytes | None, bytes]:
    """The host that an absolute target names (else None), and the target as it is without it. Raises
    `MalformedRequestError`.
    """
    if b"#" in target:
        raise MalformedRequestError("a target has no fragment")
    if target.startswith(b"/") or (target == b"*" and method == "OPTIONS"):
        return None, target
    # > a server MUST accept the absolute-form in requests even though most HTTP clients will only send the
    # > absolute-form to a proxy (RFC 9112 §3.2.2). Userinfo is no host, so it is refused (RFC 9110 §4.2.4).
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or not is_host(absolute[1]):
        raise MalformedRequestError("invalid target")
    return absolute[1], absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]


def body_length(version: str, headers: Headers) -> int | None:
    """Bytes of the body that follows; None where it comes in chunks. Raises `MalformedRequestError`."""
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings:
        # > A server that receives an HTTP/1.0 message containing a Transfer-Encoding header field MUST treat the
        # > message as if the framing is faulty (RFC 9112 §6.1). > A server MAY reject a request that contains both
        # > Content-Length and Transfer-Encoding (ibid.)
        if version == "1.0" or lengths:
            raise MalformedRequestError("Transfer-Encoding where it cannot be")
        # > A server that receives a request message with a transfer coding it does not understand SHOULD respond with
        # > 501 (Not Implemented). (RFC 9112 §6.1)
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise MalformedRequestError("transfer coding not implemented", 501)
        return None
    if not lengths:
        return 0
    # > If a message is received without Transfer-Encoding and with an invalid Content-Length header field, then the
    # > message framing is invalid and the recipient MUST treat it as an unrecoverable error (RFC 9112 §6.3)
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise MalformedRequestError("invalid Content-Length")
    if len(lengths[0]) > _MAXIMUM_DIGITS:
        raise MalformedRequestError("the body is too long", 413)
    return int(lengths[0])


def check_expectation(headers: Headers) -> None:
    """Raises `MalformedRequestError`, with status 417, for an expectation other than `100-continue`."""
    for name, value in headers:
        if name == b"expect" and value.lower() != b"100-continue":
            raise MalformedRequestError("expectation not known", 417)  # (RFC 9110 §10.1.1)


class Chunks:
    """Takes a body apart that comes in chunks (RFC 9112 §7.1). Extensions and trailers are read over, and bounded."""

    def __init__(self) -> None:
        self.is_over = False
        self._left = 0  # bytes of this chunk, and the two behind it
        self._is_in_trailers = False
        self._allowed = float(MAXIMUM_CHUNK_LINES)  # bytes of lines that may still come

    def take(self, received: bytearray) -> bytes:
        """What `received` begins with of the body. All that was read is gone from it; what is left is no whole line,
        or is behind the body."""
        body, read, before = bytearray(), 0, -1
        while not self.is_over and read > before:
            before = read
            if self._left:
                read = self._take_data(received, read, body)
            elif self._is_in_trailers:
                read = self._take_trailer(received, read)
            else:
                read = self._take_size(received, read)
        del received[:read]
        return bytes(body)

    def _take_data(self, received: bytearray, at: int, body: bytearray) -> int:
        if self._left > 2:
            data = received[at : at + self._left - 2]
            body += data
            at += len(data)
            self._left -= len(data)
            self._allowed += len(data) / 2
            if self._left > 2:
                return at
        end = received[at : at + 2]
        if not b"\r\n".startswith(end):
            raise MalformedRequestError("a chunk is longer than it says")
        if len(end) < 2:
            return at
        self._left = 0
        return at + 2

    def _take_size(self, received: bytearray, at: int) -> int:
        size = _CHUNK_SIZE.match(received, at)
        if size is None:
            self._is_cut_off(received, at, "invalid chunk size")
            return at
        self._count(size.end() - at)
        if len(size[1]) > _MAXIMUM_HEX_DIGITS:
            raise MalformedRequestError("invalid chunk size")
        self._left = int(size[1], 16)
        if self._left:
            self._left += 2
        else:
            self._is_in_trailers = True
        return size.end()

    def _take_trailer(self, received: bytearray, at: int) -> int:
        if received.startswith(b"\r\n", at):
            self.is_over = True
            return at + 2
        trailer = _TRAILER.match(received, at)
        if trailer is None:
            self._is_cut_off(received, at, "invalid trailer")
            return at
        self._count(trailer.end() - at)
        return trailer.end()

    def _is_cut_off(self, received: bytearray, at: int, why: str) -> None:
        """A line that does not match has not ended yet, or is refused."""
        if received.find(b"\n", at) >= 0:
            raise MalformedRequestError(why)
        if len(received) - at > self._allowed:
            raise MalformedRequestError("chunk extensions or trailers are too long")

    def _count(self, length: int) -> None:
        self._allowed -= length
        if self._allowed < 0:
            raise MalformedRequestError("chunk extensions or trailers are too long")
