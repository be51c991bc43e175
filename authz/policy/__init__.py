"""The policy engine: pure. `decide` answers a question by rules; everything here is a function of its arguments.

    rules = policy.compile(policy.Rule.from_mapping(entry) for entry in data)
    decision = policy.decide(question, rules, now, approvals)

No Django, no I/O, no clock: models, approvals and requests stand beside it, not in it.
"""

from authz.policy.approvals import Approval
from authz.policy.approvers import Approvers
from authz.policy.compare import ChangedDecision, Direction, compare
from authz.policy.compiled import RuleSet, compile
from authz.policy.conditions import Conditions
from authz.policy.decide import decide, decide_sign_in
from authz.policy.decision import Decision, DecisionReason, Outcome, StepUp
from authz.policy.explain import Explanation, Mismatch, Role, RuleStatus, RuleTrace, explain, rule_status
from authz.policy.facts import facts_of, question_from
from authz.policy.hours import Hours
from authz.policy.parsing import RuleError
from authz.policy.past_calls import without_networks
from authz.policy.question import AccessQuestion, Actor, ClientKind, ClientStatus
from authz.policy.reach import Agent, Person, Reach, Server, reach
from authz.policy.reach_through import Connected, Passing, Through, ThroughOthers, through
from authz.policy.rules import Effect, Rule
from authz.policy.scope_trace import ScopeTrace, scope_sentence
from authz.policy.sentences import sentence
from authz.policy.tool_calls import ToolCall
from authz.policy.unusual import Unusual

__all__ = [
    "AccessQuestion",
    "Actor",
    "Agent",
    "Approval",
    "Approvers",
    "ChangedDecision",
    "ClientKind",
    "ClientStatus",
    "Conditions",
    "Connected",
    "Decision",
    "DecisionReason",
    "Direction",
    "Effect",
    "Explanation",
    "Hours",
    "Mismatch",
    "Outcome",
    "Passing",
    "Person",
    "Reach",
    "Role",
    "Rule",
    "RuleError",
    "RuleSet",
    "RuleStatus",
    "RuleTrace",
    "ScopeTrace",
    "Server",
    "StepUp",
    "Through",
    "ThroughOthers",
    "ToolCall",
    "Unusual",
    "compare",
    "compile",
    "decide",
    "decide_sign_in",
    "explain",
    "facts_of",
    "question_from",
    "reach",
    "rule_status",
    "scope_sentence",
    "sentence",
    "through",
    "without_networks",
]
