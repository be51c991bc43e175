"""Conditions that an organisation's extensions decide: `extensions: {com.example/consent: {kind: written}}`.

The engine calls no extension. What it answered to a condition stands in the question (`AccessQuestion.extensions`), put
there by authz/decisions/extension_answers.py and kept by the audit. What isn't there is not established.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from authz.policy.match import NOT_ESTABLISHED, Match
from authz.policy.parsing import RuleError
from authz.policy.value_kinds import refusal

MAX_CONDITIONS = 10
LONGEST = 2000
# What was answered, by the condition's key.
Answers = tuple[tuple[str, Match], ...]


@dataclass(frozen=True, slots=True)
class ExtensionCondition:
    """`said` is what the rule says to the extension, as canonical JSON."""

    identifier: str
    said: str

    @property
    def key(self) -> str:
        """The condition as one text: equal conditions are asked once."""
        return f"{self.identifier} {self.said}"

    def wanted(self) -> dict[str, Any]:
        """What the rule says, anew with each call."""
        found: dict[str, Any] = json.loads(self.said)
        return found

    def match(self, answers: Answers) -> Match:
        return next((match for key, match in answers if key == self.key), NOT_ESTABLISHED)


def extension_conditions(value: object, field: str) -> tuple[ExtensionCondition, ...]:
    """From their shape in YAML or JSON. Whether there is such an extension is not the engine's to know. Raises
    RuleError.
    """
    if not isinstance(value, dict):
        raise RuleError(field, f"{refusal('a mapping', value)}.")
    if len(value) > MAX_CONDITIONS:
        raise RuleError(field, f"names at most {MAX_CONDITIONS} extensions.")
    found = []
    for identifier, wanted in value.items():
        # An id has dots, which a path would take for levels: so it stands in the sentence.
        if not isinstance(identifier, str) or not isinstance(wanted, dict):
            raise RuleError(field, f"{str(identifier)[:60]} {refusal('a mapping', wanted)}.")
        found.append(ExtensionCondition(identifier, _canonical(identifier, wanted, field)))
    return tuple(found)


def _canonical(identifier: str, wanted: object, field: str) -> str:
    try:
        said = json.dumps(wanted, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        raise RuleError(field, f"{identifier[:60]} has a value that is no JSON.") from None
    if len(said) > LONGEST:
        raise RuleError(field, f"{identifier[:60]} says more than {LONGEST} characters.")
    return said


def shape(conditions: Iterable[ExtensionCondition]) -> dict[str, object]:
    """The shape that `extension_conditions` reads."""
    return {condition.identifier: condition.wanted() for condition in conditions}
