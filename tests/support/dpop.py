"""DPoP keys of clients, and the proofs that they make (RFC 9449)."""

import base64
import hashlib
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from authz.conf import conf
from authz.protocol import jwks

PrivateKey = Any


class DpopKey:
    """A client's key. A claim or header that is given as None is left out."""

    def __init__(self, key: PrivateKey = None, alg: str = "ES256") -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.alg = alg
        members = jwks.public_jwk(self.key.public_key())
        self.jwk = {name: value for name, value in members.items() if name not in {"kid", "use"}}
        self.jkt = jwks.thumbprint(self.jwk)

    def proof(
        self,
        address: str = "",
        *,
        method: str = "POST",
        token: str | None = None,
        header: dict[str, Any] | None = None,
        key: PrivateKey = None,
        **changes: Any,
    ) -> str:
        claims = {
            "jti": uuid.uuid4().hex,
            "htm": method,
            "htu": address or conf.endpoint("token"),
            "iat": int(time.time()),
            "ath": None if token is None else ath(token),
        }
        headers = {"typ": "dpop+jwt", "jwk": self.jwk} | (header or {})
        return jwt.encode(_present(claims | changes), key or self.key, self.alg, _present(headers))

    def headers(self, address: str, token: str, *, method: str = "POST", **changes: Any) -> dict[str, str]:
        """The two headers with which a client presents a bound token."""
        proof = self.proof(address, method=method, token=token, **changes)
        return {"authorization": f"DPoP {token}", "dpop": proof}


def ath(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
