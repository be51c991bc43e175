"""Token Status List (draft-ietf-oauth-status-list-20): packing statuses, and scattering indices. Pure."""

import base64
import zlib
from collections.abc import Mapping
from hashlib import blake2s
from typing import Any

# > typ: REQUIRED. The JWT type MUST be statuslist+jwt. (§5.1)
TYP = "statuslist+jwt"
CONTENT_TYPE = "application/statuslist+jwt"
# > 0x00 - "VALID" … 0x01 - "INVALID" (§7.1). A suspension is not told apart: it would say more than readers of a list
# have to know (§12.8).
VALID, INVALID = 0, 1
# > either 1,2,4 or 8 (§4.1)
BIT_SIZES = (1, 2, 4, 8)
_ROUNDS = 4


def pack(statuses: Mapping[int, int], *, size: int, bits: int = 1) -> bytes:
    """The byte array of a list of `size` entries: `statuses` by index, all others VALID. Raises `ValueError`.

    > the blocks being packed into bytes from the least significant bit ("0") to the most significant bit ("7") (§4.1)
    """
    if bits not in BIT_SIZES or size * bits % 8:
        raise ValueError(f"no such list: {size} entries of {bits} bits")
    array = bytearray(size * bits // 8)
    for index, status in statuses.items():
        if not (0 <= index < size and 0 <= status < 1 << bits):
            raise ValueError(f"no such entry: {status} at {index}")
        array[index * bits // 8] |= status << index * bits % 8
    return bytes(array)


def encode(array: bytes, *, bits: int = 1) -> dict[str, Any]:
    """The `status_list` claim of a byte array (§4.2)."""
    # > compresses the byte array using DEFLATE with the ZLIB data format … the highest compression level (§4.1)
    compressed = zlib.compress(array, level=9)
    return {"bits": bits, "lst": base64.urlsafe_b64encode(compressed).rstrip(b"=").decode()}


def scattered(position: int, *, seed: bytes, half_bits: int) -> int:
    """Where in a list of 2^(2·half_bits) entries the `position`th goes: each exactly once, in an order that only `seed`
    knows.

    > RECOMMENDED to … choose non-sequential, pseudo-random or random indices (§12.5)

    A Feistel network, so no entry is ever given twice and nothing has to be remembered but how many there are.
    """
    mask = (1 << half_bits) - 1
    left, right = position >> half_bits, position & mask
    for turn in range(_ROUNDS):
        mixed = blake2s(bytes((turn,)) + right.to_bytes(4, "big"), key=seed, digest_size=4).digest()
        left, right = right, left ^ int.from_bytes(mixed, "big") & mask
    return left << half_bits | right
