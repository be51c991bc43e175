"""Identity assertions: the `subject_token` of a token exchange, and the person and the sign-in that it names.

Three kinds: an ID token of ours, an ID token of a trusted issuer whose audience stands for the authenticated client,
and our refresh token (ID-JAG §4.3.3). The kind is what `subject_token_type` says, and a token of another kind is not
taken for it (attack 22).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from authz import keys
from authz.authorizations import live
from authz.conf import conf
from authz.models import Authorization, Client
from authz.protocol import jwts, refused_assertions
from authz.protocol.display_names import visible
from authz.protocol.errors import OAuthError
from authz.protocol.errors import Reason as CoreReason
from authz.protocol.jwks import Key
from authz.protocol.jwts import JwtError, Unverified
from authz.sign_in.sign_in import SignIn, sign_in_of
from authz.tokens import refresh_tokens
from xaa import id_jag, trusted_issuers
from xaa.reasons import BY_JWT_PROBLEM, Reason
from xaa.subjects import sessions, subject_effects
from xaa.trusted_issuers import Use

ID_TOKEN: Final = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105  an identifier, not a secret
REFRESH_TOKEN: Final = "urn:ietf:params:oauth:token-type:refresh_token"  # noqa: S105
MOST_AUDIENCES: Final = 20
# Seconds. ID tokens of other issuers live an hour, seldom a day; what is older is no evidence of a sign-in.
LONGEST_LIFETIME: Final = 24 * 3600
# > typ: OpenID Connect never gave ID tokens one of their own. Kinds that have one are no ID tokens (RFC 8725 §3.11).
TYPES: Final = frozenset({None, "JWT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectToken:
    """The sign-in that a subject token stands for, and what it can be traced by.

    act  the actors that the token names (RFC 8693 §4.1); None where it names none.
    """

    sign_in: SignIn
    lineage: Mapping[str, object]
    act: Mapping[str, Any] | None = None


def read(
    token: str, token_type: str, client: Client, now: float, *, arrived: float | None = None, jkt: str = ""
) -> SubjectToken:
    """The sign-in behind a subject token that `client` may use. Raises OAuthError.

    `jkt`: the thumbprint of the key that the client has shown. `arrived`: when an ID token was presented, if not now;
    what expires meanwhile was good then.
    """
    presented = now if arrived is None else arrived
    if token_type == REFRESH_TOKEN:
        return _refresh_token(token, client, now, jkt)
    if token_type != ID_TOKEN:
        raise OAuthError(Reason.SUBJECT_TOKEN_TYPE)
    try:
        unverified = jwts.parse(token)
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem], detail=error.problem) from None
    with refused_assertions.explained(unverified, presented):
        if unverified.claims.get("iss") == conf.issuer:
            return _own_id_token(unverified, client, presented)
        return _foreign_id_token(unverified, client, presented)


# --- The rules for ID tokens: pure ----------------------------------------------------------------------------------


def verify(
    token: Unverified,
    verification_keys: Sequence[Key],
    *,
    issuer: str,
    audiences: Sequence[str],
    others: frozenset[str] | None = frozenset(),
    now: float,
) -> dict[str, Any]:
    """The claims of an ID token (OpenID Connect Core §3.1.3.7) issued for one of `audiences`. Raises `OAuthError`.

    `others` are the audiences that may stand beside it; None for any.
    """
    try:
        claims = jwts.verify(token, verification_keys, typ=TYPES).claims
        jwts.check_times(claims, now, leeway=jwts.CLOCK_SKEW, max_lifetime=LONGEST_LIFETIME, require=("exp", "iat"))
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None
    if claims.get("iss") != issuer:
        raise OAuthError(Reason.ISSUER_UNTRUSTED)
    # > the IdP MUST validate the assertion and MUST validate that the audience of the assertion (e.g. the `aud` claim
    # > of the ID Token or SAML Audience) matches the `client_id` of the client authentication of the request.
    # > (ID-JAG §4.3.3)
    # Another audience of the same token could present it here, too (attack 22), so it has to be named.
    named = _audiences(claims.get("aud"))
    ours = [audience for audience in named if audience in audiences]
    if not ours:
        raise OAuthError(Reason.ASSERTION_AUDIENCE)
    # > The ID Token MUST be rejected if the ID Token does not list the Client as a valid audience, or if it contains
    # > additional audiences not trusted by the Client. (OpenID Connect Core §3.1.3.7)
    beside = [audience for audience in named if audience not in audiences]
    if others is not None and (foreign := [audience for audience in beside if audience not in others]):
        raise OAuthError(Reason.ASSERTION_AUDIENCE, detail=f"also for {visible(foreign[0])[:100]}")
    # > when an azp (authorized party) Claim is present, the Client SHOULD verify that its Client ID is the Claim Value
    # > (OpenID Connect Core §3.1.3.7)
    if claims.get("azp") is not None and claims["azp"] not in ours:
        raise OAuthError(Reason.ASSERTION_OF_ANOTHER_CLIENT, detail="azp")
    if not _is_text(claims.get("sub")):
        raise OAuthError(Reason.ASSERTION_SUBJECT)
    if "cnf" in claims:
        raise OAuthError(Reason.ASSERTION_KEY_BOUND)
    # > Cross-JWT Confusion (Back-Channel Logout §4): a logout token, or another event, is no ID token.
    if "events" in claims:
        raise OAuthError(Reason.ASSERTION_TYP, detail="events")
    _check_authentication(claims)
    return claims


def _audiences(audience: object) -> list[str]:
    """The audiences that an `aud` names, a text or a list of texts (RFC 7519 §4.1.3); none of anything else."""
    named = audience if isinstance(audience, list) else [audience]
    if len(named) > MOST_AUDIENCES or not all(isinstance(one, str) and one for one in named):
        return []
    return list(dict.fromkeys(named))


def _check_authentication(claims: Mapping[str, Any]) -> None:
    auth_time = claims.get("auth_time", 0)
    if isinstance(auth_time, bool) or not isinstance(auth_time, int | float) or not 0 <= auth_time < 2**53:
        raise OAuthError(Reason.ASSERTION_CLAIM, detail="auth_time")
    if not isinstance(claims.get("acr", ""), str):
        raise OAuthError(Reason.ASSERTION_CLAIM, detail="acr")
    amr = claims.get("amr", [])
    if not isinstance(amr, list) or len(amr) > 20 or not all(_is_text(method) for method in amr):
        raise OAuthError(Reason.ASSERTION_CLAIM, detail="amr")
    if "tenant" in claims and not _is_text(claims["tenant"]):
        raise OAuthError(Reason.ASSERTION_TENANT)
    id_jag.check_actor(claims)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


# --- Around them ----------------------------------------------------------------------------------------------------


def _own_id_token(token: Unverified, client: Client, now: float) -> SubjectToken:
    claims = verify(token, keys.verification_keys(now), issuer=conf.issuer, audiences=(client.client_id,), now=now)
    authorization = _authorization(claims.get("authorization"), client)
    if authorization.user is None or str(authorization.user.subject) != claims["sub"]:
        raise OAuthError(Reason.LINEAGE_ENDED, detail="subject")
    if not sessions.is_alive(authorization.session_digest, authorization.user):
        raise OAuthError(Reason.SESSION_ENDED)
    return _sign_in(authorization, kind="id_token", jti=claims.get("jti", ""))


def _foreign_id_token(token: Unverified, client: Client, now: float) -> SubjectToken:
    """The sign-in behind an ID token of a trusted issuer, whose audience stands for the client."""
    trust = trusted_issuers.require(trusted_issuers.of(token), Use.ID_TOKEN)
    audiences = tuple(theirs for theirs, ours in trust.client_ids.items() if ours == client.client_id)
    # Asked before the keys are, so that a client that nothing stands for cannot make us fetch.
    if not audiences:
        raise OAuthError(Reason.ASSERTION_AUDIENCE, detail="no audience stands for the client")
    claims = verify(
        token,
        trusted_issuers.keys_for(trust, token),
        issuer=trust.issuer,
        audiences=audiences,
        others=trust.trusted_audiences,
        now=now,
    )
    person = subject_effects.resolve(trust, claims, agent=client.client_id)
    return SubjectToken(
        sign_in=SignIn(
            user=person.user,
            groups=person.groups,
            auth_time=int(claims["auth_time"]) if "auth_time" in claims else None,
            acr=claims.get("acr", ""),
            amr=tuple(claims.get("amr", ())),
        ),
        lineage={"subject_token": "id_token", "issuer": trust.issuer, "sub": claims["sub"]},
        act=claims.get("act"),
    )


def _refresh_token(token: str, client: Client, now: float, jkt: str) -> SubjectToken:
    # > validate it the same way it would for a standard `refresh_token` grant at the token endpoint: the token is
    # > issued by the IdP, bound to the authenticated client, unexpired, not revoked (ID-JAG §4.3.3)
    # It is not used up: it stands for the sign-in.
    presented = refresh_tokens.read(token)
    authorization = _authorization(str(presented.authorization), client)
    # Attack: a stolen refresh token that is bound to a key, exchanged where it cannot be refreshed.
    refresh_tokens.require_key(authorization, client, jkt)
    if presented.generation != authorization.generation:
        raise OAuthError(CoreReason.REFRESH_TOKEN_REPLAYED)
    if authorization.expires is None or datetime.fromtimestamp(now, UTC) >= authorization.expires:
        raise OAuthError(CoreReason.REFRESH_TOKEN_EXPIRED)
    # A refresh token for a protected resource alone says nothing of a sign-in to the client.
    if authorization.user is None or "openid" not in authorization.identity_scopes:
        raise OAuthError(Reason.SUBJECT_TOKEN_WITHOUT_SIGN_IN)
    # > offline_access [...] even when the End-User is not present (not logged in) (OpenID Connect Core §11)
    is_offline = "offline_access" in authorization.identity_scopes
    if not is_offline and not sessions.is_alive(authorization.session_digest, authorization.user):
        raise OAuthError(Reason.SESSION_ENDED)
    return _sign_in(authorization, kind="refresh_token", generation=presented.generation)


def _authorization(pk: object, client: Client) -> Authorization:
    """The live authorization that a token of ours names, if it is this client's as the client is now."""
    try:
        found = live.find(UUID(str(pk)))
    except ValueError:
        found = None
    if found is None:
        raise OAuthError(Reason.LINEAGE_ENDED, detail="authorization")
    if found.client_id != client.pk:
        raise OAuthError(CoreReason.REFRESH_TOKEN_OF_ANOTHER_CLIENT)
    if found.revoked is not None or found.client_digest != client.consent_digest:
        raise OAuthError(Reason.LINEAGE_ENDED, detail=found.revoked_reason or "client changed")
    return found


def _sign_in(authorization: Authorization, **traced: object) -> SubjectToken:
    assert authorization.user is not None  # noqa: S101  both callers have looked
    return SubjectToken(
        sign_in=sign_in_of(authorization.user, authorization),
        lineage={
            "subject_token": traced.pop("kind"),
            "authorization": str(authorization.pk),
            "session": authorization.session_digest,
            **traced,
        },
    )
