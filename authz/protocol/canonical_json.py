"""Canonical JSON (RFC 8785): equal values have one text, so a digest of it stands for the value."""

import hashlib
from collections.abc import Collection
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any


def digest(value: Any) -> str:
    """The SHA-256 of a value's canonical form, in hexadecimal. The value comes from `strict_json.read_exactly`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """The canonical text of a JSON value whose numbers are IEEE 754 doubles. Raises TypeError for what isn't JSON."""
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        members = [f"{encode_basestring(name)}:{canonical(value[name])}" for name in _sorted(value)]
        return f"{{{','.join(members)}}}"
    if value is None or value is True or value is False:
        return _WORDS[value]
    if isinstance(value, _NUMBERS):
        return _number(value)
    if isinstance(value, _LISTS):
        return f"[{','.join(map(canonical, value))}]"
    raise TypeError(f"{type(value).__name__} is not JSON")


_NUMBERS, _LISTS = (int, float, Decimal), (list, tuple)
_WORDS = {None: "null", True: "true", False: "false"}
# Below it each whole number is a double that ECMAScript writes with its digits.
_EXACT = 2**53


def _sorted(names: Collection[str]) -> list[str]:
    # > Property name strings to be sorted are formatted as arrays of UTF-16 code units (RFC 8785 §3.2.3)
    # Of ASCII that is the order of characters.
    return sorted(names) if "".join(names).isascii() else sorted(names, key=_utf_16)


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _number(given: float | Decimal) -> str:
    """A number as ECMAScript writes it (RFC 8785 §3.2.2.3): 1.0 and 1 are one value, and so are 0 and -0."""
    if type(given) is int and -_EXACT < given < _EXACT:
        return str(given)
    value = float(given)
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    # The value is 0.digits × 10 to the power of `point`.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return sign + _written(digits.rstrip("0"), point)


def _written(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"
