"""Token Status List: the draft's own vectors, and that no entry is given twice."""

import base64
import json
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.protocol.status_list import encode, pack, scattered

# draft-ietf-oauth-status-list-20, appendix “Test vectors for Status List encoding”: 2^20 entries each.
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "status_list_vectors.json").read_text())


def unpacked(lst: str, bits: int) -> dict[int, int]:
    """Written from the draft's §8.3 alone, without our code: index → status, where it is not VALID."""
    array = zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))
    per_byte, mask = 8 // bits, (1 << bits) - 1
    return {
        place * per_byte + slot: byte >> slot * bits & mask
        for place, byte in enumerate(array)
        if byte
        for slot in range(per_byte)
        if byte >> slot * bits & mask
    }


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['bits']} bits")
def test_the_drafts_vectors(vector: dict[str, Any]) -> None:
    statuses = {int(index): status for index, status in vector["statuses"].items()}
    ours = encode(pack(statuses, size=1 << 20, bits=vector["bits"]), bits=vector["bits"])
    assert ours["bits"] == vector["bits"]
    theirs = {index: status for index, status in statuses.items() if status}
    assert unpacked(ours["lst"], vector["bits"]) == unpacked(vector["lst"], vector["bits"]) == theirs


@pytest.mark.parametrize(
    ("bits", "statuses", "array", "lst"),
    [
        (1, [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1], "b9a3", "eNrbuRgAAhcBXQ"),
        (2, [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3], "c944f9", "eNo76fITAAPfAgc"),
    ],
)
def test_the_drafts_figures_byte_for_byte(bits: int, statuses: list[int], array: str, lst: str) -> None:
    packed = pack(dict(enumerate(statuses)), size=len(statuses), bits=bits)
    assert packed.hex() == array
    assert encode(packed, bits=bits) == {"bits": bits, "lst": lst}


@pytest.mark.parametrize(
    ("statuses", "size", "bits"),
    [({16: 1}, 16, 1), ({-1: 1}, 16, 1), ({0: 2}, 16, 1), ({0: 4}, 16, 2), ({}, 16, 3), ({}, 7, 1)],
)
def test_what_is_no_list_is_refused(statuses: dict[int, int], size: int, bits: int) -> None:
    with pytest.raises(ValueError, match="no such"):
        pack(statuses, size=size, bits=bits)


@given(seed=st.binary(min_size=16, max_size=16))
def test_each_entry_is_given_exactly_once(seed: bytes) -> None:
    places = [scattered(position, seed=seed, half_bits=4) for position in range(256)]
    assert sorted(places) == list(range(256))


def test_neighbours_are_not_neighbours_and_each_list_has_its_own_order() -> None:
    one, other = (
        [scattered(position, seed=seed * 16, half_bits=8) for position in range(1000)] for seed in (b"a", b"b")
    )
    assert one != other
    steps = [after - before for before, after in pairwise(one)]
    assert sum(abs(step) == 1 for step in steps) < 5
    assert len(set(steps)) > 900
