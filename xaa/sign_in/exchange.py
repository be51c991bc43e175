"""The exchange with an issuer by which it says who a person is: code, ID token, UserInfo (OpenID Connect Core §3.1.3).

Signing in (xaa/sign_in/provider.py) and its test (xaa/sign_in/trial.py) go through here alike. Every call goes through
`authz.outbound`. A refusal is an OAuthError; what follows from it is for the caller to say.
"""

import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from authz.outbound import Cause, OutboundError, Role, fetch
from authz.outbound.remote_documents import DocumentOnItsWayError, DocumentUnavailableError, DocumentUnreachableError
from authz.protocol import jwts, strict_json
from authz.protocol.errors import OAuthError
from xaa import trusted_issuers
from xaa.reasons import BY_JWT_PROBLEM, Reason
from xaa.subjects import identity_assertions
from xaa.trusted_issuers import Trust, discovery

# Seconds that the issuer's clock may differ, and a person may take, when a fresh sign-in was asked for.
FRESH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What came back with the person's browser, and what was kept when it was sent away. `iss` is None if absent."""

    code: str
    iss: str | None
    verifier: str
    redirect_uri: str


def metadata_of(trust: Trust) -> Mapping[str, Any]:
    try:
        return discovery.metadata(trust.issuer)
    except (DocumentUnreachableError, DocumentOnItsWayError) as error:
        raise OAuthError(Reason.SIGN_IN_UNREACHABLE, detail=str(error)) from None
    except DocumentUnavailableError as error:
        raise OAuthError(Reason.SIGN_IN_UNAVAILABLE, detail=str(error)) from None


def tokens(trust: Trust, client_id: str, secret: str, returned: Returned) -> dict[str, Any]:
    """The token response."""
    metadata = metadata_of(trust)
    # > If the value does not match the expected issuer identifier, clients MUST reject the authorization response
    # > (RFC 9207 §2.4)
    promised = metadata.get("authorization_response_iss_parameter_supported") is True
    if (returned.iss if returned.iss is not None else None if promised else trust.issuer) != trust.issuer:
        raise OAuthError(Reason.SIGN_IN_OF_ANOTHER_ISSUER, detail="iss")
    form = {
        "grant_type": "authorization_code",
        "code": returned.code,
        "redirect_uri": returned.redirect_uri,
        "code_verifier": returned.verifier,
    }
    form, headers = authenticated(form, client_id, secret, metadata)
    return _json(metadata["token_endpoint"], headers=headers, body=urlencode(form).encode())


def id_token(trust: Trust, client_id: str, token: object, *, nonce: str, fresh: bool = False) -> dict[str, Any]:
    """The ID token's claims: its signature too, since metadata of another could name the same token endpoint."""
    try:
        unverified = jwts.parse(token if isinstance(token, str) else "")
    except jwts.JwtError as error:
        raise OAuthError(BY_JWT_PROBLEM[error.problem]) from None
    found = trusted_issuers.keys_for(trust, unverified)
    # It came from the issuer's token endpoint for this very sign-in, so others may have it, too.
    claims = identity_assertions.verify(
        unverified, found, issuer=trust.issuer, audiences=(client_id,), others=None, now=time.time()
    )
    # > If a nonce value was sent in the Authentication Request, a nonce Claim MUST be present and its value checked
    # > to verify that it is the same value (OpenID Connect Core §3.1.3.7)
    if not nonce or claims.get("nonce") != nonce:
        raise OAuthError(Reason.SIGN_IN_NONCE)
    # > If the auth_time Claim was requested, [...] the Client SHOULD check the auth_time Claim value and request
    # > re-authentication if it determines too much time has elapsed (OpenID Connect Core §3.1.3.7)
    if fresh and claims.get("auth_time", 0) < time.time() - FRESH:
        raise OAuthError(Reason.SIGN_IN_NOT_FRESH)
    return claims


def userinfo(trust: Trust, access_token: object) -> dict[str, Any]:
    """What the issuer says besides; nothing where it has no such endpoint."""
    address = metadata_of(trust).get("userinfo_endpoint")
    return _json(address, headers={"Authorization": f"Bearer {access_token}"}) if address else {}


def authenticated(
    form: Mapping[str, str], client_id: str, plain: str, metadata: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """The token request's form and headers with the client's authentication (RFC 6749 §2.3.1)."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if not plain:
        return {**form, "client_id": client_id}, headers
    # > If omitted, the default is client_secret_basic (OpenID Connect Discovery §3)
    methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if "client_secret_basic" in methods or "client_secret_post" not in methods:
        pair = f"{quote(client_id, safe='')}:{quote(plain, safe='')}".encode()
        return dict(form), {**headers, "Authorization": f"Basic {b64encode(pair).decode('ascii')}"}
    return {**form, "client_id": client_id, "client_secret": plain}, headers


def _json(address: str, *, headers: Mapping[str, str], body: bytes | None = None) -> dict[str, Any]:
    try:
        return strict_json.read_object(fetch(Role.ISSUER_SIGN_IN, address, headers=headers, body=body).body)
    except OutboundError as error:
        is_nobodys = error.is_down or error.cause is Cause.BUSY
        reason = Reason.SIGN_IN_UNREACHABLE if is_nobodys else Reason.SIGN_IN_UNAVAILABLE
        raise OAuthError(reason, detail=f"{error.cause.value} {error.status or ''}".strip()) from None
    except strict_json.StrictJsonError as error:
        raise OAuthError(Reason.SIGN_IN_UNAVAILABLE, detail=str(error)) from None
