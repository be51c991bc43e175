"""A model's answer as statements, each with the events that it names (pure).

What is checked: the events exist, and were read in this conversation. Whether they show what is said, a human judges,
which is why each is linked.
"""

import re
from collections.abc import Set
from dataclasses import dataclass

from authz.protocol.display_names import visible

MAXIMUM_STATEMENTS = 50
LONGEST_STATEMENT = 1000
_NUMBERS = re.compile(r"\s*\[\s*(#\d{1,18}(?:\s*,\s*#\d{1,18})*)\s*\]\s*([.!]?)\s*")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s+")


@dataclass(frozen=True, slots=True)
class Statement:
    """`events`: the numbers that it names, in order. It is supported if it names one, and none that was not read."""

    text: str
    events: tuple[int, ...]
    is_supported: bool


def statements(answer: str, read: Set[int]) -> list[Statement]:
    """Each line of an answer that says something. `read`: the numbers of the events that the model has read."""
    found = [_statement(line, read) for line in answer.splitlines()]
    return [one for one in found if one.text][:MAXIMUM_STATEMENTS]


def _statement(line: str, read: Set[int]) -> Statement:
    numbers = [int(number) for match in _NUMBERS.finditer(line) for number in re.findall(r"\d+", match[1])]
    named = tuple(dict.fromkeys(numbers))
    text = visible(_BULLET.sub("", _NUMBERS.sub(lambda match: f"{match[2]} ", line)))
    is_supported = bool(named) and all(number in read for number in named)
    return Statement(text[:LONGEST_STATEMENT], named, is_supported)
