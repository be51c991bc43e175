"""JSON from strangers (RFC 8259), read in the one way that leaves no two readers with two meanings.

Duplicate names, NaN and Infinity, numbers out of range, deep nesting, a byte order mark, lone surrogates and anything
that is not UTF-8 are refused, each with its own problem.
"""

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from authz.protocol.sentences import WithSentence

MAX_DEPTH = 12
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


class Problem(WithSentence):
    """What is wrong with a JSON text; `sentence` says it to its author."""

    BYTE_ORDER_MARK = "byte_order_mark", "It begins with a byte order mark."
    NOT_UTF8 = "not_utf8", "It is not UTF-8."
    SYNTAX = "syntax", "It is not well-formed JSON."
    DUPLICATE_NAME = "duplicate_name", "An object has two members of the same name."
    NUMBER = "number", "It has NaN, Infinity or a number out of range."
    TOO_DEEP = "too_deep", f"It is nested more than {MAX_DEPTH} levels deep."
    TEXT = "text", "A string in it holds NUL or half a surrogate pair."
    NOT_AN_OBJECT = "not_an_object", "It is not a JSON object."


class StrictJsonError(ValueError):
    """A JSON text that is not read. Carries the problem and a sentence for its author, and never the text."""

    def __init__(self, problem: Problem, place: str = "") -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.sentence = f"{problem.sentence[:-1]}: {place}." if place else problem.sentence


def read_object(raw: bytes) -> dict[str, Any]:
    """The object that `raw` is. Raises `StrictJsonError`."""
    return _read(raw, _decode)


def read_exactly(raw: bytes) -> dict[str, Any]:
    """The same, with numbers as int or Decimal, and none that a double would round.

    Of 0.99999999999999999999 one reader makes less than 1, and another one makes 1. Raises `StrictJsonError`.
    """
    return _read(raw, _decode_exactly)


def read_message(raw: bytes) -> dict[str, Any] | list[Any]:
    """An object or an array, as `read_exactly` reads. Raises `StrictJsonError`."""
    value = _value(raw, _decode_exactly)
    if not isinstance(value, dict | list):
        raise StrictJsonError(Problem.NOT_AN_OBJECT)
    return value


def _read(raw: bytes, decode: Callable[[str], Any]) -> dict[str, Any]:
    value = _value(raw, decode)
    if not isinstance(value, dict):
        raise StrictJsonError(Problem.NOT_AN_OBJECT)
    return value


def _value(raw: bytes, decode: Callable[[str], Any]) -> Any:
    # > Implementations MUST NOT add a byte order mark (RFC 8259 §8.1)
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise StrictJsonError(Problem.BYTE_ORDER_MARK)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise StrictJsonError(Problem.NOT_UTF8) from None
    try:
        value = decode(text)
    except StrictJsonError:
        raise
    except RecursionError:
        raise StrictJsonError(Problem.TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise StrictJsonError(Problem.SYNTAX, f"line {error.lineno}, column {error.colno}") from None
    except ValueError:
        raise StrictJsonError(Problem.SYNTAX) from None
    # Only an escape can write what `_check` looks for in strings, and only brackets nest.
    if "\\u" in text or text.count("{") + text.count("[") > MAX_DEPTH:
        _check(value, MAX_DEPTH)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # > The names within an object SHOULD be unique. (RFC 8259 §4) Otherwise readers disagree which one counts.
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StrictJsonError(Problem.DUPLICATE_NAME)
    return members


def _no_constant(_: str) -> None:
    raise StrictJsonError(Problem.NUMBER)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise StrictJsonError(Problem.NUMBER)
    return number


def _exact(text: str) -> Decimal:
    # A long exponent is no reason to compute with it.
    if len(text) > 40 or Decimal(text) != Decimal(repr(_finite(text))):
        raise StrictJsonError(Problem.NUMBER)
    return Decimal(text)


def _bounded(text: str) -> int:
    # > [-(2**53)+1, (2**53)-1] … implementations will agree exactly on their numeric values (RFC 8259 §6)
    if len(text) > 17 or abs(int(text)) >= 2**53:
        raise StrictJsonError(Problem.NUMBER)
    return int(text)


_decode = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_bounded
).decode

_decode_exactly = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_exact, parse_int=_bounded
).decode


def _check(value: object, levels: int) -> None:
    if isinstance(value, dict | list):
        if levels == 0:
            raise StrictJsonError(Problem.TOO_DEEP)
        for member in value.values() if isinstance(value, dict) else value:
            _check(member, levels - 1)
        if isinstance(value, dict):
            for name in value:
                _check(name, 0)
    elif isinstance(value, str) and _UNWRITABLE.search(value):
        # PostgreSQL keeps no NUL, and a lone surrogate cannot be written as UTF-8: each would be a crash further on.
        raise StrictJsonError(Problem.TEXT)
