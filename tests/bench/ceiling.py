"""The ceiling: a bare WSGI application that parses a form, compares a digest and mints an ES256 token. No database."""

import hashlib
import hmac
import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authz.protocol import jwts

DIGEST = hashlib.sha256(b"nightly-report-secret-0123456789-0123456789").hexdigest()
SIGNERS = {
    b"/es256": jwts.signer(ec.generate_private_key(ec.SECP256R1()), kid="ceiling", alg="ES256", typ="at+jwt"),
    b"/rs256": jwts.signer(rsa.generate_private_key(65537, 2048), kid="ceiling", alg="RS256", typ="at+jwt"),
}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    params = parse_qs(body)
    _, secret = b64decode(environ["HTTP_AUTHORIZATION"][6:]).split(b":")
    if not hmac.compare_digest(hashlib.sha256(secret).hexdigest(), DIGEST) or b"grant_type" not in params:
        raise RuntimeError("the bench sends what the ceiling accepts")
    now = int(time.time())
    claims = {
        "iss": "http://127.0.0.1/o",
        "sub": "nightly-report",
        "aud": "http://127.0.0.1:9200/mcp",
        "client_id": "nightly-report",
        "scope": "mcp:read",
        "iat": now,
        "exp": now + 600,
        "jti": "0123456789abcdef",
    }
    token = SIGNERS[environ["PATH_INFO"].encode()].sign(claims)
    answer = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 600}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
