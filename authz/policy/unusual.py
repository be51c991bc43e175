"""What is unusual about a call of a tool, by figures that are known when it is decided.

first_use   the agent has not called this tool at the MCP server for this person (or for itself) before, as far as that
            is remembered.
volume      with this call the agent has made more calls there today, for this person, than `limit` says. A day begins
            at midnight UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from authz.policy.parsing import RuleError, texts


class Unusual(StrEnum):
    FIRST_USE = "first_use"
    VOLUME = "volume"


_NOTHING = frozenset[Unusual]()
# The busiest day is looked for among so many days before today.
DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an agent has called so far, for one person, at one MCP server.

    used      whether it has called this tool.
    today     calls that were allowed today, without the one that is decided.
    busiest   those of the busiest of the last `DAYS` days before today; 0 if there was no such day.
    """

    used: bool
    today: int
    busiest: int


def limit(busiest: int, *, calls: int, times: int) -> int:
    """How many calls a day are usual: so many `times` those of the busiest day, and `calls` at least."""
    return max(calls, busiest * times)


def unusual(usage: Usage, usual: int) -> frozenset[Unusual]:
    """What is unusual about the call after this usage, where so many calls a day are usual (`limit`)."""
    is_volume = usage.today + 1 > usual
    if usage.used and not is_volume:
        return _NOTHING
    found = set() if usage.used else {Unusual.FIRST_USE}
    return frozenset({*found, Unusual.VOLUME} if is_volume else found)


def unusual_kinds(value: object, field: str) -> tuple[Unusual, ...]:
    """A list of kinds, as rules name them. Raises `RuleError`."""
    found = texts(value, field)
    for position, kind in enumerate(found):
        if kind not in list(Unusual):
            raise RuleError(f"{field}[{position}]", f"must be one of {', '.join(Unusual)}.")
    return tuple(map(Unusual, found))


def in_order(kinds: Iterable[str]) -> list[str]:
    """Their names, always in the same order."""
    wanted = set(kinds)
    return [kind.value for kind in Unusual if kind in wanted]
