"""Canonical JSON (RFC 8785): equal values have one text, so a digest of it stands for the value."""

import hashlib
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
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, dict):
        # > Property name strings to be sorted are formatted as arrays of UTF-16 code units (RFC 8785 §3.2.3)
        names = sorted(value, key=_utf_16)
        return f"{{{','.join([f'{encode_basestring(name)}:{canonical(value[name])}' for name in names])}}}"
    raise TypeError(f"{type(value).__name__} is not JSON")


_WORDS = {None: "null", True: "true", False: "false"}


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _number(given: float | Decimal) -> str:
    """A number as ECMAScript writes it (RFC 8785 §3.2.2.3): 1.0 and 1 are one value, and so are 0 and -0."""
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
