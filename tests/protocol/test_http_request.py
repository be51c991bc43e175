"""Where a request ends, and its host, as tables (attack 36)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.protocol.http_request import Chunks, MalformedRequestError, body_length, is_host, split_target


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"a", True),
        (b"auth.example.com:443", True),
        (b"a_b.internal", True),
        (b"192.0.2.1:8000", True),
        (b"[::1]", True),
        (b"[2001:db8::1]:65535", True),
        (b"a:", True),
        (b"", False),
        (b":80", False),
        (b"a:65536", False),
        (b"a:-1", False),
        (b"a:80:80", False),
        (b"::1", False),
        (b"a b", False),
        (b"a,b", False),
        (b"a/b", False),
        (b"u@a", False),
        (b"a?b", False),
        (b"a#b", False),
        (b"a\\b", False),
        ("ä".encode(), False),
    ],
)
def test_what_a_host_is(host: bytes, expected: bool) -> None:
    assert is_host(host) is expected


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", b"/", (None, b"/")),
        ("GET", b"//a/b?c=/d?e", (None, b"//a/b?c=/d?e")),
        ("OPTIONS", b"*", (None, b"*")),
        ("GET", b"http://a", (b"a", b"/")),
        ("GET", b"https://a:1/b?c", (b"a:1", b"/b?c")),
        ("GET", b"hTTp://[::1]?c", (b"[::1]", b"/?c")),
    ],
)
def test_the_host_of_a_target(method: str, target: bytes, expected: tuple[bytes | None, bytes]) -> None:
    assert split_target(method, target) == expected


@pytest.mark.parametrize(
    "target", [b"*", b"a", b"a:443", b"?a", b"/a#b", b"http:a", b"http://", b"http://u@a/", b"ws://a/"]
)
def test_what_is_no_target(target: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        split_target("GET", target)


@pytest.mark.parametrize(
    ("version", "headers", "expected"),
    [
        ("1.1", {}, 0),
        ("1.0", {b"content-length": b"5"}, 5),
        ("1.1", {b"content-length": b"0"}, 0),
        ("1.1", {b"content-length": b"007"}, 7),
        ("1.1", {b"transfer-encoding": b"chunked"}, None),
        ("1.1", {b"transfer-encoding": b"CHUNKED"}, None),
    ],
)
def test_how_long_a_body_is(version: str, headers: dict[bytes, bytes], expected: int | None) -> None:
    assert body_length(version, list(headers.items())) == expected


@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        ("1.1", [(b"content-length", b"")], 400),
        ("1.1", [(b"content-length", b"-1")], 400),
        ("1.1", [(b"content-length", b"+1")], 400),
        ("1.1", [(b"content-length", b"0x1")], 400),
        ("1.1", [(b"content-length", b"1 1")], 400),
        ("1.1", [(b"content-length", b"1, 1")], 400),
        ("1.1", [(b"content-length", b"1\n")], 400),
        ("1.1", [(b"content-length", "١".encode())], 400),
        ("1.1", [(b"content-length", b"1"), (b"content-length", b"1")], 400),
        ("1.1", [(b"content-length", b"1" * 16)], 413),
        ("1.1", [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")], 400),
        ("1.0", [(b"transfer-encoding", b"chunked")], 400),
        ("1.1", [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], 501),
        ("1.1", [(b"transfer-encoding", b"gzip")], 501),
        ("1.1", [(b"transfer-encoding", b"gzip, chunked")], 501),
        ("1.1", [(b"transfer-encoding", b"identity")], 501),
        ("1.1", [(b"transfer-encoding", b"\x0bchunked")], 501),
        ("1.1", [(b"transfer-encoding", b"")], 501),
    ],
)
def test_what_has_no_length(version: str, headers: list[tuple[bytes, bytes]], status: int) -> None:
    with pytest.raises(MalformedRequestError) as refused:
        body_length(version, headers)
    assert refused.value.status == status


def read(sent: bytes, at_once: int) -> tuple[bytes, bytes, bool]:
    """The body, what is left over, and whether the body is over; `at_once` bytes arrive at a time."""
    chunks, received, body = Chunks(), bytearray(), b""
    for at in range(0, len(sent), at_once):
        received += sent[at : at + at_once]
        body += chunks.take(received)
    return body, bytes(received), chunks.is_over


@given(st.lists(st.binary(min_size=1, max_size=300)), st.integers(1, 50), st.binary(max_size=20))
def test_a_body_in_chunks_is_the_same_however_it_arrives(pieces: list[bytes], at_once: int, behind: bytes) -> None:
    sent = b"".join(b"%X\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))[:-2]
    assert read(sent + b"Trailer: a\r\n\r\n" + behind, at_once) == (b"".join(pieces), behind, True)


def test_a_long_body_may_come_in_small_chunks() -> None:
    sent = b"10\r\nsixteen letters.\r\n" * 20_000 + b"0\r\n\r\n"
    assert read(sent, 16_384) == (b"sixteen letters." * 20_000, b"", True)


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n",
        b"g\r\n",
        b"0x1\r\na\r\n",
        b"-1\r\n",
        b"1_0\r\n",
        b" 1\r\na\r\n",
        b"1 \r\na\r\n",
        b"1\na\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1\r\na\rb",
        b"1;a\rb\r\n",
        b"1;a\0\r\n",
        b"1" + b"0" * 12 + b"\r\n",
        b"0\r\na\r\n",
        b"0\r\n: a\r\n",
        b"0\r\n a: b\r\n",
        b"0\r\na: b\n",
        b"1;" + b"a" * 70_000,
        b"0\r\n" + b"a: b\r\n" * 20_000,
        b"1\r\na\r\n" * 8_000,
    ],
)
@pytest.mark.parametrize("at_once", [1, 7, 100_000])
def test_what_is_no_chunk(sent: bytes, at_once: int) -> None:
    with pytest.raises(MalformedRequestError):
        read(sent, at_once if len(sent) < 1000 else 16_384)
