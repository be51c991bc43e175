"""The exchange of an access token for an ID-JAG, so that a chain goes on in another domain (ID-JAG §4.3;
draft-ietf-oauth-identity-chaining §2.3).

> The authorization server … can … include … the chain of delegation: `act` (identity chaining, RFC 8693 §4.1)
"""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from authz import audit, decisions, resources
from authz.authorizations import chains
from authz.decisions import access_question
from authz.models.client import TOKEN_EXCHANGE
from authz.policy import Decision, Outcome
from authz.protocol import params, scopes
from authz.protocol.errors import OAuthError
from authz.registry import TokenRequest
from xaa import resource_authorization_servers
from xaa.delegation import actors, subject_tokens
from xaa.delegation.actors import Proof
from xaa.delegation.grant import bounded, refused
from xaa.delegation.subject_tokens import Subject
from xaa.reasons import Reason
from xaa.resource_authorization_servers import Server, Target
from xaa.subjects.identity_assertions import SubjectToken


def asked(request: TokenRequest) -> tuple[SubjectToken, Server, Target, Decision, Proof | None]:
    """Who an ID-JAG may be issued for, where it may go, and what it may say. Raises OAuthError.

    It is for one resource: a mapping names what a scope is good for there, and not behind a whole server.
    """
    proof = actors.proof(request)
    subject = subject_tokens.read(request)
    if subject.sign_in is None:
        raise OAuthError(Reason.EXCHANGE_WITHOUT_PERSON)
    server, targets = resource_authorization_servers.requested(
        params.required(request.params, "audience"), request.params.get("resource")
    )
    if len(targets) != 1:
        raise OAuthError(Reason.EXCHANGE_TARGET)
    audit.concerns(resource=targets[0].identifier)
    subject_tokens.check_circle(subject, request.client, None)
    decision = _decide(request, subject, targets[0])
    presented = SubjectToken(sign_in=subject.sign_in, lineage=_lineage(subject), act=subject.act(request.client))
    return presented, server, targets[0], decision, proof


def hold(presented: SubjectToken) -> None:
    """Inside `unit_of_work()`. Raises OAuthError where what the chain rests on has ended in this moment."""
    if not chains.hold(UUID(str(presented.lineage["authorization"]))):
        raise OAuthError(Reason.EXCHANGE_ENDED, detail="in this moment")


def _lineage(subject: Subject) -> Mapping[str, object]:
    return subject.traced() | {"authorization": str(subject.token.authorization.pk)}


def _decide(request: TokenRequest, subject: Subject, target: Target) -> Decision:
    passed = resources.passed_on(subject.resource, target.identifier, subject.scopes)
    known = [name for name in target.scopes if name in passed]
    if not known:
        raise OAuthError(Reason.EXCHANGE_NOT_MAPPED)
    wanted, _ = scopes.split(scopes.parse(request.params.get("scope")))
    question = access_question(
        client=request.client,
        sign_in=subject.sign_in,
        grant_type=TOKEN_EXCHANGE,
        resource=None,
        scopes=scopes.within(wanted, known),
        address=request.address,
        through=subject.through,
    )
    # As of every exchange for an ID-JAG (xaa/token_exchange.py): what others call their resources isn't known.
    question = replace(question, resource=target.identifier, labels=None)
    decision = decisions.evaluate(question, request.now)
    if decision.effect is not Outcome.ALLOW:
        raise refused(question, decision, request.now)
    return bounded(decision, subject, request.now)
