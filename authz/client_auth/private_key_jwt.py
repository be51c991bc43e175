"""`private_key_jwt`: an assertion signed with the client's key (RFC 7523 §2.2, §3; OpenID Connect Core §9; SEP-1046).

Found good in this order: shape, client, algorithm and signature, issuer and subject, audience, times; and last of all
the `jti` is claimed, so that nothing that fails burns one.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from authz.conf import conf
from authz.database import replay
from authz.models import Client
from authz.outbound import remote_keys
from authz.outbound.remote_documents import DocumentOnItsWayError, DocumentUnavailableError, DocumentUnreachableError
from authz.protocol import jose_algorithms, jwks, jwts, refused_assertions
from authz.protocol.errors import OAuthError, Reason, RefusalReason
from authz.registry import Credentials

METHOD = "private_key_jwt"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = tuple(jose_algorithms.ALGORITHMS)
# An assertion is made for one request; SDKs give it five minutes.
MAXIMUM_LIFETIME = 3600
MAXIMUM_JTI = 512
# > explicit typing … "client-authentication+jwt" (RFC 7523bis §4); the SDKs send `JWT` or nothing. Kinds that mean
# something else (an ID-JAG, an access token, a logout token) are told apart by their typ and refused (attack 16).
TYPES = frozenset({None, "JWT", "client-authentication+jwt"})

# The grants by which a client brings, beside its assertion, what only itself was given.
BESIDE_A_SECRET = frozenset({"authorization_code", "refresh_token"})


def is_used(credentials: Credentials) -> bool:
    return "client_assertion" in credentials.params or "client_assertion_type" in credentials.params


def client_id(credentials: Credentials) -> str:
    # > The value of the "client_assertion_type" is "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" (RFC 7523
    # > §2.2)
    if credentials.params.get("client_assertion_type") != ASSERTION_TYPE:
        told = f"The client_assertion_type must be {ASSERTION_TYPE}"
        raise OAuthError(Reason.CLIENT_ASSERTION_WRONG_TYPE, told=told)
    subject = _parsed(credentials).claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise OAuthError(Reason.CLIENT_ASSERTION_ISSUER)
    return subject


def authenticate(credentials: Credentials, client: Client) -> None:
    unverified = _parsed(credentials)
    with refused_assertions.explained(unverified, credentials.now):
        claims = _signed(unverified, client)
        # > The JWT MUST contain an "iss" … For client authentication, the "sub" value MUST be the "client_id" (RFC 7523
        # > §3)
        if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
            raise OAuthError(Reason.CLIENT_ASSERTION_ISSUER)
        with _told_what_to_change(claims, credentials.now):
            if not is_for_us(claims.get("aud"), credentials.grant_type, credentials.audiences):
                raise OAuthError(Reason.CLIENT_ASSERTION_AUDIENCE)
            _check_times(claims, credentials.now)
            if not client.reuse_assertions:
                _claim(claims, client)


@contextmanager
def _told_what_to_change(claims: dict[str, Any], now: float) -> Iterator[None]:
    """The client's key has signed `claims`. If they name us, and not another server that may have passed them on, their
    author reads what is wrong (docs/decisions/0054-the-right-culprit.md).
    """
    try:
        yield
    except OAuthError as error:
        if _names_us_alone(claims.get("aud")):
            told = _TOLD.get(error.reason, "")
            error.told = told.format(issuer=conf.issuer, seconds=MAXIMUM_LIFETIME, now=int(now))
        raise


_TOLD: dict[RefusalReason, str] = {
    Reason.CLIENT_ASSERTION_AUDIENCE: "The aud of the client assertion must be the issuer, and nothing else: {issuer}",
    Reason.CLIENT_ASSERTION_EXPIRED: (
        "The exp of the client assertion is missing, no number, or past: this server's time is {now}."
    ),
    Reason.CLIENT_ASSERTION_NOT_YET_VALID: (
        "The iat or nbf of the client assertion is in the future: this server's time is {now}."
    ),
    Reason.CLIENT_ASSERTION_LIFETIME: (
        "The exp of the client assertion must be after its iat, and {seconds} seconds after it and now at the most."
    ),
    Reason.CLIENT_ASSERTION_JTI_MISSING: "The client assertion needs a jti: a text of 1 to 512 characters.",
    Reason.CLIENT_ASSERTION_REPLAYED: (
        "The client assertion was used before: sign a new one, with a jti of its own, for each request."
    ),
}


def _names_us_alone(audience: object) -> bool:
    named = audience if isinstance(audience, list) else [audience]
    ours = (conf.origin, conf.issuer)
    return bool(named) and all(
        isinstance(one, str) and (one in ours or one.startswith(f"{conf.origin}/")) for one in named
    )


def is_for_us(audience: object, grant_type: str = "", others: Collection[str] = ()) -> bool:
    """Whether an assertion's `aud` names us and nothing else. `grant_type` is that of a token request; `others` are
    addresses that will do, too.

    Python's SDK 1.x adds a slash to the issuer (interop 2): it still names us alone.
    """
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    if not isinstance(audience, str):
        return False
    # > The Audience SHOULD be the URL of the Authorization Server's Token Endpoint (OpenID Connect Core §9)
    # A server that names our token endpoint as its own gets such assertions (rfc7523bis §1). So they count only where
    # an assertion alone is worth nothing (attack 16).
    if grant_type in BESIDE_A_SECRET and audience == conf.endpoint("token"):
        return True
    return audience in {conf.issuer, f"{conf.issuer}/", *others}


def _parsed(credentials: Credentials) -> jwts.Unverified:
    assertion = credentials.params.get("client_assertion")
    if assertion is None:
        raise OAuthError(Reason.CLIENT_ASSERTION_MALFORMED)
    parsed: jwts.Unverified | None = credentials.read.get(METHOD)
    if parsed is None:
        try:
            parsed = credentials.read[METHOD] = jwts.parse(assertion)
        except jwts.JwtError as error:
            raise OAuthError(Reason.CLIENT_ASSERTION_MALFORMED, detail=error.problem) from None
    return parsed


def _signed(unverified: jwts.Unverified, client: Client) -> dict[str, Any]:
    try:
        keys = _keys(client, unverified)
        try:
            return jwts.verify(unverified, keys, typ=TYPES).claims
        except jwts.JwtError as error:
            newer = _newer_keys(client, error, keys)
            if not newer:
                raise
            return jwts.verify(unverified, newer, typ=TYPES).claims
    except jwts.JwtError as error:
        reason = {
            jwts.JwtProblem.ALGORITHM: Reason.CLIENT_ASSERTION_ALGORITHM,
            jwts.JwtProblem.TYP: Reason.CLIENT_ASSERTION_WRONG_TYPE,
            jwts.JwtProblem.KEY_SET: Reason.CLIENT_KEYS_UNAVAILABLE,
        }.get(error.problem, Reason.CLIENT_ASSERTION_SIGNATURE)
        raise OAuthError(reason, detail=error.problem) from None


def _keys(client: Client, unverified: jwts.Unverified) -> tuple[jwks.Key, ...]:
    return _published(client, kid=unverified.kid) if client.client_jwks_uri else client.keys


def _published(client: Client, *, kid: str | None = None, tried: tuple[jwks.Key, ...] = ()) -> tuple[jwks.Key, ...]:
    """The keys at the client's `jwks_uri`; beside those that were `tried`, if any were."""
    try:
        if tried:
            return remote_keys.renewed(client.client_jwks_uri, tried=tried)
        return remote_keys.keys(client.client_jwks_uri, kid=kid)
    except DocumentOnItsWayError as error:
        # Nothing is wrong with the client: told `invalid_client`, it might give up.
        raise OAuthError(Reason.CLIENT_KEYS_ON_THEIR_WAY, detail=str(error), retry_after=1) from None
    except DocumentUnreachableError as error:
        # Nor is it the client's fault that the host of its keys does not answer: it counts as no wrong guess.
        raise OAuthError(Reason.CLIENT_KEYS_UNREACHABLE, detail=str(error), retry_after=error.retry_after) from None
    except DocumentUnavailableError as error:
        raise OAuthError(Reason.CLIENT_KEYS_UNAVAILABLE, detail=str(error)) from None


def _newer_keys(client: Client, error: jwts.JwtError, tried: tuple[jwks.Key, ...]) -> tuple[jwks.Key, ...]:
    """The keys that the client has published since, where none of the ones that we knew was right."""
    if not client.client_jwks_uri or error.problem not in {jwts.JwtProblem.SIGNATURE, jwts.JwtProblem.NO_KEY}:
        return ()
    return _published(client, tried=tried)


def _check_times(claims: dict[str, Any], now: float) -> None:
    try:
        jwts.check_times(claims, now, leeway=jwts.CLOCK_SKEW, max_lifetime=MAXIMUM_LIFETIME)
    except jwts.JwtError as error:
        reason = {
            jwts.JwtProblem.NOT_YET_VALID: Reason.CLIENT_ASSERTION_NOT_YET_VALID,
            jwts.JwtProblem.LIFETIME: Reason.CLIENT_ASSERTION_LIFETIME,
        }.get(error.problem, Reason.CLIENT_ASSERTION_EXPIRED)
        raise OAuthError(reason, detail=error.problem) from None


def _claim(claims: dict[str, Any], client: Client) -> None:
    jti = claims.get("jti")
    # > "jti": REQUIRED. … These tokens MUST only be used once (OpenID Connect Core §9)
    if not isinstance(jti, str) or not 0 < len(jti) <= MAXIMUM_JTI:
        raise OAuthError(Reason.CLIENT_ASSERTION_JTI_MISSING)
    # One statement is a transaction of its own.
    if not replay.claim(f"client:{client.client_id}", jti, claims["exp"] + jwts.CLOCK_SKEW):
        raise OAuthError(Reason.CLIENT_ASSERTION_REPLAYED)
