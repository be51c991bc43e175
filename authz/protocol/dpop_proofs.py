"""DPoP proofs (RFC 9449 §4): a JWT by which a client shows that it has the private key of the public one inside.

`check` goes through §4.3 but for three things, which need a store or a clock of several nodes (authz/dpop): whether the
proof was used before, whether its nonce is ours, and which key a token is bound to.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from authz.protocol import jose_algorithms, jwks, jwts, target_uris
from authz.protocol.errors import OAuthError, Reason

TYP: Final = "dpop+jwt"
# > MUST be […] asymmetric signature algorithms (RFC 9449 §4.3): no others are implemented.
ALGORITHMS: Final = tuple(jose_algorithms.ALGORITHMS)
# > Implementations conforming to this specification MUST verify that the `iat` claim is within ±5 minutes of the
# > server's current time (SEP-1932's extension)
WINDOW: Final = 300
MAXIMUM_LENGTH: Final = 4096
MAXIMUM_JTI: Final = 256
MAXIMUM_NONCE: Final = 128
JKT_LENGTH: Final = 43
_PROBLEMS: Final = {
    jwts.JwtProblem.ALGORITHM: Reason.DPOP_PROOF_ALGORITHM,
    jwts.JwtProblem.TYP: Reason.DPOP_PROOF_TYP,
    # The algorithm is not one of its key's.
    jwts.JwtProblem.NO_KEY: Reason.DPOP_PROOF_ALGORITHM,
    jwts.JwtProblem.SIGNATURE: Reason.DPOP_PROOF_SIGNATURE,
}


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that holds. `jkt` is the thumbprint of its key (RFC 9449 §6.1), `issued_at` in seconds since the epoch;
    `nonce` is "" where it has none.
    """

    jkt: str
    jti: str
    issued_at: float
    nonce: str = ""

    @property
    def expires(self) -> float:
        """From when on it is too old, in seconds since the epoch."""
        return self.issued_at + WINDOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request that a proof is for: its method, its address as clients write it, and when it came (seconds since
    the epoch). `token` is the access token beside it, None at an endpoint that takes none.
    """

    method: str
    address: str
    now: float
    token: str | None = None


def check(header: str, asked: Asked) -> Proof:
    """The proof in a DPoP header. Raises `OAuthError` for one that does not hold for this request."""
    # > 1. There is not more than one DPoP HTTP request header field. (RFC 9449 §4.3)
    # The server writes several as one, with a comma between them, and no JWT has a comma.
    if "," in header:
        raise OAuthError(Reason.DPOP_PROOF_SEVERAL)
    if len(header) > MAXIMUM_LENGTH:
        raise OAuthError(Reason.DPOP_PROOF_MALFORMED, detail="length")
    try:
        # > 2. The DPoP HTTP request header field value is a single and well-formed JWT.
        unverified = jwts.parse(header.strip(), with_key=True)
        key, jkt = _key(unverified.header.get("jwk"))
        # > 4. The typ JOSE Header Parameter has the value dpop+jwt. 5. The alg […] indicates a registered asymmetric
        # > digital signature algorithm, is not none, is supported by the application, and is acceptable per local
        # > policy. 6. The JWT signature verifies with the public key contained in the jwk JOSE Header Parameter.
        jwts.verify(unverified, [replace(key, kid=unverified.kid)], typ={TYP})
    except jwts.JwtError as error:
        raise OAuthError(_PROBLEMS.get(error.problem, Reason.DPOP_PROOF_MALFORMED), detail=error.problem) from None
    return _checked(unverified.claims, jkt, asked)


def _checked(claims: Mapping[str, Any], jkt: str, asked: Asked) -> Proof:
    # > 3. All required claims per Section 4.2 are contained in the JWT.
    jti, nonce = claims.get("jti"), claims.get("nonce", "")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAXIMUM_JTI:
        raise OAuthError(Reason.DPOP_PROOF_MALFORMED, detail="jti")
    if not isinstance(nonce, str) or len(nonce) > MAXIMUM_NONCE:
        raise OAuthError(Reason.DPOP_PROOF_MALFORMED, detail="nonce")
    # > 8. The htm claim matches the HTTP method of the current request. (Methods know letter case, RFC 9110 §9.1.)
    if claims.get("htm") != asked.method:
        raise OAuthError(Reason.DPOP_PROOF_METHOD)
    # > 9. The htu claim matches the HTTP URI value for the HTTP request in which the JWT was received, ignoring any
    # > query and fragment parts.
    htu = claims.get("htu")
    if not isinstance(htu, str) or not target_uris.are_equal(htu, asked.address):
        raise OAuthError(Reason.DPOP_PROOF_ADDRESS)
    issued_at = _issued_at(claims, asked.now)
    # > 12. If presented to a protected resource in conjunction with an access token, ensure that the value of the ath
    # > claim equals the hash of that access token
    if asked.token is not None and claims.get("ath") != ath(asked.token):
        raise OAuthError(Reason.DPOP_PROOF_TOKEN)
    return Proof(jkt=jkt, jti=jti, issued_at=issued_at, nonce=nonce)


def _issued_at(claims: Mapping[str, Any], now: float) -> float:
    """> 11. The creation time of the JWT, as determined by either the iat claim or a server managed timestamp via the
    > nonce claim, is within an acceptable window
    """
    try:
        # `exp` and `nbf` are no claims of a proof, but one that has them means them.
        jwts.check_times(claims, now, leeway=WINDOW, require=("iat",))
    except jwts.JwtError as error:
        raise OAuthError(Reason.DPOP_PROOF_TIME, detail=error.problem) from None
    issued_at = float(claims["iat"])
    if now >= issued_at + WINDOW:
        raise OAuthError(Reason.DPOP_PROOF_TIME, detail=jwts.JwtProblem.EXPIRED)
    return issued_at


def ath(token: str) -> str:
    """> the base64url-encoded SHA-256 hash of the ASCII encoding of the associated access token's value (§4.2)"""
    digest = hashlib.sha256(token.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def is_thumbprint(value: object) -> bool:
    """Whether a value has the form of a `jkt`: a SHA-256 in base64url."""
    if not isinstance(value, str) or len(value) != JKT_LENGTH or not value.isascii():
        return False
    return value.replace("-", "a").replace("_", "a").isalnum()


def _key(jwk: object) -> tuple[jwks.Key, str]:
    """The key and its thumbprint. Raises `OAuthError`."""
    if not isinstance(jwk, dict):
        raise OAuthError(Reason.DPOP_PROOF_KEY, detail="no jwk")
    return _read(json.dumps(jwk, sort_keys=True))


# A client signs all its proofs with one key, and reading a key costs as much as a signature.
@lru_cache(1000)
def _read(jwk: str) -> tuple[jwks.Key, str]:
    try:
        # > 7. The jwk JOSE Header Parameter does not contain a private key.
        found = jwks.read({"keys": [json.loads(jwk)]})
    except jwks.KeySetError:
        raise OAuthError(Reason.DPOP_PROOF_KEY, detail="private or symmetric") from None
    if not found.keys:
        raise OAuthError(Reason.DPOP_PROOF_KEY, detail=found.passed_over[0].why.value)
    key = found.keys[0]
    return key, jwks.thumbprint(jwks.public_jwk(key.public_key))
