"""Client assertions, as good or as bad as a test wants them (RFC 7523)."""

import secrets
import time
from typing import Any

import jwt

from authz.client_auth.private_key_jwt import ASSERTION_TYPE
from authz.conf import conf
from tests.support.world import agent_key


def client_assertion(
    client_id: str = "signing-agent",
    *,
    key: Any = None,
    alg: str = "ES256",
    headers: dict[str, Any] | None = None,
    **claims: Any,
) -> dict[str, str]:
    """The two parameters of a client that authenticates by `private_key_jwt`. A claim given as `...` is left out."""
    now = int(time.time())
    payload = {
        "iss": client_id,
        "sub": client_id,
        "aud": conf.issuer,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_urlsafe(8),
    } | claims
    payload = {name: value for name, value in payload.items() if value is not ...}
    assertion = jwt.encode(payload, key if key is not None else agent_key(), algorithm=alg, headers=headers)
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
