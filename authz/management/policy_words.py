"""Words in which `manage.py policy` answers."""

import json
from collections.abc import Iterator, Mapping, Sequence

from authz.decisions import made_up_chains, rule_check, rule_history, simulation
from authz.decisions.made_up_chains import Hop
from authz.models import Rule as RuleRow
from authz.models import RuleChange
from authz.policy import Explanation, Reach, Role, RuleStatus, Through, scope_sentence, sentence
from authz.policy.unmatched import Unmatched, matches_nothing

# Names in a line.
SHOWN = 10
# How a line of a rule begins; the words stand in a column.
MARKS = {
    Role.PERMITS: "+ permits",
    Role.DENIES: "- denies",
    Role.REQUIRES_APPROVAL: "? approval",
    Role.STEP_UP: "^ step-up",
    Role.NOTHING: "  no match",
}


def decided(found: Explanation, *, asks_all: bool = False) -> Iterator[str]:
    """The decision, and which rule decided on each scope. `asks_all`: whether the request named no scopes."""
    decision = found.decision
    asked = " (asked: all scopes)" if asks_all else ""
    yield f"{decision.effect.upper()}: {decision.reason.replace('_', ' ')}{asked}"
    for scope in found.scopes:
        yield f"  {scope.name}: {scope_sentence(scope)}"
    if decision.approvals:
        yield f"  by the answers to the access requests {', '.join(decision.approvals)}"
    if decision.lifetime is not None:
        yield f"  for at most {decision.lifetime} seconds a token"


def explained(found: Explanation, *, asks_all: bool = False) -> Iterator[str]:
    """The same, and each rule with what it does and the fields that it misses."""
    yield from decided(found, asks_all=asks_all)
    for rule in found.rules:
        out = "" if rule.status is RuleStatus.IN_FORCE else f" ({rule.status})"
        yield f"{MARKS[rule.role]:10}  {rule.name}{out}: {rule.sentence}"
        for missed in rule.mismatches:
            if missed.field != "enabled":
                yield f"      {missed.field}: wants {missed.wanted}; the request has {missed.asked}"


def passed_on(hops: Sequence[Hop], resource: str) -> Iterator[str]:
    """Each hop before the last, and what of it can get to the end."""
    for hop in hops:
        at = f" at {hop.resource}" if hop.resource else ""
        by = f" (by {', '.join(f'“{name}”' for name in hop.decision.rules)})" if hop.decision and hop.is_allowed else ""
        told = hop.problem or (" ".join(hop.decision.scopes) if hop.decision and hop.is_allowed else "not allowed")
        yield f"{hop.client_id}{at}: {told}{by}"
    if hops:
        yield f"passed on to {resource}: {' '.join(sorted(made_up_chains.passed_on(hops, resource))) or 'nothing'}"


def where(found: Reach | simulation.Shift) -> str:
    """The MCP server, and the other authorization server that it stands behind, if it does."""
    behind = f" behind {found.authorization_server}" if found.authorization_server else ""
    return f"{found.resource}{behind}"


def by_way_of(found: Through) -> str:
    """The servers on the way there, each with the agent that passes it on."""
    return " → ".join(f"{hop.resource} → {hop.client_id}" for hop in found.path)


def first_names(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def in_words(row: RuleChange | RuleRow) -> str:
    return f"{row.effect}. {sentence(rule_history.as_policy_rule(row))}"


def warnings(found: Mapping[str, Sequence[Unmatched]]) -> list[str]:
    """What rules name in vain: a line for each part, and one more for a rule that has no effect at all."""
    lines = []
    for rule, parts in found.items():
        lines += [f"! rule “{rule}”: {rule_check.sentence(part)}" for part in parts]
        lines += [f"! rule “{rule}” matches nothing."] if matches_nothing(parts) else []
    return lines or ["Every rule that is switched on names what exists."]


def warnings_as_json(found: Mapping[str, Sequence[Unmatched]]) -> str:
    """The same for programs, as `GET /api/v1/policy/warnings` has it."""
    items = [
        {"rule": rule, "matches_nothing": matches_nothing(parts), "parts": [rule_check.as_item(part) for part in parts]}
        for rule, parts in found.items()
    ]
    return json.dumps({"items": items}, ensure_ascii=False, indent=2)
