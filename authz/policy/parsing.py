"""Reading a rule's mapping: one small reader per shape; whatever isn't understood is refused by name.

A misspelt field that is skipped silently turns a denial into nothing, so nothing is skipped, guessed or converted.
"""

import difflib
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta

from authz.policy.value_kinds import refusal

# Seconds since the epoch, of the first moment that is too late.
LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


class RuleError(ValueError):
    """A rule that can't be meant. `field` is a path such as `conditions.networks[1]`; `problem` is a sentence."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


def mapping(value: object, field: str, known: Collection[str]) -> Mapping[str, object]:
    """A mapping that has no other keys than the known ones. Raises `RuleError`."""
    if not isinstance(value, Mapping):
        raise RuleError(field, f"{refusal('a mapping', value)}.")
    for key in value:
        if not isinstance(key, str) or key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f" Did you mean “{near[0]}”?" if near else f" There are {', '.join(known)}."
            raise RuleError(f"{field}.{key}" if field else str(key), f"is not a known field.{hint}")
    return value


def text(value: object, field: str) -> str:
    """A line of text: not empty, no spaces around it, no control characters. Raises `RuleError`."""
    if not isinstance(value, str):
        raise RuleError(field, f"{refusal('text', value)}.")
    if not value.strip():
        raise RuleError(field, "must not be empty.")
    if value != value.strip():
        raise RuleError(field, "must not begin or end with spaces.")
    if not value.isprintable():
        raise RuleError(field, "must not hold control characters.")
    return value


def texts(value: object, field: str) -> tuple[str, ...]:
    """A list of lines of text; a repetition says nothing new and is dropped. Raises `RuleError`."""
    if not isinstance(value, list | tuple):
        raise RuleError(field, f"{refusal('a list', value)}.")
    return tuple(dict.fromkeys(text(item, f"{field}[{position}]") for position, item in enumerate(value)))


def names(value: object, field: str) -> tuple[str, ...]:
    """A list of exact names, or of "*" for all of them. Raises `RuleError`."""
    found = texts(value, field)
    for position, name in enumerate(found):
        if name != "*" and "*" in name:
            raise RuleError(f"{field}[{position}]", "is exact: “*” stands only alone, for everything.")
    return found


def whole_number(value: object, field: str) -> int:
    """A whole number of at least 1. Raises `RuleError`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise RuleError(field, f"{refusal('a whole number', value)}.")
    if value < 1:
        raise RuleError(field, "must be at least 1.")
    return value


def switch(value: object, field: str) -> bool:
    """True or false, and no word or number for it. Raises `RuleError`."""
    if not isinstance(value, bool):
        raise RuleError(field, f"{refusal('true or false', value)}.")
    return value


def parse_time(value: object, field: str, *, end_of_day: bool) -> float:
    """A moment in seconds since the epoch, from a date and time with its offset, or from a date: that day in UTC.
    Raises `RuleError`.

    A date means the whole day: `end_of_day` takes the moment after it. Local time without an offset is refused, since
    two servers could read it differently.
    """
    try:
        seconds = _seconds(value, field, end_of_day=end_of_day)
    except OverflowError:
        seconds = LATEST
    # No clock and no database goes further, and in another zone there would be no such year.
    if not 0 <= seconds < LATEST:
        raise RuleError(field, "must lie between the years 1970 and 9998.")
    return seconds


def _seconds(value: object, field: str, *, end_of_day: bool) -> float:
    read = _from_iso(value, field) if isinstance(value, str) else value
    if isinstance(read, datetime):
        if read.tzinfo is None:
            raise RuleError(field, "needs an offset from UTC, as in 2026-12-31T18:00:00Z.")
        return read.timestamp()
    if isinstance(read, date):
        start = datetime.combine(read, time(), UTC)
        return (start + timedelta(days=1) if end_of_day else start).timestamp()
    raise RuleError(field, "must be a date or a date and time, as in 2026-12-31T18:00:00Z.")


def _from_iso(value: str, field: str) -> date:
    try:
        return date.fromisoformat(value) if len(value) == len("2026-12-31") else datetime.fromisoformat(value)
    except ValueError:
        raise RuleError(field, "must be a date or a date and time, as in 2026-12-31T18:00:00Z.") from None
