"""The values of a decision: its effect, its reason, and what it grants."""

from dataclasses import dataclass, field
from enum import StrEnum

from authz.policy.question import AccessQuestion


class Outcome(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    PENDING = "pending"


class DecisionReason(StrEnum):
    """Why a decision came out as it did; closed."""

    ALLOWED = "allowed"
    NARROWED = "narrowed"
    APPROVAL_NEEDED = "approval_needed"
    APPROVAL_DECLINED = "approval_declined"
    DENIED_BY_RULE = "denied_by_rule"
    NO_RULE_ALLOWS = "no_rule_allows"
    STEP_UP_NEEDED = "step_up_needed"
    CLIENT_NOT_APPROVED = "client_not_approved"
    NOTHING_ASKED = "nothing_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUp:
    """The sign-in that would have made `rule` permit more (RFC 9470 §3): all of it is needed; acr are alternatives."""

    rule: str
    max_auth_age: int | None
    acr: tuple[str, ...]
    amr: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to one question.

    scopes        granted, in the request's order. Beside a wait: those that need no approval, which a question for
                  them alone would get at once.
    waiting       scopes that wait for an approval, in the request's order; empty unless the effect is pending.
    lifetime      seconds that what is issued may live at most; None if no rule says so. Nothing outlives the approval
                  or the rule that it rests on, nor the approval of its client.
    proof_of_possession   whether a rule that permits wants what is issued to be bound to a key that the client shows.
    rules         names of the rules that made it: those that permitted, or that made it wait, or that denied.
    narrowed_by   names of the denies that took scopes away, where they aren't why the question was refused.
    approvals     ids of the approvals it rests on, or that declined it.
    step_up       set whenever a better sign-in could get more, also beside a narrowed allow.
    ruleset       the version of the rules.
    question      what it answers; not part of the answer, so equal answers to two questions are equal.
    """

    effect: Outcome
    reason: DecisionReason
    scopes: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    lifetime: int | None = None
    proof_of_possession: bool = False
    rules: tuple[str, ...] = ()
    narrowed_by: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    step_up: StepUp | None = None
    ruleset: str = ""
    question: AccessQuestion | None = field(default=None, compare=False, repr=False)
