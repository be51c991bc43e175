"""Redemption of an assertion as a grant (RFC 7523 §2.1): an ID-JAG for a person, a workload's for itself.

    parse · typ says which · trusted issuer · its keys · signature · audience · client · times · resource · scopes
    · who it is · policy · minted · jti claimed, once for each resource and last · what it says takes effect

No refresh token: the assertion takes its place (ID-JAG §4.4.3). Nothing here tells a stranger which of these failed.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from authz import audit, decisions, dpop, registry, tokens
from authz.authorizations import AuthorizationReference, status_lists
from authz.conf import conf
from authz.database.transactions import unit_of_work
from authz.models import ProtectedResource
from authz.policy import Outcome
from authz.protocol import jwts, params, refused_assertions
from authz.protocol.errors import OAuthError
from authz.protocol.jwts import JwtError, Unverified
from authz.registry import TokenRequest
from authz.sign_in.sign_in import sign_in_of
from authz.tokens import AccessToken, deferrals
from authz.tokens.deferrals import SingleUse
from xaa import id_jag, lineage, trusted_issuers
from xaa.events import Event
from xaa.id_jag import IdJag
from xaa.reasons import BY_JWT_PROBLEM, Reason
from xaa.redeeming import granted_limits, id_jag_authorization, repeats, single_uses, workload_grant
from xaa.subjects import subject_effects, subject_resolution
from xaa.subjects.subject_resolution import Resolution
from xaa.trusted_issuers import Trust, Use, public_clients

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# > A Resource Authorization Server [...] SHOULD include the following value (ID-JAG §7.2)
METADATA = {"authorization_grant_profiles_supported": [id_jag.GRANT_PROFILE]}


def redeem(request: TokenRequest) -> dict[str, Any]:
    """An access token for one resource: of those that an ID-JAG names, or the one that the request does."""
    token = parsed(request.params)
    with refused_assertions.explained(token, request.now):
        if token.typ == id_jag.TYP:
            return _redeem_id_jag(token, request)
        return workload_grant.redeem(token, request)


def client_id(request_params: Mapping[str, str]) -> str | None:
    """The client that a request stands for which names none: a workload's assertion says whose it is (SEP-1933). Raises
    `OAuthError`.
    """
    token = parsed(request_params)
    if token.typ == id_jag.TYP:
        return None
    with refused_assertions.explained(token, time.time()):
        return workload_grant.client_of(token)


def parsed(request_params: Mapping[str, str]) -> Unverified:
    """The assertion of a request, not verified. Raises `OAuthError`."""
    try:
        return jwts.parse(params.required(request_params, "assertion"))
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem], detail=error.problem) from None


def _redeem_id_jag(token: Unverified, request: TokenRequest) -> dict[str, Any]:
    # Before anything is fetched: a client that proves nothing may not make us work, unless some issuer names its host.
    is_public = request.auth_method == registry.PUBLIC
    if is_public and not public_clients.is_named(request.client):
        raise OAuthError(Reason.CLIENT_IS_PUBLIC)
    if token.claims.get("iss") == conf.issuer:
        raise OAuthError(Reason.ISSUER_IS_OURSELVES)
    trust = trusted_issuers.require(trusted_issuers.of(token), Use.ID_JAG)
    public_lifetime = public_clients.lifetime(trust, request.client) if is_public else None
    if is_public and public_lifetime is None:
        raise OAuthError(Reason.CLIENT_IS_PUBLIC_TO_ISSUER)
    granted = _verified(trust, token, request, public_lifetime)
    resource = granted_limits.resource_of(granted, request.params.get("resource"))
    wanted = granted_limits.scopes_of(granted, resource, request)
    return subject_effects.with_retries(lambda: _issue(trust, granted, resource, wanted, request))


def _verified(trust: Trust, token: Unverified, request: TokenRequest, public_lifetime: int | None) -> IdJag:
    return id_jag.verify(
        id_jag.Presented(
            token=token,
            keys=trusted_issuers.keys_for(trust, token),
            issuer=trust.issuer,
            audience=conf.issuer,
            client_id=request.client.client_id,
            authenticated=request.auth_method != registry.PUBLIC,
            now=request.arrived,
            public_lifetime=public_lifetime,
            jkt=request.jkt,
            aud_tenant=trust.aud_tenant,
        )
    )


def single_use(request: TokenRequest) -> SingleUse | None:
    """What a request that waits uses up: its assertion, as for a token."""
    token = parsed(request.params)
    if token.typ != id_jag.TYP:
        return workload_grant.single_use(token, request)
    trust = trusted_issuers.require(trusted_issuers.of(token), Use.ID_JAG)
    granted = _verified(trust, token, request, None)
    resource = granted_limits.resource_of(granted, request.params.get("resource"))
    return SingleUse(single_uses.source_of(granted), single_uses.claimed_as(granted, resource), granted.expires)


class _AlreadyUsedError(Exception):
    """The ID-JAG has been claimed for this resource."""


def _issue(
    trust: Trust, granted: IdJag, resource: ProtectedResource, wanted: Sequence[str], request: TokenRequest
) -> dict[str, Any]:
    """Decide, sign, claim and issue for an ID-JAG that has passed all rules.

    Raises OAuthError, and `MovedError` where all of it has to begin again.
    """
    found = subject_resolution.look(trust, granted.claims, agent=request.client.client_id)
    audit.concerns(subject=found.person.user.subject, resource=resource.identifier)
    sign_in = sign_in_of(found.person.user, granted, found.person.groups)
    question = decisions.access_question(
        client=request.client,
        sign_in=sign_in,
        grant_type=GRANT_TYPE,
        resource=resource,
        scopes=wanted,
        address=request.address,
    )
    decision = decisions.evaluate(question, request.now)
    if decision.effect is not Outcome.ALLOW:
        _hear_refused(found, granted, resource, request)
        raise decisions.refusal(question, decision, request.now)
    try:
        tokens.require_proof(request, resource, decision)
    except OAuthError as error:
        # > if the Resource Server configuration […] requires constrained tokens for that Resource Server, the request
        # > MUST fail with an `invalid_grant` error. (ID-JAG §8.6)
        raise OAuthError(Reason.ASSERTION_KEY_BOUND, detail=f"no proof: {error.detail}", facts=error.facts) from None
    status = status_lists.allot(status_lists.Kind.BRIEF) if resource.status_list else None
    minted = tokens.mint(
        request,
        grant_type=GRANT_TYPE,
        authorization=AuthorizationReference(uuid.uuid4(), status),
        sign_in=sign_in,
        resource=resource,
        decision=decision,
        extra={"act": granted.act} if granted.act else None,
        lineage=lineage.of_id_jag(granted),
    )
    # > The Resource Authorization Server MUST include the granted `resource` (if any), `scope` (if any) [...] in
    # > the access token response. (ID-JAG §4.4.1)
    answer = minted.response() | {"resource": minted.audience}
    try:
        with tokens.issuing(minted):
            # Of many at once exactly one goes on (attack 15).
            if request.deferral is not None:
                deferrals.redeem(request.deferral)
            elif not single_uses.claim(granted, resource):
                raise _AlreadyUsedError
            # What it says of the person takes effect after its claim: a replay adds no one to a group (attack 44).
            person = subject_effects.take(found)
            id_jag_authorization.write(
                GRANT_TYPE, request, user=person.user, minted=minted, resource=resource, granted=granted, status=status
            )
            if request.auth_method == registry.PUBLIC:
                _record_public(request, minted, granted)
            repeats.keep(request, minted.authorization, answer)
    except _AlreadyUsedError:
        return _repeated(request, found, granted)
    return answer


def _hear_refused(found: Resolution, granted: IdJag, resource: ProtectedResource, request: TokenRequest) -> None:
    """Let what a refused assertion says of the person take effect. Raises OAuthError for one that was used.

    A refused assertion is not used up, but it counts: a person who left a group is refused by the rules, and must not
    stay in it. Of a used one nothing counts any more.
    """
    with unit_of_work():
        # A deferred request has claimed its own.
        if request.deferral is None and single_uses.is_claimed(granted, resource):
            raise OAuthError(Reason.ASSERTION_REPLAYED)
        subject_effects.take(found)


def _repeated(request: TokenRequest, found: Resolution, granted: IdJag) -> dict[str, Any]:
    """The answer that this very request was given a moment ago; what was minted for it now is thrown away."""
    with unit_of_work():
        if request.proof is not None:
            dpop.claim(request.proof)
        kept = repeats.find(request, subject_resolution.links_of(found))
        if kept is None:
            raise OAuthError(Reason.ASSERTION_REPLAYED)
        authorization, answer = kept
        audit.record(
            Event.ID_JAG_ANSWER_REPEATED,
            client_id=request.client.client_id,
            subject=str(authorization.user.subject) if authorization.user else "",
            resource=answer["resource"],
            authorization=authorization.pk,
            detail={"issuer": granted.issuer, "assertion_jti": granted.jti},
        )
    return answer


def _record_public(request: TokenRequest, minted: AccessToken, granted: IdJag) -> None:
    audit.record(
        Event.ID_JAG_REDEEMED_WITHOUT_SECRET,
        client_id=request.client.client_id,
        subject=minted.subject,
        resource=minted.audience,
        authorization=minted.authorization,
        detail={"issuer": granted.issuer, "host": request.client.host, "assertion_jti": granted.jti},
    )
