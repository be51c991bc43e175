"""Token exchange for an ID-JAG (RFC 8693; ID-JAG §4.3; MCP enterprise-managed authorization §4): we are the IdP.

In this order: the client (authenticated already), the subject token and its sign-in, the person, the target, policy,
the client's id at the target, and then minting. Nothing is used up: a sign-in may open several doors while it lives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from authz import audit, decisions, keys, registry, tokens
from authz.conf import conf
from authz.models import Client
from authz.models.client import TOKEN_EXCHANGE
from authz.policy import AccessQuestion, Agent, Decision, Outcome
from authz.policy import Server as ReachedServer
from authz.protocol import params, scopes
from authz.protocol.dpop_proofs import Proof
from authz.protocol.errors import OAuthError, harmless
from authz.protocol.errors import Reason as CoreReason
from authz.protocol.timed_ids import new_id
from authz.registry import TokenRequest
from authz.sign_in import people
from authz.sign_in.sign_in import SignIn
from authz.tokens import deferrals
from xaa import id_jag, resource_authorization_servers
from xaa.delegation import across, actors, grant, subject_tokens
from xaa.events import Event
from xaa.reasons import Reason
from xaa.resource_authorization_servers import Server, Target, names_there
from xaa.signals.sending import receipts
from xaa.step_up import step_up
from xaa.subjects import identity_assertions
from xaa.subjects.identity_assertions import SubjectToken

GRANT_TYPE = TOKEN_EXCHANGE
# > the IdP Authorization Server SHOULD include the following value (ID-JAG §7.1)
# Seconds. What a client cannot prove to be its own is stolen with ease, and so good for as long as a redemption takes.
PUBLIC_LIFETIME = 60
METADATA = {"identity_chaining_requested_token_types_supported": [id_jag.TOKEN_TYPE]}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedIdJag:
    """A signed ID-JAG, with what its response and its audit record say of it."""

    jwt: str
    claims: Mapping[str, Any]
    client: Client
    subject: SubjectToken
    decision: Decision
    proof: Proof | None

    def response(self) -> dict[str, Any]:
        """The successful response's members.

        > `issued_token_type`: REQUIRED; `token_type`: REQUIRED. `N_A` (because this is not an OAuth access token)
        > (ID-JAG §4.3.4; the values are compared exactly, interop 13)
        """
        return {
            "issued_token_type": id_jag.TOKEN_TYPE,
            "access_token": self.jwt,
            "token_type": "N_A",
            "scope": scopes.join(self.decision.scopes),
            "expires_in": self.claims["exp"] - self.claims["iat"],
        }

    def record(self) -> None:
        """Write the audit record without which no ID-JAG is issued (invariant 4). Raises what the database raises."""
        claims = self.claims
        audit.record(
            Event.ID_JAG_ISSUED,
            client_id=self.client.client_id,
            subject=self.subject.sign_in.subject,
            resource=claims.get("resource", ""),
            authorization=str(self.subject.lineage.get("authorization", "")) or None,
            detail={
                "jti": claims["jti"],
                "audience": claims["aud"],
                "client_id_there": claims["client_id"],
                "scope": claims.get("scope", ""),
                "lifetime": claims["exp"] - claims["iat"],
                **decisions.traced(self.decision),
                "lineage": dict(self.subject.lineage),
                **{name: claims[name] for name in ("act", "tenant", "aud_tenant", "aud_sub", "cnf") if name in claims},
            },
        )


def redeem(request: TokenRequest) -> dict[str, Any]:
    """An ID-JAG for the person behind the subject token, for one resource of one other authorization server; or, for an
    access token, what it may be passed on for (xaa/delegation). Raises OAuthError.
    """
    if subject_tokens.is_asked(request.params):
        return _delegated(request)
    is_public = request.auth_method == registry.PUBLIC
    # > This specification SHOULD only be supported for confidential clients. (ID-JAG §8.1) An exception is a host that
    # an administrator has named; a registered public client has none.
    if is_public and GRANT_TYPE not in registry.public_grants(request.client.host):
        raise OAuthError(Reason.CLIENT_IS_PUBLIC)
    _check_parameters(request)
    subject = identity_assertions.read(
        params.required(request.params, "subject_token"),
        params.required(request.params, "subject_token_type"),
        request.client,
        request.now,
        arrived=request.arrived,
        jkt=request.jkt,
    )
    audit.concerns(subject=subject.sign_in.subject)
    if not subject.sign_in.user.is_active:
        raise OAuthError(CoreReason.SUBJECT_INACTIVE)
    server, targets = resource_authorization_servers.requested(
        params.required(request.params, "audience"), request.params.get("resource")
    )
    audit.concerns(resource=targets[0].identifier)
    decision = _decide(request, subject.sign_in, targets)
    tokens.require_proof(request, None, decision)
    issued = _signed(request, subject, server, targets, decision)
    with tokens.issuing(issued):
        # The subject token is not used up.
        if request.deferral is not None:
            deferrals.redeem(request.deferral)
        _record_receipt(issued)
        if is_public:
            _record_exception(issued)
    return issued.response()


def client_id(request_params: Mapping[str, str]) -> str | None:
    """The client of a request that names none: the workload of its `actor_token`. Raises OAuthError."""
    return actors.client_id(request_params)


def _delegated(request: TokenRequest) -> dict[str, Any]:
    if "authorization_details" in request.params:
        raise OAuthError(Reason.AUTHORIZATION_DETAILS)
    # > If the requested type is unspecified, the issued token type is at the discretion of the authorization server
    # > (RFC 8693 §2.1)
    requested = request.params.get("requested_token_type", subject_tokens.ACCESS_TOKEN)
    if requested == subject_tokens.ACCESS_TOKEN:
        return grant.redeem(request)
    if requested != id_jag.TOKEN_TYPE:
        raise OAuthError(Reason.REQUESTED_TOKEN_TYPE, detail=harmless(requested))
    subject, server, target, decision, proof = across.asked(request)
    tokens.require_proof(request, None, decision)
    issued = _signed(request, subject, server, (target,), decision)
    with tokens.issuing(issued):
        across.hold(subject)
        if request.deferral is not None:
            deferrals.redeem(request.deferral)
        if proof is not None:
            proof.claim()
        _record_receipt(issued)
    return issued.response()


def _signed(
    request: TokenRequest, subject: SubjectToken, server: Server, targets: Sequence[Target], decision: Decision
) -> IssuedIdJag:
    claims = _claims(request, subject, server, targets, decision)
    token = keys.sign(claims, typ=id_jag.TYP, alg=server.signing_alg, now=request.now)
    return IssuedIdJag(
        jwt=token, claims=claims, client=request.client, subject=subject, decision=decision, proof=request.proof
    )


def _claims(
    request: TokenRequest,
    subject: SubjectToken,
    server: Server,
    targets: Sequence[Target],
    decision: Decision,
) -> dict[str, Any]:
    """The claims of the ID-JAG for the person behind the subject token, as its audience knows client and person."""
    user = subject.sign_in.user
    return id_jag.build(
        issuer=conf.issuer,
        audience=server.issuer,
        subject=subject.sign_in.subject,
        client_id=resource_authorization_servers.client_id_at(server, request.client),
        # Without a claim it is for whatever the audience takes it for, so policy has been asked about all of that.
        resource=targets[0].identifier if len(targets) == 1 else "",
        scope=decision.scopes,
        jti=new_id(request.now),
        now=request.now,
        lifetime=min(decision.lifetime or id_jag.LIFETIME, _longest(request)),
        authentication=subject.sign_in.claims(),
        email=user.email if people.is_vouched_for(user) else "",
        act=subject.act,
        tenant=server.tenant,
        aud_tenant=server.aud_tenant,
        aud_sub=names_there.aud_sub(server, user),
        jkt=request.jkt,
    )


def single_use(request: TokenRequest) -> None:
    """A sign-in is not used up, and neither is a token that is passed on."""


def _longest(request: TokenRequest) -> int:
    # A workload proves who it is, and presents no sign-in of its own.
    is_unproven = request.auth_method == registry.PUBLIC and not subject_tokens.is_asked(request.params)
    return PUBLIC_LIFETIME if is_unproven else id_jag.LIFETIME


def _check_parameters(request: TokenRequest) -> None:
    if params.required(request.params, "requested_token_type") != id_jag.TOKEN_TYPE:
        raise OAuthError(Reason.REQUESTED_TOKEN_TYPE, detail=harmless(request.params["requested_token_type"]))
    # > a client could attempt to combine a valid `subject_token` with an unrelated or less-trusted `actor_token`
    # > (ID-JAG §8.5). Not understood is refused, not left out.
    if "actor_token" in request.params or "actor_token_type" in request.params:
        raise OAuthError(Reason.ACTOR_TOKEN)
    if "authorization_details" in request.params:
        raise OAuthError(Reason.AUTHORIZATION_DETAILS)


def _decide(request: TokenRequest, sign_in: SignIn, targets: Sequence[Target]) -> Decision:
    """> The granted scopes MAY be a subset of the requested scopes based on policy. (ID-JAG §4.3.3)

    Of several targets, a scope is granted if policy grants it at each that has it.
    """
    asked, _ = scopes.split(scopes.parse(request.params.get("scope")))
    known = tuple(dict.fromkeys(name for target in targets for name in target.scopes))
    wanted = scopes.narrow(asked, known)
    asking = [
        question(request.client, sign_in, target, there, request.address)
        for target in targets
        if (there := tuple(name for name in wanted if name in target.scopes)) or len(targets) == 1
    ]
    judged = [decisions.evaluate(one, request.now) for one in asking]
    if len(judged) > 1:
        together = _together(wanted, judged)
        if together is not None:
            return together
    for one, decision in zip(asking, judged, strict=True):
        if decision.effect is Outcome.ALLOW and len(judged) == 1:
            return decision
        if decision.effect is Outcome.DENY and decision.step_up is not None:
            raise step_up(decision.step_up, decisions.facts_of_refusal(decision))
        if decision.effect is not Outcome.ALLOW:
            raise decisions.refusal(one, decision, request.now)
    # Each is allowed something, and nothing is allowed everywhere.
    raise OAuthError(CoreReason.SUBJECT_DENIED, detail="no scope at every resource")


def _together(wanted: Sequence[str], judged: Sequence[Decision]) -> Decision | None:
    """One decision for all targets: what each of them grants that was asked about it; None if that is nothing."""
    left_out = {
        name
        for decision in judged
        if decision.question is not None
        for name in decision.question.scope_names()
        if decision.effect is not Outcome.ALLOW or name not in decision.scopes
    }
    granted = tuple(name for name in wanted if name not in left_out)
    if not granted:
        return None
    allowing = [decision for decision in judged if set(granted).intersection(decision.scopes)]
    lifetimes = [decision.lifetime for decision in allowing if decision.lifetime is not None]
    return replace(
        allowing[0],
        scopes=granted,
        lifetime=min(lifetimes, default=None),
        proof_of_possession=any(decision.proof_of_possession for decision in allowing),
        rules=tuple(dict.fromkeys(rule for decision in allowing for rule in decision.rules)),
        approvals=tuple(dict.fromkeys(one for decision in allowing for one in decision.approvals)),
    )


def question(client: Client, sign_in: SignIn, target: Target, wanted: tuple[str, ...], address: str) -> AccessQuestion:
    """What policy is asked: as for a resource of ours, with the target's resource in its place."""
    asked = decisions.access_question(
        client=client,
        sign_in=sign_in,
        grant_type=GRANT_TYPE,
        resource=None,
        scopes=wanted,
        address=address,
    )
    # What others call their resources isn't known, as the sensitivity of their scopes.
    return replace(asked, resource=target.identifier, labels=None)


def servers(agents: Sequence[Agent]) -> list[ReachedServer]:
    """What an exchange leads to, for the access review (authz/decisions/simulation.py). The question is that of
    `question`, so the sensitivity of scopes is not known; the agents are those that `redeem` and `client_id_at` accept.
    """
    asking = [agent for agent in agents if GRANT_TYPE in agent.grant_types and _may_exchange(agent)]
    found = []
    for server in resource_authorization_servers.cached().values():
        clients = frozenset(
            agent.client_id
            for agent in asking
            if resource_authorization_servers.name_at(server, agent.client_id, agent.kind) is not None
        )
        found += [
            ReachedServer(
                identifier=target.identifier,
                scopes=tuple((name, "") for name in target.scopes),
                authorization_server=server.issuer,
                behind=server.name,
                grant_types=frozenset({GRANT_TYPE}),
                clients=clients,
                labels=None,
            )
            for target in server.resources.values()
        ]
    return found


def _may_exchange(agent: Agent) -> bool:
    return not agent.is_public or GRANT_TYPE in registry.public_grants(agent.host)


def _record_receipt(issued: IssuedIdJag) -> None:
    """So that the audience is told when what the ID-JAG rests on ends."""
    claims, lineage = issued.claims, issued.subject.lineage
    receipts.record(
        claims["aud"],
        issued.subject.sign_in.user,
        issued.client,
        claims["client_id"],
        authorization=str(lineage.get("authorization", "")),
        issuer=str(lineage.get("issuer", "")),
    )


def _record_exception(issued: IssuedIdJag) -> None:
    """A client that proved nothing was given an ID-JAG because an administrator named its host."""
    audit.record(
        Event.PUBLIC_CLIENT_EXCHANGED,
        client_id=issued.client.client_id,
        subject=issued.subject.sign_in.subject,
        resource=issued.claims.get("resource", ""),
        detail={"jti": issued.claims["jti"], "host": issued.client.host, "audience": issued.claims["aud"]},
    )
