"""`authorization_code`: a person's consent becomes a token (RFC 6749 §4.1.3; OAuth 2.1 §4.1.3; RFC 7636)."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from authz import audit, authorizations, decisions, registry, resources, tokens
from authz.database.transactions import unit_of_work
from authz.decisions.question import ARRIVED
from authz.models import Authorization, AuthorizationCode, ProtectedResource
from authz.models.client import digest
from authz.policy import Decision
from authz.protocol import params, pkce
from authz.protocol.errors import OAuthError, Reason, harmless
from authz.registry import Issuance, TokenRequest
from authz.sign_in.sign_in import SignIn, sign_in_of
from authz.tokens import AccessToken, authorization_codes, refresh_tokens

GRANT_TYPE = "authorization_code"
METADATA = {"code_challenge_methods_supported": [pkce.METHOD]}

REFRESH_TOKEN_IDLE = timedelta(days=30)
REFRESH_TOKEN_LONGEST = timedelta(days=180)
MAXIMUM_CODE = 256


def redeem(request: TokenRequest) -> dict[str, Any]:
    """Exchange a code for a token, once. A replayed code ends the authorization that came from it. Raises
    `OAuthError`.
    """
    code = _find(request)
    _check(code, request)
    resource = _resource(code, request)
    sign_in = sign_in_of(code.user, code)
    decision = _decide(code, sign_in, resource, request)
    authorization = _authorization(code, resource, decision, request)
    # An issuer that signed the person in may have been withdrawn since.
    if not registry.is_live(authorization, request.client):
        raise OAuthError(Reason.AUTHORIZATION_REVOKED, detail="trust withdrawn")
    token = tokens.mint(
        request,
        grant_type=GRANT_TYPE,
        authorization=authorizations.reference(authorization, resource),
        sign_in=sign_in,
        resource=resource,
        decision=decision,
        scope=decision.scopes if resource else code.identity_scopes,
        lineage=code.lineage,
    )
    response = _response(token, code, authorization, request)
    with tokens.issuing(token):
        _consume(code, authorization)
        authorization.save(force_insert=True)
    return response


def _response(
    token: AccessToken, code: AuthorizationCode, authorization: Authorization, request: TokenRequest
) -> dict[str, Any]:
    # > scope: OPTIONAL, if identical to the scope requested by the client; otherwise, REQUIRED. (RFC 6749 §5.1)
    response = token.response() | {"scope": " ".join([*authorization.scopes, *authorization.identity_scopes])}
    if authorization.expires:
        response["refresh_token"] = refresh_tokens.write(authorization.pk, authorization.generation)
    issuance = Issuance(
        client=request.client,
        user=code.user,
        authorization=authorization,
        resource=authorization.resource,
        identity_scopes=authorization.identity_scopes,
        access_token=token.jwt,
        nonce=code.nonce,
        now=request.now,
    )
    return response | registry.token_response_additions(issuance)


def _consume(code: AuthorizationCode, authorization: Authorization) -> None:
    # One conditional statement decides among requests at the same time; the others are replays (invariant 3).
    # A code that a cut-off has invalidated meanwhile (authz/authorizations/cut_off.py) is not consumed either.
    unused = AuthorizationCode.objects.filter(digest=code.digest, used=None, expires__gt=authorization.created)
    if not unused.update(used=authorization.created, authorization_id=authorization.pk):
        _refuse_replay(code, authorization.created)


def _find(request: TokenRequest) -> AuthorizationCode:
    presented = params.required(request.params, "code")
    if len(presented) > MAXIMUM_CODE:
        raise OAuthError(Reason.CODE_UNKNOWN)
    code = AuthorizationCode.objects.select_related("user", "client").filter(digest=digest(presented)).first()
    if code is None:
        raise OAuthError(Reason.CODE_UNKNOWN)
    granted = resources.by_id(code.resource_id) if code.resource_id is not None else None
    audit.concerns(
        subject=code.user.subject,
        resource=granted.identifier if granted else "",
        authorization=code.authorization_id or "",
    )
    # > ensure that the authorization code was issued to the authenticated confidential client, or if the client is
    # > public, ensure that the code was issued to "client_id" in the request (RFC 6749 §4.1.3)
    if code.client_id != request.client.pk:
        raise OAuthError(Reason.CODE_OF_ANOTHER_CLIENT)
    return code


def _check(code: AuthorizationCode, request: TokenRequest) -> None:
    now = datetime.fromtimestamp(request.now, UTC)
    if code.used is not None:
        with unit_of_work():
            _refuse_replay(code, now)
    if now >= code.expires:
        raise OAuthError(Reason.CODE_EXPIRED)
    # > ensure that the "redirect_uri" parameter is present if [it] was included in the initial authorization request …
    # > and if included ensure that their values are identical (RFC 6749 §4.1.3). OAuth 2.1 §4.1.3 drops the parameter,
    # since PKCE does its work; if a client sends it, it must be the same.
    redirect_uri = request.params.get("redirect_uri")
    if redirect_uri is not None and redirect_uri != code.redirect_uri:
        raise OAuthError(Reason.CODE_REDIRECT_URI_MISMATCH, detail=harmless(redirect_uri))
    # > the authorization server … MUST verify the code_verifier (OAuth 2.1 §4.1.3); every code has a challenge.
    if not pkce.verifies(params.required(request.params, "code_verifier"), code.code_challenge):
        raise OAuthError(Reason.CODE_VERIFIER_WRONG)
    # > the authorization server […] verifies that it matches the dpop_jkt parameter value in the authorization request.
    # > If they do not match, it MUST reject the request. (RFC 9449 §10)
    if code.dpop_jkt and code.dpop_jkt != request.jkt:
        raise OAuthError(Reason.DPOP_KEY_OF_GRANT, detail="dpop_jkt")
    # The consent was for the client as it was then (attack 7: changed between authorize and token).
    if code.client_digest != request.client.consent_digest:
        raise OAuthError(Reason.AUTHORIZATION_REVOKED, detail="client changed")
    if not code.user.is_active:
        raise OAuthError(Reason.SUBJECT_INACTIVE)


def _refuse_replay(code: AuthorizationCode, now: datetime) -> None:
    # > If an authorization code is used more than once, the authorization server MUST deny the request and SHOULD
    # > revoke (when possible) all tokens previously issued based on that authorization code. (RFC 6749 §4.1.2)
    led_to = Authorization.objects.filter(authorizationcode__digest=code.digest)
    authorizations.end(led_to, reason=Reason.CODE_REPLAYED.value, now=now)
    raise OAuthError(Reason.CODE_REPLAYED)


def _resource(code: AuthorizationCode, request: TokenRequest) -> ProtectedResource | None:
    granted = resources.by_id(code.resource_id) if code.resource_id is not None else None
    if code.resource_id is not None and granted is None:
        raise OAuthError(Reason.RESOURCE_UNKNOWN)
    asked = resources.single(request.params.get("resource"))
    # > the requested resource … MUST … be part of what was granted: invalid_target (RFC 8707 §2.2)
    if asked is not None and (granted is None or asked != resources.canonical(granted.identifier)):
        raise OAuthError(Reason.RESOURCE_NOT_GRANTED, detail=harmless(asked))
    return granted


def _decide(
    code: AuthorizationCode, sign_in: SignIn, resource: ProtectedResource | None, request: TokenRequest
) -> Decision:
    question = decisions.access_question(
        client=request.client,
        sign_in=replace(sign_in, auth_time=_auth_time(code, request.now)),
        grant_type=GRANT_TYPE,
        resource=resource,
        scopes=code.scopes if resource else code.identity_scopes,
        address=request.address,
    )
    return decisions.require(question, request.now)


def _auth_time(code: AuthorizationCode, now: float) -> float | None:
    """Time conditions are evaluated for the request's arrival: the time that the person takes to read does not
    count.
    """
    if code.auth_time is None:
        return None
    return decisions.as_old_as(code.auth_time, then=code.lineage.get(ARRIVED, now), now=now)


def _authorization(
    code: AuthorizationCode, resource: ProtectedResource | None, decision: Decision, request: TokenRequest
) -> Authorization:
    now = datetime.fromtimestamp(request.now, UTC)
    # A person who unticked “Stay connected while you are away” gets what they chose.
    may_stay = "offline_access" not in code.lineage.get(authorization_codes.UNTICKED, ())
    is_registered = request.client.allows_grant_type("refresh_token")
    refreshable = may_stay and is_registered and "refresh_token" in registry.grants()
    return Authorization(
        id=uuid.uuid4(),
        client=request.client,
        user=code.user,
        resource=resource,
        grant_type=GRANT_TYPE,
        scopes=list(decision.scopes) if resource else [],
        identity_scopes=code.identity_scopes,
        created=now,
        expires=now + REFRESH_TOKEN_IDLE if refreshable else None,
        auth_time=code.auth_time,
        acr=code.acr,
        amr=code.amr,
        dpop_jkt=request.jkt,
        session_digest=code.session_digest,
        redirect_uri=code.redirect_uri,
        client_digest=code.client_digest,
        lineage=code.lineage
        | {"rules": list(decision.rules)}
        | ({"approvals": list(decision.approvals)} if decision.approvals else {}),
    )
