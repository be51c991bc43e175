"""The policy engine: pure. `decide` answers an ask by rules; everything here is a function of its arguments.

    rules = policy.compile(policy.Rule.from_mapping(entry) for entry in data)
    decision = policy.decide(ask, rules, now, approvals)

No Django, no I/O, no clock: models, approvals and requests stand beside it, not in it.
"""

from authz.policy.approvals import Approval
from authz.policy.ask import IDENTITY_SCOPES, Ask, ClientKind, ClientStatus, part_scopes
from authz.policy.compiled import RuleSet, compile
from authz.policy.conditions import Conditions, Hours
from authz.policy.decide import Decision, DecisionReason, Outcome, StepUp, decide, decide_sign_in
from authz.policy.parsing import RuleError
from authz.policy.rules import Effect, Rule

__all__ = [
    "IDENTITY_SCOPES",
    "Approval",
    "Ask",
    "ClientKind",
    "ClientStatus",
    "Conditions",
    "Decision",
    "DecisionReason",
    "Effect",
    "Hours",
    "Outcome",
    "Rule",
    "RuleError",
    "RuleSet",
    "StepUp",
    "compile",
    "decide",
    "decide_sign_in",
    "part_scopes",
]
