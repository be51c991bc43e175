"""Conditions on the arguments of a tool call: a closed set of comparisons with named members.

    amount: {at_least: 10, below: 1000}     to.country: {one_of: [DE, FR]}     reason: {present: true}

A member is named by its path; every comparison of every member has to hold. Nothing is converted: a member that is
missing, null, of another type or ambiguous establishes nothing, so it permits nothing and escapes no restriction.
Ambiguous is what the MCP server may read differently than this server:

names      beside another member whose name differs only in case or in its Unicode form.
numbers    beyond ±(2^53 − 1), or that a double rounds to the other side.
texts      that equal the wanted one only in another case or Unicode form, or with invisible characters; and where the
           wanted text has a slash, paths that have to be resolved first (`..`, `//`, `\\`, `%2F`).
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum, auto

from authz.policy.match import NO, NOT_ESTABLISHED, YES, Match, all_of

Number = int | Decimal
Value = str | bool | Number | tuple[str | bool | Number, ...]

# > Note that when such software is used, numbers that are integers and are in the range [-(2**53)+1, (2**53)-1] are
# > interoperable (RFC 8259 §6)
TOO_LARGE = 2**53
_MAX_TEXT = 4096
_MAX_MEMBERS = 256

_UNRESOLVED = re.compile(r"\\|%[0-9A-Fa-f]{2}|(^|/)\.{1,2}(/|$)|(?<!:)//|[\x00-\x1f\x7f]")


class Comparison(StrEnum):
    EQUALS = "equals"
    ONE_OF = "one_of"
    BELOW = "below"
    AT_LEAST = "at_least"
    PREFIX = "prefix"
    PRESENT = "present"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentCondition:
    """What a rule asks of the member at `path`: each of the comparisons with its value."""

    path: str
    wanted: tuple[tuple[Comparison, Value], ...]

    def match(self, arguments: Mapping[str, object] | None) -> Match:
        """Whether a call's arguments (`ToolCall.arguments`) meet it."""
        found = at_path(arguments, self.path)
        return all_of([(name, _COMPARED[name](found, value)) for name, value in self.wanted])

    def to_mapping(self) -> dict[str, object]:
        """The shape that `argument_conditions` (argument_parsing.py) reads."""
        return {name.value: _shape(value) for name, value in self.wanted}


def shown(value: object) -> str:
    """A value of a condition as people read it: texts in quotes, numbers as they are written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"“{value}”" if isinstance(value, str) else f"{value}"


class Absent(Enum):
    MISSING = auto()
    AMBIGUOUS = auto()


def at_path(container: object, path: str) -> object:
    """The value at a path of a call's arguments; `Absent` where there is none."""
    for name in path.split("."):
        container = _member(container, name)
        if isinstance(container, Absent):
            return container
    return container


def _member(container: object, name: str) -> object:
    if not isinstance(container, Mapping) or len(container) > _MAX_MEMBERS:
        return Absent.AMBIGUOUS
    # Attack: {"amount": 1, "Amount": 9000}. Some readers of JSON match names in any case, and the last one wins.
    plain = _plain(name)
    alike = [key for key in container if key == name or _plain(key) == plain]
    if not alike:
        return Absent.MISSING
    return container[name] if alike == [name] else Absent.AMBIGUOUS


def _plain(text: str) -> str:
    """A text without what readers may drop: case, Unicode form, invisible characters, spaces around it."""
    if text.isascii():
        return text.strip().lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(sign for sign in folded if unicodedata.category(sign) != "Cf").strip()


def kind(value: object) -> type | None:
    """The type by which values are comparable; None for what isn't comparable at all."""
    if isinstance(value, bool):
        return bool
    if isinstance(value, str):
        return str
    return Decimal if isinstance(value, int | Decimal) else None


def _equals(found: object, wanted: object) -> Match:
    if kind(found) is None or kind(found) is not kind(wanted):
        return NOT_ESTABLISHED
    if isinstance(found, str) and isinstance(wanted, str):
        return _texts(found, wanted, str.__eq__)
    if isinstance(wanted, bool):
        return YES if found is wanted else NO
    return _numbers(found, wanted, lambda one, other: one == other)


def _one_of(found: object, wanted: object) -> Match:
    matches = [_equals(found, value) for value in wanted] if isinstance(wanted, tuple) else []
    if YES in matches:
        return YES
    return NOT_ESTABLISHED if NOT_ESTABLISHED in matches else NO


def _below(found: object, wanted: object) -> Match:
    return _numbers(found, wanted, lambda one, other: one < other)


def _at_least(found: object, wanted: object) -> Match:
    return _numbers(found, wanted, lambda one, other: one >= other)


def _numbers(found: object, wanted: object, holds: Callable[[float | Number, float | Number], bool]) -> Match:
    """Whether a comparison holds of the exact numbers, and of the doubles that most readers make of them, too."""
    if isinstance(found, bool) or not isinstance(found, int | Decimal) or not isinstance(wanted, int | Decimal):
        return NOT_ESTABLISHED
    if not is_comparable(found):
        return NOT_ESTABLISHED
    exactly, rounded = holds(found, wanted), holds(float(found), float(wanted))
    if exactly != rounded:
        return NOT_ESTABLISHED
    return YES if exactly else NO


def is_comparable(number: Number) -> bool:
    """Whether every reader of JSON takes it for the same number, but for rounding."""
    return not (isinstance(number, Decimal) and not number.is_finite()) and -TOO_LARGE < number < TOO_LARGE


def _prefix(found: object, wanted: object) -> Match:
    if not isinstance(found, str) or not isinstance(wanted, str):
        return NOT_ESTABLISHED
    # Attack: /reports/../payroll begins with /reports/.
    if "/" in wanted and _UNRESOLVED.search(found):
        return NOT_ESTABLISHED
    return _texts(found, wanted, str.startswith)


def _texts(found: str, wanted: str, holds: Callable[[str, str], bool]) -> Match:
    if holds(found, wanted):
        return YES
    if len(found) > _MAX_TEXT or ("/" in wanted and _UNRESOLVED.search(found)):
        return NOT_ESTABLISHED
    return NOT_ESTABLISHED if holds(_plain(found), _plain(wanted)) else NO


def _present(found: object, wanted: object) -> Match:
    if found is None or found is Absent.AMBIGUOUS:
        return NOT_ESTABLISHED
    return YES if (found is not Absent.MISSING) is wanted else NO


_COMPARED: Mapping[Comparison, Callable[[object, object], Match]] = {
    Comparison.EQUALS: _equals,
    Comparison.ONE_OF: _one_of,
    Comparison.BELOW: _below,
    Comparison.AT_LEAST: _at_least,
    Comparison.PREFIX: _prefix,
    Comparison.PRESENT: _present,
}


def _shape(value: Value) -> object:
    if isinstance(value, tuple):
        return [_shape(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def members(conditions: Iterable[ArgumentCondition]) -> frozenset[str]:
    """The paths that conditions name: of a call's arguments, all that a decision may depend on."""
    return frozenset(condition.path for condition in conditions)
