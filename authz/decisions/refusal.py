"""What a request gets that the policy decides on: the decision, or a refusal."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from authz.approvals import access_requests, rule_requests
from authz.database.transactions import in_unit_of_work, unit_of_work
from authz.decisions.evaluation import evaluate, evaluate_either
from authz.decisions.trace import facts_of_refusal
from authz.models import AccessRequest
from authz.policy import AccessQuestion, Decision, Outcome
from authz.protocol.errors import OAuthError, Reason
from authz.resources import cached, scopes_of


def require(question: AccessQuestion, now: float) -> Decision:
    """The decision, if it allows something. Raises OAuthError otherwise.

    evaluate → Decision · open an access request for what waits → AccessRequest · refuse → OAuthError
    """
    decision = evaluate_either(question, now)
    if decision.effect is Outcome.ALLOW:
        return decision
    raise refusal(question, decision, now)


def refusal(question: AccessQuestion, decision: Decision, now: float) -> OAuthError:
    """The answer to a decision that allows nothing. It opens an access request for what waits for an approval."""
    facts = facts_of_refusal(decision)
    if decision.effect is Outcome.PENDING:
        return access_requests.pending(open_request(question, decision), because=decision.reason, facts=facts)
    return OAuthError(_reason(question, now), detail=decision.reason, facts=facts)


def open_request(
    question: AccessQuestion, decision: Decision, call: Mapping[str, object] | None = None, **more: str
) -> AccessRequest:
    """The access request for what waits in a decision. A question repeated leads to the same one.

    `call` and `more`: `access_requests.ask_for`. Raises OAuthError where too many are open.
    """
    if in_unit_of_work():
        return access_requests.ask_for(question, decision, datetime.now(UTC), call, **more)
    with unit_of_work():
        return access_requests.ask_for(question, decision, datetime.now(UTC), call, **more)


def open_rule_request(question: AccessQuestion, decision: Decision, **more: str) -> AccessRequest:
    """The request for a rule that would allow what a decision denies; one a question. Raises OAuthError."""
    with unit_of_work():
        return rule_requests.ask_for(question, decision, datetime.now(UTC), **more)


def _reason(question: AccessQuestion, now: float) -> Reason:
    """At the token endpoint a denied person and an unknown one get the same answer (invariant 8), so a refusal that
    concerns a person is always `invalid_grant`. One that concerns only a client says so."""
    if question.subject is not None:
        return Reason.SUBJECT_DENIED
    # > invalid_scope: The requested scope is invalid, unknown, malformed, or exceeds the scope granted (RFC 6749 §5.2).
    # SDKs throw a client's registration away at `unauthorized_client`, so that is for the client alone.
    return Reason.SCOPE_DENIED_BY_POLICY if _may_have_other_scopes(question, now) else Reason.DENIED_BY_POLICY


def _may_have_other_scopes(question: AccessQuestion, now: float) -> bool:
    """Whether a machine that gets none of what it asked for would get anything at that resource."""
    names = set(question.scope_names())
    for resource in cached().values():
        if resource.identifier == question.resource:
            others = tuple(
                (name, scope.sensitivity) for name, scope in scopes_of(resource).items() if name not in names
            )
            return bool(others) and evaluate(replace(question, scopes=others), now).effect is not Outcome.DENY
    return False
