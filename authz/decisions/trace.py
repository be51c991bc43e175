"""What the audit keeps of a decision, so that it can be replayed (authz/decisions/past_decisions.py)."""

from authz.decisions.rules import cached_rules
from authz.policy import Decision, facts_of


def traced(decision: Decision) -> dict[str, object]:
    """The rules and their version, and the question."""
    found: dict[str, object] = {"rules": decision.rules, "ruleset": decision.ruleset}
    if decision.approvals:
        found["approvals"] = decision.approvals
    if decision.question is not None:
        found["ask"] = facts_of(decision.question, cached_rules().groups, cached_rules().members)
    return found


def facts_of_refusal(decision: Decision) -> dict[str, object]:
    """The same for a refusal, whose event has no resource of its own."""
    return {**traced(decision), "resource": decision.question.resource if decision.question else ""}
