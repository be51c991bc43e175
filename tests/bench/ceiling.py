"""The ceiling: a bare WSGI application that parses a form, compares a digest and mints an ES256 token. No database, or
(`/row`) one committed row that survives a power cut.
"""

import hashlib
import hmac
import json
import os
import sqlite3
import time
from base64 import b64decode
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from authz.protocol import jwts

DIGEST = hashlib.sha256(b"nightly-report-secret-0123456789-0123456789").hexdigest()
SIGNERS = {
    b"/es256": jwts.signer(ec.generate_private_key(ec.SECP256R1()), kid="ceiling", alg="ES256", typ="at+jwt"),
    b"/rs256": jwts.signer(rsa.generate_private_key(65537, 2048), kid="ceiling", alg="RS256", typ="at+jwt"),
}
SIGNERS[b"/row"] = SIGNERS[b"/es256"]


@cache
def _database() -> sqlite3.Connection:
    connection = sqlite3.connect(
        os.environ["CEILING_DATABASE"], isolation_level=None, timeout=20, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS audit (time REAL, event TEXT)")
    return connection


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
    path = environ["PATH_INFO"].encode()
    token = SIGNERS[path].sign(claims)
    if path == b"/row":
        _database().execute("INSERT INTO audit (time, event) VALUES (?, ?)", (now, json.dumps(claims)))
    answer = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 600}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
