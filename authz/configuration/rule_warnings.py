"""Rules that name something that does not exist, as warnings for the file's author."""

from collections.abc import Callable, Mapping, Sequence
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


Parts = Mapping[str, Sequence[Unmatched]]


def unmatched_now() -> Parts:
    """By name, what each rule names in vain, as it is in this transaction."""
    with configuration_cache.bypassed():
        return rule_check.check(simulation.current().values())


def rule_warnings(document: Document, known: Parts) -> list[RuleWarning]:
    """Of the file's rules, and of others where the file made it so: one that removes a server breaks rules that it
    leaves out. `known` is what was so before it.
    """
    found = []
    for name, parts in unmatched_now().items():
        if _index(document, name) is not None or _has_more(parts, known.get(name, ())):
            told = tuple((_line(document, name, part.field), part) for part in parts)
            found.append(RuleWarning(rule=name, parts=told))
    return found


def _has_more(parts: Sequence[Unmatched], known: Sequence[Unmatched]) -> bool:
    """Whether something is named in vain now that was not before. What is suggested instead is no difference."""
    return bool({(part.field, part.value) for part in parts} - {(part.field, part.value) for part in known})


def _index(document: Document, name: str) -> int | None:
    given = document.data.get("rules")
    items = given if isinstance(given, list) else ()
    return next((at for at, item in enumerate(items) if isinstance(item, dict) and item.get("name") == name), None)


def _line(document: Document, name: str, field: str) -> int:
    index = _index(document, name)
    return 0 if index is None else document.line(("rules", index, *_path(field)))


def _path(field: str) -> Path:
    parts = field.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdecimal() else part for part in parts)
