"""The claims of an ID-JAG that this server issues (ID-JAG §3)."""

from collections.abc import Mapping, Sequence
from typing import Any

from authz.protocol import scopes
from xaa.id_jag.values import LIFETIME


def build(
    *,
    issuer: str,
    audience: str,
    subject: str,
    client_id: str,
    resource: str,
    scope: Sequence[str],
    jti: str,
    now: float,
    lifetime: int = LIFETIME,
    authentication: Mapping[str, Any] | None = None,
    email: str = "",
    act: Mapping[str, Any] | None = None,
    tenant: str = "",
    aud_tenant: str = "",
    aud_sub: str = "",
    jkt: str = "",
) -> dict[str, Any]:
    """The claims of an ID-JAG (ID-JAG §3). `client_id` and `subject` are those that the audience knows.

    resource        "" for all of the audience's.
    lifetime        in seconds, 300 at most.
    authentication  the claims `auth_time`, `acr` and `amr`, as far as they are known (`SignIn.claims`).
    jkt             the thumbprint of the key that the client has shown.
    email           only where it is known to be the person's: it is asserted as verified.
    """
    issued_at = int(now)
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "client_id": client_id,
        "jti": jti,
        "iat": issued_at,
        "exp": issued_at + min(lifetime, LIFETIME),
    }
    if resource:
        claims["resource"] = resource
    if scope:
        claims["scope"] = scopes.join(scope)
    claims |= authentication or {}
    if act:
        claims["act"] = dict(act)
    named = {"tenant": tenant, "aud_tenant": aud_tenant, "aud_sub": aud_sub}
    claims |= {name: value for name, value in named.items() if value}
    # > If the DPoP proof is valid, the IdP MUST include a `cnf` claim in the issued ID-JAG containing a `jkt` property
    # > with the JWK SHA-256 Thumbprint computed from the DPoP proof's `jwk` header parameter (ID-JAG §8.6)
    if jkt:
        claims["cnf"] = {"jkt": jkt}
    # > It is RECOMMENDED that the ID-JAG contain an `email` [...] and/or `aud_sub` [...] claim. (ID-JAG §3)
    if email:
        claims |= {"email": email, "email_verified": True}
    return claims
