"""JSON from strangers (attack 4)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.protocol.strict_json import Problem, StrictJsonError, read_object


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", Problem.SYNTAX),
        (b"{", Problem.SYNTAX),
        (b"{} {}", Problem.SYNTAX),
        (b"{'a': 1}", Problem.SYNTAX),
        (b'{"a": "\n"}', Problem.SYNTAX),
        (b'{"a": 1,}', Problem.SYNTAX),
        (b'\xef\xbb\xbf{"a": 1}', Problem.BYTE_ORDER_MARK),
        ('{"a": 1}'.encode("utf-16"), Problem.BYTE_ORDER_MARK),
        (b'{"a": "\xff"}', Problem.NOT_UTF8),
        (b'{"a": "\xc0\xaf"}', Problem.NOT_UTF8),
        (b'{"a": "\xed\xa0\x80"}', Problem.NOT_UTF8),
        (b'{"a": 1, "a": 1}', Problem.DUPLICATE_NAME),
        (b'{"a": 1, "\\u0061": 2}', Problem.DUPLICATE_NAME),
        (b'{"x": {"a": 1, "a": 2}}', Problem.DUPLICATE_NAME),
        (b'{"a": NaN}', Problem.NUMBER),
        (b'{"a": Infinity}', Problem.NUMBER),
        (b'{"a": -Infinity}', Problem.NUMBER),
        (b'{"a": 1e999}', Problem.NUMBER),
        (b'{"a": 9007199254740992}', Problem.NUMBER),
        (b'{"a": ' + b"9" * 5000 + b"}", Problem.NUMBER),
        (b'{"a": ' + b"[" * 12 + b"]" * 12 + b"}", Problem.TOO_DEEP),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, Problem.TOO_DEEP),
        (b"[" * 100_000, Problem.TOO_DEEP),
        (b'{"a": "\\u0000"}', Problem.TEXT),
        (b'{"a": "\\ud800"}', Problem.TEXT),
        (b'{"\\udfff": 1}', Problem.TEXT),
        (b'{"a": [{"b": "\\u0000"}]}', Problem.TEXT),
        (b"[]", Problem.NOT_AN_OBJECT),
        (b'"{}"', Problem.NOT_AN_OBJECT),
        (b"null", Problem.NOT_AN_OBJECT),
        (b"1", Problem.NOT_AN_OBJECT),
    ],
)
def test_it_refuses_json_that_two_readers_could_read_differently(raw: bytes, expected: Problem) -> None:
    with pytest.raises(StrictJsonError) as caught:
        read_object(raw)
    assert caught.value.problem is expected
    assert expected.sentence.endswith(".")


def test_it_reads_ordinary_json() -> None:
    raw = b' {"a": [1, 2.5, true, null, "\\u00e9\\ud83d\\ude00"], "b": {"c": -9007199254740991}} '
    assert read_object(raw) == {"a": [1, 2.5, True, None, "é😀"], "b": {"c": -(2**53) + 1}}


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise(raw: bytes) -> None:
    for candidate in (raw, b'{"a":' + raw + b"}"):
        try:
            value = read_object(candidate)
        except StrictJsonError:
            continue
        json.dumps(value, allow_nan=False).encode()


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(codec="utf-8", min_codepoint=1)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc"), _VALUES, max_size=4))
def test_what_a_careful_writer_writes_is_read(value: dict[str, object]) -> None:
    try:
        assert read_object(json.dumps(value).encode()) == value
    except StrictJsonError as error:
        assert error.problem is Problem.TOO_DEEP
