"""What a draft of a rule would change: all rules with it, and one request answered with and without it."""

import time
from typing import Any

from authz import decisions
from authz.console.rules.simulator import answer
from authz.database import configuration_cache
from authz.decisions import rule_history
from authz.models import Rule
from authz.policy import Rule as PolicyRule
from authz.policy import RuleError, compile


def rules_with(draft: Rule) -> list[PolicyRule]:
    """All rules as they would be with this one saved."""
    others = rule_history.readable(Rule.objects.exclude(pk=draft.pk))
    return [*others, rule_history.as_policy_rule(draft)]


def simulated(asked: dict[str, Any], draft: Rule | None) -> dict[str, Any]:
    """The answer to a request as it is now, and with a draft; without one if there is none or it changes nothing."""
    configuration_cache.begin()
    now = time.time()
    found: dict[str, Any] = {"now": answer(asked, decisions.cached_rules(), now)}
    if draft is not None:
        saved = Rule.objects.filter(pk=draft.pk).first()
        if saved is None or _shape(saved) != _shape(draft):
            found["draft"] = answer(asked, compile(rules_with(draft)), now)
            found["differs"] = _said(found["now"]) != _said(found["draft"])
    return found


def _shape(rule: Rule) -> dict[str, Any]:
    """What a rule says, however it is written down."""
    try:
        return rule_history.as_policy_rule(rule).to_mapping()
    except RuleError:
        return {}


def _said(found: dict[str, Any]) -> tuple[Any, ...]:
    """What who asks is told by an answer; not by which rules."""
    decision = found["decision"]
    return decision.effect, decision.scopes, decision.waiting, decision.lifetime, decision.step_up
