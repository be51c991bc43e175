"""Requests that show a key (DPoP, RFC 9449), for agents in Python with httpx: a stolen token is worth nothing.

    key = ec.generate_private_key(ec.SECP256R1())  # kept for as long as the tokens live
    headers = {"DPoP": proof(key, "POST", f"{issuer}/token")}
    token = (await http.post(f"{issuer}/token", data=form, auth=client, headers=headers)).json()["access_token"]
    async with Client("https://payroll.example.com/mcp", auth=BoundToken(key, token)) as mcp: ...

It needs `pyjwt[crypto]`.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Generator

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from jwt.algorithms import ECAlgorithm


def proof(key: EllipticCurvePrivateKey, method: str, url: str, token: str = "", nonce: str = "") -> str:
    """The DPoP header of one request. `token`: the access token beside it, where there is one."""
    address, _, _ = url.partition("?")
    claims = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": address, "iat": int(time.time())}
    if token:
        claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    if nonce:
        claims["nonce"] = nonce
    jwk = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    return jwt.encode(claims, key, "ES256", headers={"typ": "dpop+jwt", "jwk": jwk})


class BoundToken(httpx2.Auth):
    """Each request with the token and a proof of its own; once more where the server supplies a nonce (§9)."""

    def __init__(self, key: EllipticCurvePrivateKey, token: str) -> None:
        self._key, self._token, self._nonce = key, token, ""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        self._prove(request)
        response = yield request
        nonce = response.headers.get("DPoP-Nonce", self._nonce)
        if nonce != self._nonce:
            self._nonce = nonce
            if response.status_code == httpx2.codes.UNAUTHORIZED:
                self._prove(request)
                yield request

    def _prove(self, request: httpx2.Request) -> None:
        request.headers["Authorization"] = f"DPoP {self._token}"
        request.headers["DPoP"] = proof(self._key, request.method, str(request.url), self._token, self._nonce)
