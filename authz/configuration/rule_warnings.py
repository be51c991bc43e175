"""Rules that name something that does not exist, as warnings for the file's author."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from authz.configuration.document import Document, Path
from authz.database import configuration_cache
from authz.decisions import rule_check, simulation
from authz.policy.unmatched import Unmatched, matches_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWarning:
    """One rule that names something in vain. `parts` are (line, what); line 0 where the rule is not in the file."""

    rule: str
    parts: tuple[tuple[int, Unmatched], ...]

    @property
    def matches_nothing(self) -> bool:
        return matches_nothing(part for _, part in self.parts)

    def lines(self) -> list[str]:
        """For people: a line for each part, and one more where the rule has no effect at all."""
        found = [
            f"! {f'line {line}: ' if line else ''}rule “{self.rule}”: {rule_check.sentence(part)}"
            for line, part in self.parts
        ]
        return [*found, f"! rule “{self.rule}” matches nothing."] if self.matches_nothing else found

    def as_item(self) -> dict[str, Any]:
        """For programs."""
        return {
            "rule": self.rule,
            "matches_nothing": self.matches_nothing,
            "parts": [{"line": line, **rule_check.as_item(part)} for line, part in self.parts],
        }


Warn = Callable[[Sequence[RuleWarning]], None]
"""Told before a file is committed which rules name something in vain. It raises to have all of it undone."""


def rule_warnings(document: Document) -> list[RuleWarning]:
    """Of all rules as they are in this transaction: a file that removes a server may break rules that it leaves out."""
    with configuration_cache.bypassed():
        found = rule_check.check(simulation.current().values())
    return [
        RuleWarning(rule=name, parts=tuple((_line(document, name, part.field), part) for part in parts))
        for name, parts in found.items()
    ]


def _line(document: Document, name: str, field: str) -> int:
    given = document.data.get("rules")
    for index, item in enumerate(given if isinstance(given, list) else ()):
        if isinstance(item, dict) and item.get("name") == name:
            return document.line(("rules", index, *_path(field)))
    return 0


def _path(field: str) -> Path:
    parts = field.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdecimal() else part for part in parts)
