"""ID tokens, beside the access tokens of the code and refresh grants (OpenID Connect Core §2, §3.1.3.3, §12.2)."""

import base64
import hashlib
import secrets
from typing import Any

from authz import keys
from authz.conf import conf
from authz.registry import Issuance
from xaa.openid import claims

TYP = "JWT"
# > The algorithm RS256 MUST be included. (OpenID Connect Discovery §3)
SIGNING_ALG = "RS256"
# Seconds. However long it lives, what it may open is asked of the session and the authorization each time.
LIFETIME = 3600

METADATA = {
    "scopes_supported": list(claims.SCOPES),
    "subject_types_supported": ["public"],
    "id_token_signing_alg_values_supported": [SIGNING_ALG],
    "claims_supported": ["iss", "aud", "exp", "iat", *claims.SUPPORTED],
    "claims_parameter_supported": False,
}


def extend(issuance: Issuance) -> dict[str, Any]:
    """The `id_token` member, where the person is signed in to the client."""
    # > OpenID Connect requests MUST contain the openid scope value. (OpenID Connect Core §3.1.2.1)
    if "openid" not in issuance.identity_scopes:
        return {}
    return {"id_token": keys.sign(build(issuance), typ=TYP, alg=SIGNING_ALG, now=issuance.now)}


def build(issuance: Issuance) -> dict[str, Any]:
    """The claims of the ID token.

    `authorization` names what it stands under, so that revoking that also ends what the ID token may mint.
    """
    authorization = issuance.authorization
    issued_at = int(issuance.now)
    token: dict[str, Any] = {
        "iss": conf.issuer,
        "sub": str(issuance.user.subject),
        "aud": issuance.client.client_id,
        "iat": issued_at,
        "exp": issued_at + LIFETIME,
        "jti": secrets.token_hex(16),
        "authorization": str(authorization.pk),
        "at_hash": at_hash(issuance.access_token),
        **claims.of(issuance.user, issuance.identity_scopes),
    }
    # > If present in the Authentication Request, Authorization Servers MUST include a nonce Claim in the ID Token with
    # > the Claim Value being the nonce value sent in the Authentication Request. (OpenID Connect Core §2)
    if issuance.nonce:
        token["nonce"] = issuance.nonce
    # > its auth_time Claim Value MUST represent the time of the original authentication (OpenID Connect Core §12.2)
    if authorization.auth_time is not None:
        token["auth_time"] = authorization.auth_time
    if authorization.acr:
        token["acr"] = authorization.acr
    if authorization.amr:
        token["amr"] = list(authorization.amr)
    if authorization.session_digest:
        token["sid"] = authorization.session_digest
    return token


def at_hash(access_token: str) -> str:
    """> the base64url encoding of the left-most half of the hash of the octets of the ASCII representation of the
    > access_token value (OpenID Connect Core §3.1.3.6); SHA-256, as RS256 has it.
    """
    digest = hashlib.sha256(access_token.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode("ascii")
