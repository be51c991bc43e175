"""Logout tokens of a trusted issuer (OpenID Connect Back-Channel Logout 1.0 §2.4, §2.6). Pure: keys and clock are the
caller's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from authz.protocol import jwts
from authz.protocol.errors import OAuthError
from authz.protocol.jwks import Key
from authz.protocol.jwts import JwtError, Unverified
from xaa.reasons import BY_JWT_PROBLEM, Reason

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
# > It is RECOMMENDED that Logout Tokens be explicitly typed: logout+jwt (§2.4). Most issuers write JWT, or nothing.
TYPES: Final = frozenset({None, "JWT", "logout+jwt"})
# Seconds. > preferably no more than two minutes in the future (§2.4); some issuers say more.
LONGEST_LIFETIME: Final = 3600
LONGEST: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Logout:
    """What a logout token says: `sid` one session at the issuer, `sub` a person there; "" where it names none.

    `expires` in seconds since the epoch.
    """

    issuer: str
    jti: str
    expires: float
    sub: str = ""
    sid: str = ""


def verify(
    token: Unverified, keys: Sequence[Key], *, issuer: str, client_id: str, others: Collection[str], now: float
) -> Logout:
    """The logout that a token of `issuer` asks this server for, as `client_id`. Raises `OAuthError`.

    `others` are the audiences that may stand beside it.
    """
    # > Validate the Logout Token signature in the same way that an ID Token signature is validated […] an alg with the
    # > value none MUST NOT be used for Logout Tokens. (§2.6)
    try:
        claims = jwts.verify(token, keys, typ=TYPES).claims
        # > Validate the iss, aud, iat, and exp Claims in the same way they are validated in ID Tokens. (§2.6)
        jwts.check_times(claims, now, leeway=jwts.CLOCK_SKEW, max_lifetime=LONGEST_LIFETIME, require=("exp", "iat"))
    except JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None
    if claims.get("iss") != issuer:
        raise OAuthError(Reason.ISSUER_UNTRUSTED)
    # > The ID Token MUST be rejected […] if it contains additional audiences not trusted by the Client. (OpenID Connect
    # > Core §3.1.3.7)
    aud = claims.get("aud")
    named = aud if isinstance(aud, list) else [aud]
    if client_id not in named or any(one != client_id and one not in others for one in named):
        raise OAuthError(Reason.ASSERTION_AUDIENCE)
    sub, sid = _text(claims, "sub"), _text(claims, "sid")
    # > Verify that the Logout Token contains a sub Claim, a sid Claim, or both. (§2.6)
    if not (sub or sid):
        raise OAuthError(Reason.LOGOUT_OF_NO_ONE)
    # > Verify that the Logout Token contains an events Claim whose value is JSON object containing the member name
    # > http://schemas.openid.net/event/backchannel-logout. (§2.6) An ID token or another event has none of it.
    events = claims.get("events")
    # > The corresponding member value MUST be a JSON object (§2.4)
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise OAuthError(Reason.LOGOUT_EVENT)
    # > Verify that the Logout Token does not contain a nonce Claim. (§2.6)
    if "nonce" in claims:
        raise OAuthError(Reason.LOGOUT_NONCE)
    jti = _text(claims, "jti")
    if not jti:
        raise OAuthError(Reason.ASSERTION_JTI)
    return Logout(issuer=issuer, jti=jti, expires=float(claims["exp"]) + jwts.CLOCK_SKEW, sub=sub, sid=sid)


def _text(claims: dict[str, Any], name: str) -> str:
    """A claim that is a text, "" where it is absent. Another kind of value, or an endless one, is refused."""
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > LONGEST or (name in claims and not value):
        raise OAuthError(Reason.ASSERTION_CLAIM, detail=name)
    return value
