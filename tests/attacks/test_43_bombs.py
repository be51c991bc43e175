"""Attack 43: little that is sent and much that it becomes: pictures, YAML, nesting, numbers."""

import json
import resource
import struct
import time
import zlib
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from authz.configuration import document
from authz.outbound import Role
from authz.protocol import jwts, strict_json
from cimd import logos
from tests.protocol.test_jwts import encoded

pytestmark = pytest.mark.any_database

MOST_SECONDS = 5.0
MOST_BYTES = 300 * 1024 * 1024


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *more: bytes, rows: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = _chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + b"".join(more) + data + _chunk(b"IEND", b"")


def _frames(kind: str, count: int) -> bytes:
    made = [Image.new("P", (64, 64), number % 256) for number in range(count)]
    out = BytesIO()
    made[0].save(out, kind, save_all=True, append_images=made[1:], duration=20)
    return out.getvalue()


def _large(kind: str, side: int) -> bytes:
    out = BytesIO()
    Image.new("L", (side, side)).save(out, kind)
    return out.getvalue()


TEXT = zlib.compress(b"x" * 50_000_000, 9)
PICTURES: dict[str, Callable[[], bytes]] = {
    "a PNG that says it is a continent": lambda: _png(2**31 - 1, 2**31 - 1),
    "a PNG a pixel wide": lambda: _png(1, 10_000_000, rows=bytes(1000)),
    "a PNG just too large": lambda: _large("PNG", logos.MAX_SIDE + 1),
    "a PNG as large as may be": lambda: _png(logos.MAX_SIDE, logos.MAX_SIDE, rows=bytes(1000)),
    "a PNG that holds more than it says": lambda: _png(8, 8, rows=bytes(50_000_000)),
    "a PNG with a text that unpacks": lambda: _png(8, 8, _chunk(b"zTXt", b"a\0\0" + TEXT), rows=bytes(264)),
    "a PNG with a profile that unpacks": lambda: _png(8, 8, _chunk(b"iCCP", b"a\0\0" + TEXT), rows=bytes(264)),
    "a PNG with international text": lambda: _png(8, 8, _chunk(b"iTXt", b"a\0\1\0\0\0" + TEXT), rows=bytes(264)),
    "a GIF of many pictures": lambda: _frames("GIF", 500),
    "a WebP of many pictures": lambda: _frames("WEBP", 200),
    "a GIF that says it is large": lambda: (
        b"GIF89a\xff\xff\xff\xff\xf7\0\0" + bytes(768) + b",\0\0\0\0\xff\xff\xff\xff\0\x08\x00;"
    ),
    "a JPEG that is too large": lambda: _large("JPEG", 20_000),
    "a JPEG that ends early": lambda: _large("JPEG", 1000)[:400],
    "no picture": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("raw", PICTURES.values(), ids=PICTURES)
def test_a_picture_stays_packed_or_becomes_a_small_one(raw: Callable[[], bytes]) -> None:
    sent = raw()[: Role.CLIENT_LOGO.limits.max_bytes]
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
    try:
        drawn = logos.redrawn(sent)
    except logos.UnusableImageError:
        drawn = b""
    assert time.thread_time() - began < MOST_SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_BYTES
    if drawn:
        with Image.open(BytesIO(drawn)) as picture:
            assert max(picture.size) <= logos.SIZE
            assert not picture.info


DEEP = 100_000
JSON: dict[str, bytes] = {
    "lists in lists": b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "objects in objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "never closed": b'{"a":' + b"[" * DEEP,
    "a number of many digits": b'{"a":' + b"9" * DEEP + b"}",
    "an exponent": b'{"a":1e' + b"9" * DEEP + b"}",
    "a fraction": b'{"a":0.' + b"1" * DEEP + b"e-1}",
    "backslashes": b'{"a":"' + b"\\" * DEEP,
    "escapes": b'{"a":"' + b"\\ud800" * DEEP + b'"}',
    "names alike": b"{" + b",".join(b'"a":1' for _ in range(DEEP)) + b"}",
    "white space": b" " * DEEP + b"{" + b" " * DEEP,
}


@pytest.mark.parametrize("raw", JSON.values(), ids=JSON)
def test_json_is_read_or_refused_at_once(raw: bytes) -> None:
    began = time.thread_time()
    try:
        strict_json.read_object(raw)
    except strict_json.StrictJsonError as error:
        assert error.sentence
    assert time.thread_time() - began < MOST_SECONDS


@pytest.mark.parametrize("raw", JSON.values(), ids=JSON)
@pytest.mark.parametrize("place", ["header", "claims"])
def test_so_is_a_token(raw: bytes, place: str) -> None:
    header = raw if place == "header" else json.dumps({"alg": "ES256", "typ": "JWT"}).encode()
    claims = raw if place == "claims" else b"{}"
    began = time.thread_time()
    with pytest.raises(jwts.JwtError):
        jwts.parse(f"{encoded(header)}.{encoded(claims)}.AAAA")
    assert time.thread_time() - began < MOST_SECONDS


YAML: dict[str, str] = {
    "aliases of aliases": "a: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"b{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
    "merged aliases": "a: &a0 {x: 1}\n"
    + "".join(f"b{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12)),
    "lists in lists": "a: " + "[" * 2000 + "]" * 2000,
    "objects in objects": "a: " + "{a: " * 2000 + "}" * 2000,
    "dashes": "- " * 5000 + "a",
    "questions": "? " * 2000 + "a",
    "an alias of itself": "a: &a [*a]",
    "a number of many digits": "a: " + "9" * 20_000,
    "a sexagesimal number": "a: 1" + ":59" * 5000,
    "underscores": "a: 1" + "_" * 20_000,
    "a float of dots": "a: 1" + "." * 20_000,
    "tags": "a: !!python/object/apply:os.system [id]",
}


@pytest.mark.parametrize("text", YAML.values(), ids=YAML)
def test_so_is_a_configuration(text: str) -> None:
    began = time.thread_time()
    try:
        document.read(text)
    except document.ConfigurationError as error:
        assert str(error)
    assert time.thread_time() - began < MOST_SECONDS
