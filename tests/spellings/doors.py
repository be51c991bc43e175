"""What the tables need: bodies, a signed-in administrator, and tokens with any header."""

import base64
import json
import time
import uuid
from typing import Any

from django.test import Client as Browser
from jwt.algorithms import ECAlgorithm

from authz.client_auth.private_key_jwt import ASSERTION_TYPE
from authz.conf import conf
from authz.models import User
from tests.support.world import agent_key

BACKEND = "authz.sign_in.password_backend.PasswordBackend"


def body(response: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.content)
    return found


def administrator() -> Browser:
    found = Browser()
    found.force_login(User.objects.get(username="alice"), BACKEND)
    return found


def signed_by_client(header: dict[str, Any], key: Any = None, **changes: Any) -> dict[str, str]:
    now = int(time.time())
    said = {
        "iss": "signing-agent", "sub": "signing-agent", "aud": conf.issuer, "iat": now, "exp": now + 60,
        "jti": uuid.uuid4().hex,
    }  # fmt: skip
    token = signed_with(key or agent_key(), header, said | changes)
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": token}


def signed_with(key: Any, header: dict[str, Any], said: dict[str, Any]) -> str:
    """A compact JWS with exactly this header: a library would leave out what it knows better."""
    signing_input = f"{_segment({'alg': 'ES256', **header})}.{_segment(said)}"
    signature = ECAlgorithm(ECAlgorithm.SHA256).sign(signing_input.encode(), key)
    return f"{signing_input}.{_encoded(signature)}"


def _segment(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
