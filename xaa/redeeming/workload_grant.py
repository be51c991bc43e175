"""A workload's assertion as a grant (RFC 7523 §2.1, SEP-1933): its client gets a token for itself."""

from collections.abc import Callable
from typing import Any

from authz import decisions, resources, tokens
from authz.authorizations import machine
from authz.authorizations.machine import MachineGrant
from authz.conf import conf
from authz.database import replay
from authz.models import Client, ProtectedResource
from authz.models.client import JWT_BEARER
from authz.policy import Decision
from authz.protocol import scopes
from authz.protocol.errors import OAuthError
from authz.protocol.errors import Reason as CoreReason
from authz.protocol.jwts import Unverified
from authz.registry import TokenRequest
from authz.tokens import deferrals
from authz.tokens.deferrals import SingleUse
from xaa import trusted_issuers, workloads
from xaa.reasons import Reason
from xaa.trusted_issuers import Trust, Use
from xaa.workloads import Workload

# Other requests made the same authorization each time: then the request is refused for now.
ATTEMPTS = 5


def redeem(token: Unverified, request: TokenRequest) -> dict[str, Any]:
    """The workload's own token: its client is the subject, and no person is involved."""
    trust = trusted_issuers.require(trusted_issuers.of(token), Use.WORKLOAD)
    workload = verified(trust, token, request)
    resource = resources.requested(request.params.get("resource"))
    known = resources.scopes_of(resource)
    wanted = scopes.for_client(scopes.parse(request.params.get("scope")), request.client.scope, known)
    question = decisions.access_question(
        client=request.client,
        sign_in=None,
        grant_type=JWT_BEARER,
        resource=resource,
        scopes=wanted,
        address=request.address,
    )
    decision = decisions.require(question, request.now)
    use = use_of(trust, workload, request.client)
    return _until_it_is_made(lambda: _issue(workload, resource, decision, request, use))


def client_of(token: Unverified) -> str:
    """The one client that a workload's assertion stands for. Raises `OAuthError`.

    The signature comes first: what a stranger wrote is matched against no pattern (attack 43). Redeeming judges the
    rest of the assertion, for just this client.
    """
    trust = trusted_issuers.require(trusted_issuers.of(token), Use.WORKLOAD)
    claims = workloads.verified(token, trusted_issuers.keys_for(trust, token))
    clients = workloads.clients_of(trust.workloads, claims)
    if len(clients) != 1:
        detail = f"{len(clients)} clients" if clients else workloads.nearest(trust.workloads, claims)
        raise OAuthError(Reason.WORKLOAD_UNKNOWN, detail=detail)
    return clients[0]


def verified(trust: Trust, token: Unverified, request: TokenRequest) -> Workload:
    """The workload of an assertion, if it may act as the request's client. Raises `OAuthError`."""
    return workloads.verify(
        token,
        trusted_issuers.keys_for(trust, token),
        trust.workloads,
        issuer=trust.issuer,
        audience=conf.issuer,
        client_id=request.client.client_id,
        now=request.arrived,
        audiences=trust.audience,
        max_lifetime=trust.max_lifetime,
    )


def _until_it_is_made(attempt: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    for _ in range(ATTEMPTS):
        try:
            return attempt()
        except machine.OvertakenError:
            continue
    raise OAuthError(CoreReason.UNAVAILABLE, detail="the workload's authorization is being changed")


def _issue(
    workload: Workload, resource: ProtectedResource, decision: Decision, request: TokenRequest, use: SingleUse | None
) -> dict[str, Any]:
    grant = MachineGrant(request.client, resource, JWT_BEARER, decision.scopes)
    try:
        authorization, is_made = machine.find(grant), True
    except machine.NotMadeError:
        authorization, is_made = machine.plan(grant), False
    minted = tokens.mint(
        request,
        grant_type=JWT_BEARER,
        authorization=authorization,
        sign_in=None,
        resource=resource,
        decision=decision,
        lineage={"issuer": workload.issuer, "workload": workload.subject, "assertion_jti": workload.jti},
    )
    with tokens.issuing(minted):
        _claim(use, request)
        # After the claim: an assertion that was used makes, widens and ends nothing.
        if not is_made:
            machine.make(authorization, grant)
    return minted.response()


def single_use(token: Unverified, request: TokenRequest) -> SingleUse | None:
    """What a request that waits uses up: its assertion, unless that may be used again."""
    trust = trusted_issuers.require(trusted_issuers.of(token), Use.WORKLOAD)
    return use_of(trust, verified(trust, token, request), request.client)


def use_of(trust: Trust, workload: Workload, client: Client) -> SingleUse | None:
    """What the assertion uses up; None where it may be used again."""
    # A platform that projects one token for an hour needs its workload to be allowed to use it again.
    if trust.reuse or workload.reuse or client.reuse_assertions:
        return None
    return SingleUse(f"assertion:{workload.issuer}", workload.jti, workload.expires)


def _claim(use: SingleUse | None, request: TokenRequest) -> None:
    if request.deferral is not None:
        deferrals.redeem(request.deferral)
    elif use is not None and not replay.claim(use.issuer, use.jti, use.expires):
        raise OAuthError(Reason.WORKLOAD_ASSERTION_USED)
