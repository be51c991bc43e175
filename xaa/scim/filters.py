"""Filters (RFC 7644 §3.4.2.2), asked of resources one by one. Pure.

filter_text.py reads them. The database narrows rows down by what `must_equal` finds; what a filter means is decided
here alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from xaa.scim import paths
from xaa.scim.paths import Name
from xaa.scim.schemas import Attribute

OF_TEXT = frozenset({"co", "sw", "ew"})


@dataclass(frozen=True, slots=True)
class Term:
    """`name op value`; of `pr` the value is None. `attribute` is None where no resource has such an attribute."""

    name: Name
    op: str
    value: Any
    attribute: Attribute | None
    within: Attribute | None = None


@dataclass(frozen=True, slots=True)
class Both:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Filter"


@dataclass(frozen=True, slots=True)
class Inside:
    """`name[filter]`: one and the same value fulfils all of the filter."""

    name: Name
    part: "Filter"


Filter = Term | Both | Either | Not | Inside


def matches(found: Filter, resource: dict[str, Any]) -> bool:
    """Whether the resource, or one value of an attribute, fulfils the filter."""
    match found:
        case Both(parts):
            return all(matches(part, resource) for part in parts)
        case Either(parts):
            return any(matches(part, resource) for part in parts)
        case Not(part):
            return not matches(part, resource)
        case Inside(name, part):
            return any(isinstance(value, dict) and matches(part, value) for value in _all(resource, name))
    values = [value for value in _values(resource, found.name) if value not in (None, "")]
    if found.op == "pr" or (found.value is None and found.op in {"eq", "ne"}):
        return bool(values) is (found.op in {"pr", "ne"})
    if found.op == "ne":
        return not any(_is(found, "eq", value) for value in values)
    return any(_is(found, found.op, value) for value in values)


def _all(resource: dict[str, Any], name: Name) -> list[Any]:
    place: Any = paths.get(resource, name.urn) if name.urn else resource
    value = paths.get(place, name.name) if isinstance(place, dict) else None
    return value if isinstance(value, list) else [] if value is None else [value]


def _values(resource: dict[str, Any], name: Name) -> list[Any]:
    values = _all(resource, name)
    if name.sub:
        return [paths.get(one, name.sub) for one in values if isinstance(one, dict)]
    return [one["value"] if isinstance(one, dict) and "value" in one else one for one in values]


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda mine, theirs: bool(mine == theirs),
    "gt": lambda mine, theirs: bool(mine > theirs),
    "ge": lambda mine, theirs: bool(mine >= theirs),
    "lt": lambda mine, theirs: bool(mine < theirs),
    "le": lambda mine, theirs: bool(mine <= theirs),
    "co": lambda mine, theirs: theirs in mine,
    "sw": lambda mine, theirs: mine.startswith(theirs),
    "ew": lambda mine, theirs: mine.endswith(theirs),
}


def _is(term: Term, op: str, mine: Any) -> bool:
    theirs = term.value
    if isinstance(mine, bool):
        # Entra writes true and false as texts, too.
        return op == "eq" and str(mine).lower() == str(theirs).lower()
    if not isinstance(mine, str) or not isinstance(theirs, str):
        return False
    if term.attribute is not None and term.attribute.type == "dateTime" and op not in OF_TEXT:
        moments = _moment(mine), _moment(theirs)
        return None not in moments and _ORDERS[op](*moments)
    if term.attribute is None or not term.attribute.exact:
        mine, theirs = mine.casefold(), theirs.casefold()
    return _ORDERS[op](mine, theirs)


def _moment(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def must_equal(found: Filter) -> dict[str, str]:
    """Attributes of the resource itself that have to equal a text, or nothing matches: for the database to narrow."""
    match found:
        case Both(parts):
            return {name: value for part in parts for name, value in must_equal(part).items()}
        case Term(Name("", name, ""), "eq", str() as value, _, None):
            return {name.lower(): value}
    return {}


def described(found: Filter) -> dict[str, Any] | None:
    """The value that a filter of `eq`s joined by `and` describes; None for any other filter."""
    match found:
        case Both(parts):
            all_of = [described(part) for part in parts]
            return None if None in all_of else {k: v for part in all_of if part for k, v in part.items()}
        case Term(Name("", _, ""), "eq", str() | bool() as value, attribute, _):
            return None if attribute is None else {attribute.name: value}
    return None
