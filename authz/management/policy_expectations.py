"""`manage.py policy test`: what an organisation expects of its rules, in a file that its CI checks.

Each expectation is a request and its answer. The requests are decided as real ones are, by the rules of the server
or of a file that is not applied yet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError

from authz import decisions
from authz.configuration import ConfigurationError, all_sections
from authz.configuration.document import Document, read
from authz.configuration.validation import Mistakes, nearest, unknown_name
from authz.management.configuration_files import read_file, refusal
from authz.management.policy_input import query_of
from authz.policy import Explanation, Outcome, RuleError, RuleSet, explain, value_kinds
from authz.policy.parsing import parse_time

# As in rules, what a decision calls "pending" is "require_approval".
ANSWERS = {"allow": Outcome.ALLOW, "deny": Outcome.DENY, "require_approval": Outcome.PENDING}
_REQUIRED = ("client", "resource", "expect")
_TEXTS = frozenset({"name", "client", "user", "resource", "grant_type", "address", "expect", "tool", "unusual"})
_LISTS = frozenset({"scopes", "granted", "through"})
_KNOWN = _TEXTS | _LISTS | {"at", "arguments"}
_ASKED = ("client", "user", "resource", "grant_type", "scopes", "tool", "arguments", "unusual", "through")


@dataclass(frozen=True, slots=True)
class Tested:
    """One expectation, and what became of it; `problem` is "" where it holds."""

    name: str
    line: int
    problem: str
    explanation: Explanation

    def as_item(self) -> dict[str, Any]:
        decision = self.explanation.decision
        return {
            "name": self.name,
            "line": self.line,
            "holds": not self.problem,
            "problem": self.problem,
            "effect": str(decision.effect),
            "scopes": list(decision.scopes),
            "rules": [rule.name for rule in self.explanation.rules if not rule.mismatches],
        }


def outcomes(file: str, rules: RuleSet, now: float) -> list[Tested]:
    """Raises `CommandError` for a file that cannot be meant, with all its mistakes."""
    try:
        document = read(read_file(file))
        _require_meant(document)
        return [_outcome(item, index, document, rules, now) for index, item in enumerate(document.data["expectations"])]
    except ConfigurationError as error:
        raise refusal(file, error) from None


def _require_meant(document: Document) -> None:
    """Raises `ConfigurationError`."""
    mistakes = Mistakes(document)
    if document.data and document.data.keys() <= {section.KEY for section in all_sections()}:
        told = "is a configuration file, and this takes one with `expectations:`; for its rules name it after --rules"
        raise ConfigurationError((), told)
    if not document.data:
        raise ConfigurationError((), "has no `expectations:`")
    for key in document.data:
        if key != "expectations":
            mistakes.add((key,), unknown_name(key, ["expectations"], "key"))
    given = document.data.get("expectations")
    # A file that expects nothing would hold whatever the rules say.
    if not isinstance(given, list) or not given:
        found = value_kinds.not_this(given) if given != [] else ", and it is empty"
        mistakes.add(("expectations",), f"must be a list of one expectation at least{found}")
    for index, item in enumerate(given if isinstance(given, list) else ()):
        for path, problem in _problems(item):
            mistakes.add(("expectations", index, *path), problem)
    mistakes.require_none()


def _problems(item: object) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(item, dict):
        yield (), value_kinds.refusal("a mapping", item)
        return
    for key, value in item.items():
        if key not in _KNOWN:
            yield (key,), unknown_name(key, _KNOWN, "key")
        elif key in _TEXTS and not isinstance(value, str):
            yield (key,), value_kinds.refusal("text", value)
        elif key in _LISTS and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            problem = "must be a list of names" if isinstance(value, list) else value_kinds.refusal("a list", value)
            yield (key,), problem
    if "arguments" in item and (not isinstance(item["arguments"], dict) or "tool" not in item):
        yield ("arguments",), "must be a mapping, beside a tool"
    for key in _REQUIRED:
        if key not in item and not any(nearest(other, _KNOWN).startswith(f"; did you mean {key}") for other in item):
            yield (), f"{key} is required"
    answer = item.get("expect")
    if isinstance(answer, str) and answer not in ANSWERS:
        yield ("expect",), f"{answer!r} is none of {', '.join(ANSWERS)}{nearest(answer, ANSWERS)}"
    try:
        _moment(item, 0)
    except RuleError as error:
        yield ("at",), error.problem


def _moment(item: Mapping[str, Any], now: float) -> float:
    given = item.get("at")
    if given is None or isinstance(given, datetime):
        return now if given is None else given.timestamp()
    return parse_time(given, "at", end_of_day=False)


def _outcome(item: Mapping[str, Any], index: int, document: Document, rules: RuleSet, now: float) -> Tested:
    moment, line = _moment(item, now), document.line(("expectations", index))
    asked = {name: item.get(name) for name in _ASKED}
    try:
        question = query_of({**asked, "address": item.get("address", "")}, moment, rules)
    except CommandError as error:
        raise ConfigurationError(("expectations", index), str(error), line) from None
    question = decisions.answered(question, rules, moment)
    found = explain(question, rules, moment, decisions.approvals_for(question, rules, moment))
    name = item.get("name") or f"{item['client']} for {item.get('user') or 'itself'} at {item['resource']}"
    return Tested(name, line, _difference(item, found), found)


def _difference(item: Mapping[str, Any], found: Explanation) -> str:
    decision = found.decision
    if decision.effect != ANSWERS[item["expect"]]:
        answer = next(name for name, outcome in ANSWERS.items() if outcome == decision.effect)
        by = ", ".join(f"“{rule.name}”" for rule in found.rules if not rule.mismatches) or "no rule"
        return f"expected {item['expect']}, and it is {answer} (by {by})"
    granted = item.get("granted")
    if granted is not None and set(granted) != set(decision.scopes):
        return f"expected the scopes {' '.join(granted) or 'none'}, and it is {' '.join(decision.scopes) or 'none'}"
    return ""
