"""Redemption of an assertion as a grant (RFC 7523 §2.1): an ID-JAG for a person, a workload's for itself.

    parse · typ says which · trusted issuer · its keys · signature · audience · client · times · resource · scopes
    · who it is · policy · minted · jti claimed, once for each resource and last · what it says takes effect

No refresh token: the assertion takes its place (ID-JAG §4.4.3). Nothing here tells a stranger which of these failed.
"""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from authz import audit, decisions, registry, resources, tokens
from authz.authorizations import AuthorizationReference, status_lists
from authz.authorizations.status_lists import Entry
from authz.conf import conf
from authz.database import raw_sql, replay
from authz.database.transactions import unit_of_work
from authz.models import ProtectedResource, User
from authz.policy import Outcome
from authz.protocol import jwts, params, scopes
from authz.protocol.errors import OAuthError, harmless
from authz.protocol.errors import Reason as CoreReason
from authz.protocol.jwts import JwtError, Unverified
from authz.registry import TokenRequest
from authz.sign_in.sign_in import sign_in_of
from authz.tokens import AccessToken, deferrals
from authz.tokens.deferrals import SingleUse
from xaa import (
    id_jag,
    lineage,
    public_clients,
    repeats,
    subject_effects,
    subject_resolution,
    trusted_issuers,
    workload_grant,
    workloads,
)
from xaa.events import Event
from xaa.id_jag import IdJag
from xaa.reasons import BY_JWT_PROBLEM, Reason
from xaa.subject_resolution import Resolution
from xaa.trusted_issuers import Trust, Use

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# > A Resource Authorization Server [...] SHOULD include the following value (ID-JAG §7.2)
METADATA = {"authorization_grant_profiles_supported": [id_jag.GRANT_PROFILE]}


def redeem(request: TokenRequest) -> dict[str, Any]:
    """An access token for one resource: of those that an ID-JAG names, or the one that the request does."""
    token = parsed(request.params)
    if token.typ == id_jag.TYP:
        return _redeem_id_jag(token, request)
    return workload_grant.redeem(token, request)


def client_id(request_params: Mapping[str, str]) -> str | None:
    """The client that a request stands for which names none: a workload's assertion says whose it is (SEP-1933).

    The signature comes first: what a stranger wrote is matched against no pattern (attack 43). Redeeming judges the
    rest of the assertion, for just this client.
    """
    token = parsed(request_params)
    if token.typ == id_jag.TYP:
        return None
    trust = trusted_issuers.require(trusted_issuers.of(token), Use.WORKLOAD)
    claims = workloads.verified(token, trusted_issuers.keys_for(trust, token))
    clients = workloads.clients_of(trust.workloads, claims)
    if len(clients) != 1:
        detail = f"{len(clients)} clients" if clients else workloads.nearest(trust.workloads, claims)
        raise OAuthError(Reason.WORKLOAD_UNKNOWN, detail=detail)
    return clients[0]


def parsed(request_params: Mapping[str, str]) -> Unverified:
    try:
        return jwts.parse(params.required(request_params, "assertion"))
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None


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
    resource = granted_resource(granted, request.params.get("resource"))
    wanted = granted_scopes(granted, resource, request)
    return subject_effects.until_it_stands(lambda: _issue(trust, granted, resource, wanted, request))


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
    resource = granted_resource(granted, request.params.get("resource"))
    return SingleUse(f"assertion:{granted.issuer}", _claimed_as(granted, resource), granted.expires)


class _AlreadyUsedError(Exception):
    """The ID-JAG has been claimed for this resource."""


def _issue(
    trust: Trust, granted: IdJag, resource: ProtectedResource, wanted: Sequence[str], request: TokenRequest
) -> dict[str, Any]:
    found = subject_resolution.look(trust, granted.claims)
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
            elif not _claim_for(granted, resource):
                raise _AlreadyUsedError
            # What it says of the person takes effect after its claim: a replay adds no one to a group (attack 44).
            person = subject_effects.take(found)
            _authorize(request, user=person.user, minted=minted, resource=resource, granted=granted, status=status)
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
        if request.deferral is None and is_claimed(granted, resource):
            raise OAuthError(Reason.ASSERTION_REPLAYED)
        subject_effects.take(found)


def _repeated(request: TokenRequest, found: Resolution, granted: IdJag) -> dict[str, Any]:
    """The answer that this very request was given a moment ago; what was minted for it now is thrown away."""
    with unit_of_work():
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


def _claim_for(granted: IdJag, resource: ProtectedResource) -> bool:
    """Claim the ID-JAG for the resource that the token is for. An ID-JAG of several is good once for each of them.

    One that names none is good for one alone: its request chose, and without a limit each further use would widen it.
    """
    source, name = f"assertion:{granted.issuer}", _claimed_as(granted, resource)
    # What an earlier version of this server claimed as a whole stays used.
    if name != granted.jti and replay.is_claimed(source, granted.jti):
        return False
    return replay.claim(source, name, granted.expires)


def is_claimed(granted: IdJag, resource: ProtectedResource) -> bool:
    """Whether the ID-JAG was used for this resource, for looking without touching."""
    source = f"assertion:{granted.issuer}"
    return replay.is_claimed(source, _claimed_as(granted, resource)) or replay.is_claimed(source, granted.jti)


def _claimed_as(granted: IdJag, resource: ProtectedResource) -> str:
    # A jti has no more than 255 characters, and no resource's identifier has a line feed.
    return granted.jti if len(granted.resources) < 2 else f"{granted.jti}\n{resource.identifier}"


def _public(request: TokenRequest) -> dict[str, str]:
    return {public_clients.PUBLIC_HOST: request.client.host} if request.auth_method == registry.PUBLIC else {}


def _record_public(request: TokenRequest, minted: AccessToken, granted: IdJag) -> None:
    audit.record(
        Event.ID_JAG_REDEEMED_WITHOUT_SECRET,
        client_id=request.client.client_id,
        subject=minted.subject,
        resource=minted.audience,
        authorization=minted.authorization,
        detail={"issuer": granted.issuer, "host": request.client.host, "assertion_jti": granted.jti},
    )


def granted_resource(granted: IdJag, asked: str | None) -> ProtectedResource:
    """The one resource of ours that the ID-JAG and the request agree on, as far as they name any; or the default one.

    > The granted resources MAY be a subset of the resources in the ID-JAG (ID-JAG §4.4.1): one, since a token is for
    > one.
    """
    if not granted.resources:
        return resources.requested(asked)
    ours = _ours(granted.resources)
    if not ours:
        raise OAuthError(Reason.ASSERTION_RESOURCE_UNKNOWN, detail=harmless(" ".join(granted.resources)))
    if asked is None and len(ours) > 1:
        raise OAuthError(CoreReason.RESOURCE_SEVERAL, detail=harmless(" ".join(ours)))
    wanted = resources.requested(asked or next(iter(ours)))
    if resources.canonical(wanted.identifier) not in ours:
        raise OAuthError(CoreReason.RESOURCE_NOT_GRANTED, detail=harmless(asked or ""))
    return wanted


def _ours(named: Sequence[str]) -> dict[str, ProtectedResource]:
    """Those of the named resources that this server protects; what names nothing here is another server's."""
    found = {}
    for uri in named:
        try:
            found[resources.canonical(uri)] = resources.requested(uri)
        except OAuthError:
            continue
    return found


def granted_scopes(granted: IdJag, resource: ProtectedResource, request: TokenRequest) -> tuple[str, ...]:
    """What was asked for and the ID-JAG grants, and of that what exists here and the client may have.

    > issue access tokens with scopes that are the intersection of the requested scopes and the scopes present in the
    > ID-JAG (MCP enterprise-managed authorization §7.2.1)

    SDKs send one list on both legs, so what is too much is left out; the response says what was granted.
    """
    asked, _ = scopes.split(scopes.parse(request.params.get("scope")))
    known: Collection[str] = resources.scopes_of(resource)
    if granted.scopes is not None:
        # Asking for nothing asks for all of it; nothing in common is a refusal.
        if asked and any(name in known for name in asked) and not set(asked) & set(granted.scopes):
            raise OAuthError(CoreReason.SCOPE_NOT_GRANTED, detail=harmless(" ".join(asked)))
        known = scopes.narrow(granted.scopes, known)
    return scopes.for_client(asked, request.client.scope, known)


# By hand, since the ORM's building of this statement costs more than verifying the ID-JAG (measured: `make bench`).
_COLUMNS = (
    "id", "client_id", "user_id", "resource_id", "grant_type", "scopes", "identity_scopes", "created", "generation",
    "revoked_reason", "auth_time", "acr", "amr", "session_digest", "redirect_uri", "client_digest", "lineage",
    "status_list", "status_index",
)  # fmt: skip
_INSERT = f"INSERT INTO authz_authorization ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"  # noqa: S608  our own names


def _authorize(
    request: TokenRequest,
    *,
    user: User,
    minted: AccessToken,
    resource: ProtectedResource,
    granted: IdJag,
    status: Entry | None,
) -> None:
    """Write the authorization that the token stands under: one for each ID-JAG, so that each can be ended."""
    values = (
        minted.authorization.hex if connection.vendor == "sqlite" else minted.authorization,
        request.client.pk,
        user.pk,
        resource.pk,
        GRANT_TYPE,
        json.dumps(minted.scopes),
        "[]",
        raw_sql.timestamp(datetime.fromtimestamp(request.now, UTC)),
        0,
        "",
        granted.auth_time,
        granted.acr,
        json.dumps(granted.amr),
        "",
        "",
        request.client.consent_digest,
        json.dumps(lineage.of_id_jag(granted) | _public(request)),
        status.number if status else None,
        status.index if status else None,
    )
    raw_sql.write(_INSERT, values)
