"""What `policy … --json` prints: the shapes of the API (docs/api.md)."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from authz import decisions
from authz.decisions import items, made_up_chains, past_decisions, recorded_questions, simulation, through_others
from authz.management.policy_input import hops_of, query_of, rule_ids, rules_of, scope_of, shifts_of
from authz.models import RuleChange
from authz.policy import Rule, compile, explain, reach


def _explain(options: dict[str, Any], now: float) -> Any:
    question, rules = query_of(options, now), decisions.cached_rules()
    question = decisions.answered(question, rules, now)
    found = explain(question, rules, now, decisions.approvals_for(question, rules, now))
    hops = hops_of(options, question, now)
    return items.explanation_as_item(found) | made_up_chains.as_item(hops, question.resource)


def _reach(options: dict[str, Any], now: float) -> Any:
    among, rules = scope_of(options), decisions.cached_rules()
    machines = not options["user"]
    rows = reach(rules, among.agents, among.persons, among.servers, now, machines=machines)
    others = through_others.of(among, now, machines=machines, resource=options["resource"])
    return items.reaches_as_item(rows, others)


def _simulate(options: dict[str, Any], now: float) -> Any:
    return items.shifts_as_item(shifts_of(options, now, prune=options["prune"]))


def _history(options: dict[str, Any], now: float) -> Any:
    rows = RuleChange.objects.order_by("-id")
    if options["rule"]:
        rows = rows.filter(rule__in=rule_ids(options["rule"]))
    return {"items": [items.rule_change_as_item(row) for row in rows[: options["limit"]]], "next": None}


def _diff(options: dict[str, Any], now: float) -> Any:
    """The rules as the changes of a file, and with `--days` the effect."""
    old = simulation.current()
    new = {rule.name: rule for rule in simulation.proposed(rules_of(options["file"]), prune=options["prune"])}
    differing = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    found: dict[str, Any] = {"changes": [_change(name, old.get(name), new.get(name)) for name in differing]}
    if options["days"] > 0:
        found["effect"] = items.effect_as_item(
            recorded_questions.impact(
                decisions.cached_rules(), compile(new.values()), days=options["days"], now=datetime.now(UTC)
            )
        )
    return found


def _change(name: str, before: Rule | None, after: Rule | None) -> dict[str, Any]:
    action = "created" if before is None else "removed" if after is None else "changed"
    was, becomes = before.to_mapping() if before else {}, after.to_mapping() if after else {}
    return {"section": "rules", "key": name, "action": action, "before": was, "after": becomes}


ANSWERS: Mapping[str, Callable[[dict[str, Any], float], Any]] = {
    "explain": _explain,
    "reach": _reach,
    "simulate": _simulate,
    "history": _history,
    "diff": _diff,
}


def answer(options: dict[str, Any], now: float) -> str:
    """Raises `CommandError`, as the same without `--json`."""
    return json.dumps(ANSWERS[options["action"]](options, now), indent=2)


def replayed(found: past_decisions.PastDecision) -> str:
    return json.dumps(items.past_as_item(found), indent=2)
