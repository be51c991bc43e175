"""Decisions as the API and `policy … --json` show them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from authz.decisions import past_decisions, recorded_questions, rule_history, simulation
from authz.models import RuleChange
from authz.policy import Explanation, Reach, RuleError, Through, ThroughOthers, scope_sentence, sentence

# Rows of one answer; `more` says whether there are others.
MAXIMUM_ROWS = 1000
MAXIMUM_RULES = 1000


def explanation_as_item(found: Explanation) -> dict[str, Any]:
    """The explanation as JSON: decision, scopes, and each rule with the fields that do not match."""
    decision = found.decision
    return {
        "effect": decision.effect.value,
        "reason": decision.reason.value,
        "scopes": list(decision.scopes),
        "waiting": list(decision.waiting),
        "lifetime": decision.lifetime,
        "rules": list(decision.rules),
        "ruleset": decision.ruleset,
        "by_scope": [{**asdict(scope), "sentence": scope_sentence(scope)} for scope in found.scopes],
        "by_rule": [
            {
                "name": rule.name,
                "effect": rule.effect.value,
                "role": rule.role.value,
                "sentence": rule.sentence,
                "standing": rule.status.value,
                "matches": not rule.mismatches,
                "mismatches": [
                    {"field": missed.field, "wanted": missed.wanted, "asked": missed.asked}
                    for missed in rule.mismatches
                ],
            }
            for rule in found.rules[:MAXIMUM_RULES]
        ],
    }


def past_as_item(found: past_decisions.PastDecision) -> dict[str, Any]:
    """A decision repeated; `today` is what today's rules answer."""
    return {
        "number": found.number,
        "notes": list(found.notes),
        "explanation": explanation_as_item(found.explanation),
        "today": explanation_as_item(found.today) if found.today is not None else None,
    }


def reach_as_item(row: Reach) -> dict[str, Any]:
    return {
        # The list may be long: it shows the first ones, and the count says how many there are.
        "clients": list(row.clients[:MAXIMUM_ROWS]),
        "clients_count": len(row.clients),
        "subjects": list(row.subjects[:MAXIMUM_ROWS]),
        "subjects_count": len(row.subjects),
        "resource": row.resource,
        # The issuer of the other authorization server; "" for this server's own resources.
        "authorization_server": row.authorization_server,
        "grant_types": list(row.grant_types),
        "scopes": list(row.scopes),
        "waiting": list(row.waiting),
        "conditional": list(row.conditional),
    }


def through_as_item(row: Through) -> dict[str, Any]:
    """`path`: the servers on the way there, each with the client that passes on what it was given for it."""
    path = [{"resource": hop.resource, "client_id": hop.client_id, "rules": list(hop.rules)} for hop in row.path]
    return {**reach_as_item(row.reach), "path": path}


def reaches_as_item(rows: Sequence[Reach], others: ThroughOthers) -> dict[str, Any]:
    return {
        "reach": [reach_as_item(row) for row in rows[:MAXIMUM_ROWS]],
        "more": len(rows) > MAXIMUM_ROWS,
        "through": [through_as_item(row) for row in others.rows[:MAXIMUM_ROWS]],
        "more_through": len(others.rows) > MAXIMUM_ROWS or not others.is_complete,
    }


def shifts_as_item(found: Iterable[simulation.Shift]) -> dict[str, Any]:
    shifts = iter(found)
    shown = [{**asdict(shift), "gains": shift.gains} for shift in islice(shifts, MAXIMUM_ROWS)]
    rest = list(shifts)
    gained = sum(shift["gains"] for shift in shown) + sum(shift.gains for shift in rest)
    total = len(shown) + len(rest)
    return {"gained": gained, "lost": total - gained, "shifts": shown, "more": bool(rest)}


def rule_change_as_item(row: RuleChange) -> dict[str, Any]:
    try:
        said = sentence(rule_history.as_policy_rule(row))
    except RuleError as error:
        said = f"This rule cannot be read: {error}"
    return {
        "number": row.pk,
        "time": row.time.isoformat(),
        "action": row.action,
        "rule": row.rule,
        "name": row.name,
        "author": row.author,
        "how": row.how,
        "sentence": said,
        "item": {"name": row.name, "effect": row.effect, "enabled": row.enabled, **row.definition},
    }


def effect_as_item(effect: recorded_questions.Impact) -> dict[str, Any]:
    groups = [
        {**asdict(group), "direction": group.direction.value, "last": group.last.isoformat()}
        for group in effect.groups[:MAXIMUM_ROWS]
    ]
    return {
        "looked_at": effect.looked_at,
        "is_complete": effect.is_complete,
        "asks": effect.questions,
        "calls": effect.calls,
        "changed": effect.changed,
        "unknown": effect.unknown,
        "unrecorded": list(effect.unrecorded),
        "groups": groups,
        "more": len(effect.groups) > MAXIMUM_ROWS,
    }
