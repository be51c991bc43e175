"""`refresh_token`: a new access token under a standing authorization (RFC 6749 §6; OAuth 2.1 §4.3; RFC 9700 §4.14)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from django.conf import settings

from authz import audit, authorizations, decisions, registry, resources, tokens
from authz.authorizations import live
from authz.conf import conf
from authz.database import raw_sql
from authz.database.raw_sql import Statement
from authz.database.transactions import unit_of_work
from authz.grants.authorization_code import REFRESH_TOKEN_IDLE, REFRESH_TOKEN_LONGEST
from authz.models import Authorization
from authz.policy import AccessQuestion, Decision
from authz.protocol import params, scopes
from authz.protocol.errors import OAuthError, Reason, harmless
from authz.registry import Issuance, TokenRequest
from authz.sign_in.sign_in import SignIn, sign_in_of
from authz.tokens import AccessToken, deferrals, refresh_tokens
from authz.tokens.refresh_tokens import RefreshToken

GRANT_TYPE = "refresh_token"


def redeem(request: TokenRequest) -> dict[str, Any]:
    """Rotate, and mint. Of many at once one rotates; the others get the same successor within the window.

    Raises OAuthError.
    """
    presented = refresh_tokens.read(params.required(request.params, "refresh_token"))
    authorization = _find(presented, request)
    _check(authorization, presented, request, datetime.fromtimestamp(request.now, UTC))
    sign_in = sign_in_of(authorization.user, authorization) if authorization.user else None
    decision = _decide(authorization, sign_in, request)
    token = tokens.mint(
        request,
        grant_type=GRANT_TYPE,
        authorization=authorizations.reference(authorization, authorization.resource),
        sign_in=sign_in,
        resource=authorization.resource,
        decision=decision,
        scope=decision.scopes if authorization.resource else authorization.identity_scopes,
        lineage={"generation": presented.generation + 1},
    )
    identity = _identity_scopes(authorization, sign_in, decision, request)
    granted = decision.scopes if authorization.resource else ()
    response = token.response() | {
        "refresh_token": refresh_tokens.write(authorization.pk, presented.generation + 1),
        "scope": scopes.join([*granted, *identity]),
        **registry.token_response_additions(_issuance(authorization, token, identity, request)),
    }
    if _issued_at_once(token, authorization, presented, request):
        return response
    with tokens.issuing(token):
        if request.deferral is not None:
            deferrals.redeem(request.deferral)
        _consume(authorization, presented, request)
    return response


def _issued_at_once(
    token: AccessToken, authorization: Authorization, presented: RefreshToken, request: TokenRequest
) -> bool:
    """Rotate and record in one statement of PostgreSQL, where the token is the newest and no more is to be written.
    False: nothing was written.
    """
    is_newest = presented.generation == authorization.generation
    writes_more = request.deferral is not None or request.proof is not None
    if settings.IS_SQLITE or writes_more or not is_newest:
        return False
    return token.record(_rotation(authorization, presented, datetime.fromtimestamp(request.now, UTC)))


def ahead(params: Mapping[str, str]) -> tuple[Statement, ...]:
    """What the request reads first, if its token is one of ours."""
    try:
        return live.reading(refresh_tokens.read(params.get("refresh_token", "")).authorization)
    except OAuthError:
        return ()


def single_use(request: TokenRequest) -> None:
    """A refresh token is used up by rotating, which is decided when the token is issued."""


def _consume(authorization: Authorization, presented: RefreshToken, request: TokenRequest) -> None:
    now = datetime.fromtimestamp(request.now, UTC)
    if not _rotate(authorization, presented, now):
        # Another request was faster. What it left decides: the same retry, or a replay.
        authorization.refresh_from_db(fields=["generation", "rotated", "revoked", "dpop_jkt"])
        _require_live(authorization)
        refresh_tokens.require_key(authorization, request.client, request.jkt)
        _require_current(authorization, presented, now)
    elif presented.generation > authorization.generation:
        _record_lost(authorization, presented)
    # From here on the family is bound to the key; that of a client that authenticates moves with its keys.
    if request.jkt != authorization.dpop_jkt:
        Authorization.objects.filter(pk=authorization.pk).update(dpop_jkt=request.jkt)


def _find(presented: RefreshToken, request: TokenRequest) -> Authorization:
    authorization = live.find_with_groups(presented.authorization)
    if authorization is None:
        raise OAuthError(Reason.AUTHORIZATION_REVOKED, detail="removed")
    audit.concerns(subject=authorization.user.subject if authorization.user else "", authorization=authorization.pk)
    # > the authorization server MUST … ensure that the refresh token was issued to the authenticated client (RFC 6749
    # > §6)
    if authorization.client_id != request.client.pk:
        raise OAuthError(Reason.REFRESH_TOKEN_OF_ANOTHER_CLIENT)
    if authorization.resource_id is not None:
        resource = resources.by_id(authorization.resource_id)
        if resource is None:
            raise OAuthError(Reason.AUTHORIZATION_REVOKED, detail="resource removed")
        authorization.resource = resource
        audit.concerns(resource=resource.identifier)
    return authorization


def _check(authorization: Authorization, presented: RefreshToken, request: TokenRequest, now: datetime) -> None:
    _require_live(authorization)
    # Before a replay ends the family: a thief without the key ends nothing.
    refresh_tokens.require_key(authorization, request.client, request.jkt)
    if presented.generation < authorization.generation:
        with unit_of_work():
            _require_current(authorization, presented, now)
    if authorization.expires is None or now >= authorization.expires:
        raise OAuthError(Reason.REFRESH_TOKEN_EXPIRED)
    # A client whose keys or redirect URIs changed is not the one that was consented to (attack 7).
    if authorization.client_digest != request.client.consent_digest:
        raise OAuthError(Reason.AUTHORIZATION_REVOKED, detail="client changed")
    if not registry.is_live(authorization, request.client):
        raise OAuthError(Reason.AUTHORIZATION_REVOKED, detail="trust withdrawn")
    if authorization.user is not None and not authorization.user.is_active:
        raise OAuthError(Reason.SUBJECT_INACTIVE)
    asked = resources.single(request.params.get("resource"))
    granted = authorization.resource
    if asked is not None and (granted is None or asked != resources.canonical(granted.identifier)):
        raise OAuthError(Reason.RESOURCE_NOT_GRANTED, detail=harmless(asked))


def _require_live(authorization: Authorization) -> None:
    if authorization.revoked is not None:
        raise OAuthError(Reason.AUTHORIZATION_REVOKED, detail=authorization.revoked_reason)


def _require_current(authorization: Authorization, presented: RefreshToken, now: datetime) -> None:
    """A token one behind is a retry while the window lasts; anything else is a replay and ends the family."""
    window = timedelta(seconds=conf.refresh_reuse_window)
    one_behind = presented.generation == authorization.generation - 1
    if one_behind and window and authorization.rotated is not None and now - authorization.rotated < window:
        return
    _refuse_replay(authorization, presented, now)


def _record_lost(authorization: Authorization, presented: RefreshToken) -> None:
    """Its MAC says that we issued it, so the row has forgotten: a power cut, or a backup that was restored."""
    audit.record(
        audit.Event.ROTATION_RECOVERED,
        authorization=authorization.pk,
        detail={"presented": presented.generation, "current": authorization.generation},
    )


def _refuse_replay(authorization: Authorization, presented: RefreshToken, now: datetime) -> NoReturn:
    # > the authorization server … MUST revoke the active refresh token, since it cannot determine which party submitted
    # > the invalid refresh token (RFC 9700 §4.14.2)
    authorizations.end(
        Authorization.objects.filter(pk=authorization.pk), reason=Reason.REFRESH_TOKEN_REPLAYED.value, now=now
    )
    audit.record(
        audit.Event.FAMILY_REVOKED,
        reason=Reason.REFRESH_TOKEN_REPLAYED,
        authorization=authorization.pk,
        detail={"presented": presented.generation, "current": authorization.generation},
    )
    raise OAuthError(Reason.REFRESH_TOKEN_REPLAYED)


def _rotate(authorization: Authorization, presented: RefreshToken, now: datetime) -> bool:
    """Compare and swap. False: another request has rotated, or revoked, in between."""
    return raw_sql.write(*_rotation(authorization, presented, now)) == 1


def _rotation(authorization: Authorization, presented: RefreshToken, now: datetime) -> Statement:
    expires = min(now + REFRESH_TOKEN_IDLE, authorization.created + REFRESH_TOKEN_LONGEST)
    return live.rotation(authorization.pk, generation=presented.generation, now=now, expires=expires)


def _decide(authorization: Authorization, sign_in: SignIn | None, request: TokenRequest) -> Decision:
    asked, _ = scopes.split(scopes.parse(request.params.get("scope")))
    wanted = scopes.within(asked, authorization.scopes) if authorization.resource else authorization.identity_scopes
    return decisions.require(_question(authorization, sign_in, wanted, request), request.now)


def _question(
    authorization: Authorization, sign_in: SignIn | None, wanted: Sequence[str], request: TokenRequest
) -> AccessQuestion:
    return decisions.access_question(
        client=request.client,
        sign_in=sign_in,
        grant_type=authorization.grant_type,
        refresh=True,
        resource=authorization.resource,
        scopes=wanted,
        address=request.address,
    )


def _identity_scopes(
    authorization: Authorization, sign_in: SignIn | None, decision: Decision, request: TokenRequest
) -> tuple[str, ...]:
    """The identity scopes that rules still leave, so that a later deny takes an ID token away too."""
    if authorization.resource is None or not authorization.identity_scopes:
        return decision.scopes if authorization.resource is None else ()
    question = _question(authorization, sign_in, authorization.identity_scopes, request)
    return decisions.evaluate_sign_in(question, request.now).scopes


def _issuance(
    authorization: Authorization, token: AccessToken, identity: tuple[str, ...], request: TokenRequest
) -> Issuance:
    assert authorization.user is not None  # noqa: S101  only grants for a person have refresh tokens
    return Issuance(
        client=request.client,
        user=authorization.user,
        authorization=authorization,
        resource=authorization.resource,
        identity_scopes=identity,
        access_token=token.jwt,
        nonce="",
        now=request.now,
    )
