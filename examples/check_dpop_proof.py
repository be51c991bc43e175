"""Checks that an access token comes with the key that it is bound to (DPoP, RFC 9449): for MCP servers in Python.

It needs `pyjwt[crypto]`. Call `check_proof` after the token itself was verified.
"""

import base64
import hashlib
import json
import time

import jwt
from jwt.algorithms import get_default_algorithms

URL = "https://payroll.example.com/mcp"
USED: dict[str, float] = {}  # for one process; use a shared store for several


def thumbprint(jwk: dict) -> str:
    required = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}[jwk["kty"]]
    canonical = json.dumps({name: jwk[name] for name in required}, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


def check_proof(method: str, scheme: str, token: str, claims: dict, proof: str | None) -> None:
    """Raises ValueError unless the token comes with the key that it is bound to. `claims`: of the verified token."""
    bound = claims.get("cnf", {}).get("jkt")
    if not bound:
        return  # a bearer token; refuse it here if your server takes bound tokens alone
    if scheme.lower() != "dpop" or not proof or "," in proof:
        raise ValueError("a bound token needs the scheme DPoP and one proof")
    header = jwt.get_unverified_header(proof)
    jwk = header.get("jwk", {})
    if header.get("typ") != "dpop+jwt" or header["alg"] not in ("ES256", "PS256", "RS256", "EdDSA") or "d" in jwk:
        raise ValueError("not a proof")
    key = get_default_algorithms()[header["alg"]].from_jwk(jwk)
    said = jwt.decode(
        proof, key, [header["alg"]], options={"require": ["jti", "iat"], "verify_iat": False, "verify_aud": False}
    )
    ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    now = time.time()
    if (said.get("htm"), said.get("htu", "").split("?")[0], said.get("ath")) != (method, URL, ath):
        raise ValueError("a proof for another request or another token")
    if abs(now - said["iat"]) > 300 or thumbprint(jwk) != bound:
        raise ValueError("too old, or another key")
    for used in [one for one, at in USED.items() if at < now - 600]:
        del USED[used]
    if USED.setdefault(said["jti"], now) != now:
        raise ValueError("used before")
