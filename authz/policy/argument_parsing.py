"""Reading conditions on arguments from their shape in YAML or JSON."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal

from authz.policy.arguments import TOO_LARGE, ArgumentCondition, Comparison, Number, Value, kind
from authz.policy.parsing import RuleError, mapping, switch
from authz.policy.value_kinds import not_this

_MAX_WANTED = 255

_PATH = re.compile(r"[A-Za-z0-9_$-]{1,64}(\.[A-Za-z0-9_$-]{1,64}){0,4}")


def argument_conditions(data: object, field: str) -> tuple[ArgumentCondition, ...]:
    """From {path: {comparison: value, …}, …}. Raises `RuleError`."""
    if not isinstance(data, Mapping):
        raise RuleError(field, f"must be a mapping of members to what is asked of them{not_this(data)}.")
    return tuple(_condition(path, wanted, field) for path, wanted in data.items())


def _condition(path: object, wanted: object, field: str) -> ArgumentCondition:
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise RuleError(field, f"“{path}” is not the name of a member, such as “amount” or “to.country”.")
    given = mapping(wanted, f"{field}.{path}", tuple(Comparison))
    if not given:
        raise RuleError(f"{field}.{path}", f"must ask for one of {', '.join(Comparison)}.")
    return ArgumentCondition(
        path=path,
        wanted=tuple(
            (Comparison(name), _READ[Comparison(name)](value, f"{field}.{path}.{name}"))
            for name, value in given.items()
        ),
    )


def _scalar(value: object, field: str) -> str | bool | Number:
    if isinstance(value, bool):
        return value
    return _text(value, field) if isinstance(value, str) else _number(value, field)


def _text(value: object, field: str) -> str:
    if not isinstance(value, str) or not value:
        raise RuleError(field, f"must be text, and not empty{not_this(value) if value != '' else ''}.")
    if len(value) > _MAX_WANTED or not value.isprintable() or not unicodedata.is_normalized("NFC", value):
        raise RuleError(field, f"must be at most {_MAX_WANTED} printable characters in Unicode’s form NFC.")
    return value


def _number(value: object, field: str) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise RuleError(field, f"must be a number{not_this(value)}.")
    if not math.isfinite(value) or not -TOO_LARGE < value < TOO_LARGE:
        raise RuleError(field, "must lie between −(2^53 − 1) and 2^53 − 1.")
    # A number of the file is the decimal that was written: 0.1, not the double beside it.
    number = value if isinstance(value, int) else Decimal(repr(value)) if isinstance(value, float) else value
    return int(number) if number == int(number) else number


def _scalars(value: object, field: str) -> tuple[str | bool | Number, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise RuleError(
            field, f"must be a list of values, and not empty{not_this(value) if value not in ([], ()) else ''}."
        )
    found = tuple(_scalar(item, f"{field}[{position}]") for position, item in enumerate(value))
    if len({kind(item) for item in found}) > 1:
        raise RuleError(field, "must hold values of one type: all texts, all numbers, or true and false.")
    return found


_READ: Mapping[Comparison, Callable[[object, str], Value]] = {
    Comparison.EQUALS: _scalar,
    Comparison.ONE_OF: _scalars,
    Comparison.BELOW: _number,
    Comparison.AT_LEAST: _number,
    Comparison.PREFIX: _text,
    Comparison.PRESENT: switch,
}
