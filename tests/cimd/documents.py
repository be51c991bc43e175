"""Documents shaped like those that real products publish (interop 16, 17), and the terms they are judged by."""

import json
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from authz.protocol.client_metadata import Terms
from authz.protocol.jwks import public_jwk
from authz.protocol.jwts import ALGORITHMS
from cimd.metadata_document import REQUIRED

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
URL = "https://app.example.com/client.json"


def jwks(*kids: str) -> dict[str, Any]:
    return {"keys": [public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), kid=kid) for kid in kids]}


def terms(**changes: Any) -> Terms:
    offered: dict[str, Any] = {
        "grant_types": frozenset({"authorization_code", "refresh_token", "client_credentials", JWT_BEARER}),
        "auth_methods": ("private_key_jwt", "none"),
        "signing_algorithms": ALGORITHMS,
        "default_auth_method": "none",
        "required": REQUIRED,
        "host": "app.example.com",
        "redirect_hosts": (),
    }
    return Terms(**(offered | changes))


def document(url: str = URL, **members: Any) -> dict[str, Any]:
    """A plain public client's document; a member given as `...` is left out."""
    whole = {
        "client_id": url,
        "client_name": "Example MCP Client",
        "redirect_uris": ["http://127.0.0.1:3000/callback", "http://localhost:3000/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        **members,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def body(url: str = URL, **members: Any) -> bytes:
    return json.dumps(document(url, **members)).encode()


CLAUDE_CODE = document(
    "https://claude.ai/oauth/claude-code-client-metadata",
    client_name="Claude Code",
    client_uri="https://claude.ai",
    redirect_uris=["http://localhost/callback", "http://127.0.0.1/callback"],
    grant_types=["authorization_code", "refresh_token", JWT_BEARER],
)
VS_CODE = document(
    "https://vscode.dev/oauth/client-metadata.json",
    client_name="Visual Studio Code",
    client_uri="https://vscode.dev/product",
    grant_types=["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    redirect_uris=[
        "https://vscode.dev/redirect",
        "https://insiders.vscode.dev/redirect",
        "http://localhost/",
        "http://127.0.0.1/",
        "http://localhost:33418/",
        "http://127.0.0.1:33418/",
    ],
)
CHATGPT = document(
    "https://chatgpt.com/oauth/client.json",
    client_name="ChatGPT",
    client_uri="https://chatgpt.com",
    logo_uri="https://chatgpt.com/logo.png",
    redirect_uris=["https://chatgpt.com/connector_platform_oauth_redirect"],
    token_endpoint_auth_method="private_key_jwt",
    token_endpoint_auth_methods_supported=["private_key_jwt", "none"],
    jwks_uri="https://chatgpt.com/oauth/jwks.json",
)
CURSOR = document(
    "https://cursor.com/oauth/client.json",
    client_name="Cursor",
    redirect_uris=["cursor://anysphere.cursor-retrieval/oauth/callback", "http://localhost:8787/callback"],
)


def client_assertion(client_id: str, key: ec.EllipticCurvePrivateKey, audience: str) -> dict[str, str]:
    """The parameters of `private_key_jwt`, as both SDKs send them: without a `client_id` and without a `kid`."""
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + 60,
    }
    return {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(claims, key, algorithm="ES256"),
    }
