"""The ID-JAG: verified by the draft's processing rules, and built by its list of claims.

draft-ietf-oauth-identity-assertion-authz-grant-04 §3 (claims), §4.4.1 (processing), §8 (cross-domain, key binding);
RFC 7521 §5.2 and RFC 7523 §3, which apply as a whole; MCP enterprise-managed authorization §4.3 and §5.1.

Pure: `verify` is given everything that it needs to know, so each rule is a row in a table test, and `xaa explain` can
go through the same rules one by one.
"""

from collections.abc import Mapping
from typing import Any

from authz.protocol import scopes
from authz.protocol.jwts import CLOCK_SKEW
from xaa.id_jag.claims import build
from xaa.id_jag.rules import RULES, Rule, check_actor
from xaa.id_jag.values import (
    GRANT_PROFILE,
    LIFETIME,
    LONGEST_LIFETIME,
    PUBLIC_CLOCK_SKEW,
    TOKEN_TYPE,
    TYP,
    IdJag,
    Presented,
)

__all__ = [
    "GRANT_PROFILE",
    "LIFETIME",
    "LONGEST_LIFETIME",
    "PUBLIC_CLOCK_SKEW",
    "RULES",
    "TOKEN_TYPE",
    "TYP",
    "IdJag",
    "Presented",
    "Rule",
    "build",
    "check_actor",
    "verify",
]


def verify(presented: Presented) -> IdJag:
    """What the ID-JAG grants. Raises OAuthError with the first rule's reason that it breaks."""
    for rule in RULES:
        rule(presented)
    claims = presented.claims
    return IdJag(
        issuer=presented.issuer,
        tenant=claims.get("tenant", ""),
        subject=claims["sub"],
        jti=claims["jti"],
        resources=_resources(claims),
        scopes=scopes.parse(claims["scope"]) if "scope" in claims else None,
        auth_time=int(claims["auth_time"]) if "auth_time" in claims else None,
        acr=claims.get("acr", ""),
        amr=tuple(claims.get("amr", ())),
        act=claims.get("act"),
        expires=float(claims["exp"]) + CLOCK_SKEW,
        claims=claims,
    )


def _resources(claims: Mapping[str, Any]) -> tuple[str, ...]:
    claim = claims.get("resource")
    if claim is None:
        return ()
    return tuple(claim) if isinstance(claim, list) else (claim,)
