"""Asking the organisation's policy, the same question of the same function from every place (authz/policy/)."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from django.db.models import Subquery

from authz.approvals import access_requests
from authz.database import configuration_cache
from authz.database.transactions import in_unit_of_work, unit_of_work
from authz.decisions import rule_history
from authz.models import AccessRequest, Client, ProtectedResource, Rule, RuleChange
from authz.policy import (
    AccessQuestion,
    Approval,
    ClientKind,
    ClientStatus,
    Decision,
    Effect,
    Outcome,
    RuleSet,
    decide,
    decide_sign_in,
    facts_of,
)
from authz.policy import Rule as PolicyRule
from authz.policy import compile as compile_rules
from authz.protocol.errors import OAuthError, Reason
from authz.resources import cached, scopes_of
from authz.sign_in.sign_in import SignIn
from authz.telemetry import metrics, tracing


def cached_rules() -> RuleSet:
    """All rules, compiled once a generation; those that are switched off are in it for `explain` alone."""
    return configuration_cache.cached("rules", _load)


def _load() -> RuleSet:
    # The number comes with the rules in one statement, so that it is theirs whoever writes meanwhile.
    newest = RuleChange.objects.order_by("-id").values("id")[:1]
    rows = list(Rule.objects.only("name", "effect", "enabled", "definition").annotate(newest=Subquery(newest)))
    number = rows[0].newest if rows else rule_history.number()
    return compile_rules(rule_history.readable(rows), number=number or 0)


def access_question(
    *,
    client: Client,
    sign_in: SignIn | None,
    grant_type: str,
    resource: ProtectedResource | None,
    scopes: Sequence[str],
    refresh: bool = False,
    address: str = "",
) -> AccessQuestion:
    """The question: may this client reach this resource with these scopes?

    sign_in  that of the person whom the client asks for; None where it asks for itself.
    address  the IP address that the request came from; "" where it doesn't matter.
    """
    known = scopes_of(resource) if resource else {}
    return AccessQuestion(
        client_id=client.client_id,
        client_status=ClientStatus(client.status),
        client_kind=ClientKind(client.kind),
        client_host=client.host,
        client_tags=tuple(client.tags),
        client_owner=client.owner.username if client.owner else "",
        client_environment=client.environment,
        client_until=client.approved_until.timestamp() if client.approved_until else None,
        subject=sign_in.user.username if sign_in else None,
        groups=sign_in.groups if sign_in else (),
        grant_type=grant_type,
        refresh=refresh,
        resource=resource.identifier if resource else "",
        scopes=tuple((name, known[name].sensitivity if name in known else "") for name in scopes),
        acr=(sign_in.acr or None) if sign_in else None,
        amr=sign_in.amr if sign_in else (),
        auth_time=sign_in.auth_time if sign_in else None,
        address=address or None,
    )


def evaluate(question: AccessQuestion, now: float) -> Decision:
    """The decision on a question for a protected resource."""
    return _judge(question, cached_rules(), now)


def evaluate_sign_in(question: AccessQuestion, now: float) -> Decision:
    """The decision on identity scopes, which are this server's own."""
    return decide_sign_in(question, cached_rules(), now, approvals_for(question, cached_rules(), now))


def _judge(question: AccessQuestion, rules: RuleSet, now: float) -> Decision:
    began = time.perf_counter()
    with tracing.span("decide"):
        decision = decide(question, rules, now)
    metrics.POLICY_SECONDS.observe(time.perf_counter() - began)
    # Approvals only lift a wait, so they are read only where something waits: everybody else pays nothing for them.
    if decision.effect is not Outcome.PENDING:
        return decision
    return decide(question, rules, now, approvals_for(question, rules, now))


def approvals_for(question: AccessQuestion, rules: RuleSet, now: float) -> tuple[Approval, ...]:
    """The live answers of humans that may matter to a question; none is read where no rule asks for any."""
    return access_requests.approvals_for(question, now) if rules.effects[Effect.REQUIRE_APPROVAL] else ()


def require(question: AccessQuestion, now: float) -> Decision:
    """The decision, if it allows anything; a refusal otherwise. Without a resource it is one on a sign-in.

    At the token endpoint a denied person and an unknown one get the same answer (law 8), so a refusal that concerns a
    person is always `invalid_grant`; one that concerns only a client says so.
    """
    decision = evaluate(question, now) if question.resource else evaluate_sign_in(question, now)
    if decision.effect is Outcome.ALLOW:
        return decision
    raise refusal(question, decision, now)


def refusal(question: AccessQuestion, decision: Decision, now: float) -> OAuthError:
    """The wire's answer to a decision that allows nothing. One that waits becomes an access request."""
    if decision.effect is Outcome.PENDING:
        request = open_request(question, decision)
        return access_requests.pending(request, because=decision.reason, facts=facts_of_refusal(decision))
    if question.subject is not None:
        reason = Reason.SUBJECT_DENIED
    elif _may_have_other_scopes(question, now):
        # > invalid_scope: The requested scope is invalid, unknown, malformed, or exceeds the scope granted (RFC 6749
        # > §5.2). SDKs throw a client's registration away at `unauthorized_client`, so that is for the client alone.
        reason = Reason.SCOPE_DENIED_BY_POLICY
    else:
        reason = Reason.DENIED_BY_POLICY
    return OAuthError(reason, detail=decision.reason, facts=facts_of_refusal(decision))


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


def traced(decision: Decision) -> dict[str, object]:
    """What the audit keeps of a decision: the rules and their version, and the question, so that it can be replayed."""
    found: dict[str, object] = {"rules": decision.rules, "ruleset": decision.ruleset}
    if decision.approvals:
        found["approvals"] = decision.approvals
    if decision.question is not None:
        found["ask"] = facts_of(decision.question, cached_rules().groups)
    return found


def facts_of_refusal(decision: Decision) -> dict[str, object]:
    """The same for a refusal, whose event has no resource of its own."""
    return {**traced(decision), "resource": decision.question.resource if decision.question else ""}


def open_request(question: AccessQuestion, decision: Decision) -> AccessRequest:
    """The access request of a decision that waits; the same one however often it is asked."""
    if in_unit_of_work():
        return access_requests.ask_for(question, decision, datetime.now(UTC))
    with unit_of_work():
        return access_requests.ask_for(question, decision, datetime.now(UTC))


def as_old_as(auth_time: float, *, then: float, now: float) -> float:
    """The `auth_time` of a sign-in that is now as old as it was `then`; 0 seconds old where it came later.

    An authorization request's time conditions are judged at its arrival, all else as of now.
    """
    return min(now, auth_time + max(0.0, now - int(then)))


def still_allowed(question: AccessQuestion, *, issued_at: float, now: float) -> bool:
    """Whether what was issued at `issued_at` would still be allowed as a whole, for introspection.

    The sign-in is as old as it was then, and where the request came from is not asked again: the resource server that
    introspects stands elsewhere. All else (rules, groups, status, approvals) is judged as of now.
    """
    aged = question.auth_time + (now - issued_at) if question.auth_time is not None else None
    at_issue = replace(question, auth_time=aged)
    if question.resource:
        decision = _judge(at_issue, standing_rules(), now)
    else:
        decision = decide_sign_in(at_issue, standing_rules(), now, approvals_for(at_issue, standing_rules(), now))
    # What is to be had beside a wait counts: each scope of a token is judged by itself.
    return set(at_issue.scope_names()) <= set(decision.scopes)


def standing_rules() -> RuleSet:
    """The rules without their network conditions: an allow holds wherever it is used, a deny for some networks does not
    reach back to what was issued elsewhere."""
    return configuration_cache.cached("standing rules", _load_standing)


def _load_standing() -> RuleSet:
    standing = []
    for row in Rule.objects.filter(enabled=True):
        definition = dict(row.definition)
        conditions = dict(definition.get("conditions") or {})
        if conditions.pop("networks", None) and row.effect != Rule.Effect.ALLOW:
            continue
        if "conditions" in definition:
            definition["conditions"] = conditions
        standing.append(PolicyRule.from_mapping({"name": row.name, "effect": row.effect, **definition}))
    return compile_rules(standing)
