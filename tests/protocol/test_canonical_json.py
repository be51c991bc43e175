"""Canonical JSON (RFC 8785), with the numbers of its appendix B."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.protocol import strict_json
from authz.protocol.canonical_json import canonical, digest
from authz.protocol.strict_json import StrictJsonError

NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize("bits, text", NUMBERS.items())
def test_numbers(bits: str, text: str) -> None:
    assert canonical(struct.unpack(">d", bytes.fromhex(bits))[0]) == text


def test_members_are_sorted_by_utf_16() -> None:
    """> \\u20ac, \\r, \\ufb33, 1, \\ud83d\\ude00, \\u0080, \\u00f6 (RFC 8785 §3.2.3)"""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    found = json.loads(canonical(dict.fromkeys(names, 0)))
    assert list(found) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(codec="utf-8"))
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_reading_it_again_gives_the_same_text(value: object) -> None:
    assert canonical(json.loads(canonical({"v": value}))) == canonical({"v": value})


@pytest.mark.parametrize(
    "one, other",
    [
        ('{"a":1,"b":2}', '{"b":2,"a":1.0}'),
        ('{"a":1e2}', '{"a":100}'),
        ('{"a":-0.0}', '{"a":0}'),
        ('{"a":"\\u00e9"}', '{"a":"é"}'),
    ],
)
def test_what_is_the_same_call(one: str, other: str) -> None:
    assert digest(strict_json.read_exactly(one.encode())) == digest(strict_json.read_exactly(other.encode()))


@pytest.mark.parametrize(
    "one, other",
    [
        ('{"a":1}', '{"a":"1"}'),
        ('{"a":1}', '{"a":true}'),
        ('{"a":"e\\u0301"}', '{"a":"\\u00e9"}'),  # the same to a reader, and not to a program
        ('{"a":[1,2]}', '{"a":[2,1]}'),
        ('{"a":{"b":1}}', '{"a":{},"b":1}'),
        ('{"a":null}', "{}"),
        ('{"a":0.1}', '{"a":0.10000000000000002}'),
    ],
)
def test_what_is_another_call(one: str, other: str) -> None:
    assert digest(strict_json.read_exactly(one.encode())) != digest(strict_json.read_exactly(other.encode()))


@pytest.mark.parametrize(
    "text", ["0.10000000000000001", "1.00000000000000000000001", "9007199254740993", "1e999", "1" * 50]
)
def test_a_number_that_readers_round_is_not_read(text: str) -> None:
    with pytest.raises(StrictJsonError):
        strict_json.read_exactly(f'{{"a":{text}}}'.encode())
