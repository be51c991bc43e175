"""Access tokens: RFC 9068 JWTs, stateless and short, each naming the authorization that it stands under."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from authz import audit, decisions, keys
from authz.authorizations.status_lists import Entry
from authz.conf import conf
from authz.models import ProtectedResource
from authz.policy import Decision
from authz.protocol import jwts, scopes
from authz.registry import TokenRequest

# > JWT access tokens MUST include this media type in the "typ" header parameter … "at+jwt" (RFC 9068 §2.1)
TYP = "at+jwt"
IDENTITY_TOKEN_LIFETIME = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A minted token with what its response and its audit record say of it. `lifetime` in seconds."""

    jwt: str
    jti: str
    authorization: UUID
    client_id: str
    subject: str
    audience: str
    lifetime: int
    scopes: tuple[str, ...]

    def response(self) -> dict[str, Any]:
        """The successful response's members (RFC 6749 §5.1)."""
        return {
            "access_token": self.jwt,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "scope": scopes.join(self.scopes),
        }


def mint(
    *,
    authorization: UUID,
    client_id: str,
    subject: str,
    resource: ProtectedResource | None,
    scope: Sequence[str],
    now: float,
    lifetime_cap: int | None = None,
    auth_time: int | None = None,
    acr: str = "",
    amr: Sequence[str] = (),
    status: Entry | None = None,
    extra: dict[str, Any] | None = None,
) -> AccessToken:
    """Sign an access token for one resource. Whoever calls this has decided, and records it in `unit_of_work()`.

    Without a resource the token is for nothing but this server's own /userinfo (a sign-in that asked for no more).

    `subject` is a person's, or the client_id where no person is involved (RFC 9068 §2.2).
    """
    longest = resource.access_token_lifetime if resource else IDENTITY_TOKEN_LIFETIME
    lifetime = longest if lifetime_cap is None else min(longest, lifetime_cap)
    issued_at = int(now)
    # In hex: an identifier that may begin with a dash is no argument of a command.
    jti = secrets.token_hex(16)
    claims: dict[str, Any] = {
        "iss": conf.issuer,
        "sub": subject,
        "aud": resource.identifier if resource else conf.endpoint("userinfo"),
        "client_id": client_id,
        "scope": scopes.join(scope),
        "iat": issued_at,
        "exp": issued_at + lifetime,
        "jti": jti,
        "authorization": str(authorization),
    }
    if auth_time is not None:
        claims["auth_time"] = auth_time
    if acr:
        claims["acr"] = acr
    if amr:
        claims["amr"] = list(amr)
    if status is not None:
        claims["status"] = status.claim()
    if extra:
        claims |= extra
    alg = resource.access_token_signing_alg if resource else "RS256"
    jwt = keys.sign(claims, typ=TYP, alg=alg, now=now)
    return AccessToken(
        jwt=jwt,
        jti=jti,
        authorization=authorization,
        client_id=client_id,
        subject=subject,
        audience=claims["aud"],
        lifetime=lifetime,
        scopes=tuple(scope),
    )


def record(
    token: AccessToken, *, request: TokenRequest, grant_type: str, decision: Decision, **lineage: object
) -> None:
    """The audit record without which no token is issued (law 4): who decided, and what it is traced by."""
    audit.record(
        audit.Event.TOKEN_ISSUED,
        client_id=token.client_id,
        subject=token.subject if token.subject != token.client_id else "",
        resource=token.audience,
        authorization=token.authorization,
        detail={
            "grant_type": grant_type,
            "auth_method": request.auth_method,
            "jti": token.jti,
            "scope": scopes.join(token.scopes),
            "lifetime": token.lifetime,
            **decisions.traced(decision),
            **lineage,
        },
    )


def read(jwt: str, *, now: float) -> dict[str, Any]:
    """The claims of an access token of ours that has not expired. Raises `jwts.JwtError` for anything else."""
    verified = jwts.verify(jwt, keys.verification_keys(now), algorithms=keys.ALGORITHMS, typ={TYP})
    claims = verified.claims
    jwts.check_times(claims, now, leeway=0)
    if claims.get("iss") != conf.issuer:
        raise jwts.JwtError(jwts.JwtProblem.MALFORMED)
    return claims
