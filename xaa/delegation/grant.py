"""The exchange of an access token for one of another resource (RFC 8693 §2).

    actor · subject token · resource · circle · mapping · scope · policy · lifetime · minted · held, claimed, issued

The person, or the root agent, stays the subject; `client_id` is who exchanges; `act` names everyone on the way.
"""

from dataclasses import replace
from typing import Any

from authz import audit, decisions, resources, tokens
from authz.decisions import access_question
from authz.models import ProtectedResource
from authz.models.client import TOKEN_EXCHANGE
from authz.policy import AccessQuestion, Decision, Outcome
from authz.protocol import scopes
from authz.protocol.errors import OAuthError, harmless
from authz.registry import TokenRequest
from authz.tokens import deferrals
from xaa.delegation import actors, hops, subject_tokens
from xaa.delegation.hops import Hop
from xaa.delegation.subject_tokens import ACCESS_TOKEN, Subject
from xaa.reasons import Reason
from xaa.step_up import step_up


def redeem(request: TokenRequest) -> dict[str, Any]:
    """An access token for what the subject token may be passed on for. Raises OAuthError."""
    proof = actors.proof(request)
    subject = subject_tokens.read(request)
    resource = _target(request)
    audit.concerns(resource=resource.identifier)
    subject_tokens.check_circle(subject, request.client, resource)
    decision = _decide(request, subject, resource)
    hop = Hop(
        subject=subject,
        client=request.client,
        resource=resource,
        scopes=decision.scopes,
        workload_issuer=proof.workload.issuer if proof else "",
    )
    planned = hops.plan(hop, request.now)
    token = tokens.mint(
        request,
        grant_type=TOKEN_EXCHANGE,
        authorization=planned.reference,
        sign_in=subject.sign_in,
        subject=subject.root,
        resource=resource,
        decision=decision,
        extra={"act": subject.act(request.client)},
        lineage=subject.traced() | hop.lineage,
    )
    with tokens.issuing(token):
        hops.take(planned, hop, request.now)
        if request.deferral is not None:
            deferrals.redeem(request.deferral)
        if proof is not None:
            proof.claim()
    # > `issued_token_type`: REQUIRED. An identifier … for the representation of the issued security token. (§2.2.1)
    return token.response() | {"issued_token_type": ACCESS_TOKEN}


def _target(request: TokenRequest) -> ProtectedResource:
    """The one resource of ours that the request names. `audience` is another name for it."""
    named = [request.params[name] for name in ("resource", "audience") if name in request.params]
    if not named:
        raise OAuthError(Reason.EXCHANGE_TARGET)
    found = [resources.requested(one) for one in named]
    if len({row.pk for row in found}) > 1:
        raise OAuthError(Reason.EXCHANGE_TARGET, detail=harmless(" ".join(named)))
    return found[0]


def _decide(request: TokenRequest, subject: Subject, resource: ProtectedResource) -> Decision:
    passed = resources.passed_on(subject.resource, resource.identifier, subject.scopes)
    known = [name for name in resources.scopes_of(resource) if name in passed]
    # > the authorization server is unwilling or unable to issue a token for [a] target service (RFC 8693 §2.2.2)
    if not known:
        raise OAuthError(Reason.EXCHANGE_NOT_MAPPED)
    asked, _ = scopes.split(scopes.parse(request.params.get("scope")))
    question = access_question(
        client=request.client,
        sign_in=subject.sign_in,
        grant_type=TOKEN_EXCHANGE,
        resource=resource,
        scopes=scopes.within(asked, scopes.registered(request.client.scope, known)),
        address=request.address,
        through=subject.through,
    )
    decision = decisions.evaluate(question, request.now)
    if decision.effect is not Outcome.ALLOW:
        raise refused(question, decision, request.now)
    return bounded(decision, subject, request.now)


def refused(question: AccessQuestion, decision: Decision, now: float) -> OAuthError:
    """The answer where rules allow nothing: a step-up or an approval of the chain's person, or no."""
    if decision.effect is Outcome.DENY and decision.step_up is not None:
        return step_up(decision.step_up, decisions.facts_of_refusal(decision))
    if decision.effect is Outcome.PENDING:
        return decisions.refusal(question, decision, now)
    return OAuthError(Reason.EXCHANGE_DENIED, detail=decision.reason, facts=decisions.facts_of_refusal(decision))


def bounded(decision: Decision, subject: Subject, now: float) -> Decision:
    """The decision, with what is issued living no longer than what it is got for. Raises OAuthError."""
    left = subject.lifetime(now)
    if left < 1:
        raise OAuthError(Reason.EXCHANGE_TOKEN, detail="expires")
    return replace(decision, lifetime=left if decision.lifetime is None else min(left, decision.lifetime))
