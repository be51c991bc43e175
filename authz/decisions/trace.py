"""What the audit keeps of a decision, so that it can be replayed (authz/decisions/past_decisions.py)."""

from authz import resources
from authz.decisions.rules import cached_rules
from authz.policy import AccessQuestion, Decision, RuleSet, facts_of


def traced(decision: Decision) -> dict[str, object]:
    """The rules and their version, and the question."""
    found: dict[str, object] = {"rules": decision.rules, "ruleset": decision.ruleset}
    if decision.approvals:
        found["approvals"] = decision.approvals
    if decision.question is not None:
        rules = cached_rules()
        found["ask"] = facts_of(decision.question, rules.groups, _kept_arguments(decision.question, rules))
    return found


def _kept_arguments(question: AccessQuestion, rules: RuleSet) -> frozenset[str]:
    """The members of a call's arguments that rules name and that the audit may have (`shown_arguments`). The others
    are in no event, so a replay takes them as not known."""
    server = resources.cached().get(question.resource) if question.tool and rules.members else None
    return rules.members & set(resources.shown_arguments_of(server)) if server else frozenset()


def facts_of_refusal(decision: Decision) -> dict[str, object]:
    """The same for a refusal, whose event has no resource of its own."""
    return {**traced(decision), "resource": decision.question.resource if decision.question else ""}
