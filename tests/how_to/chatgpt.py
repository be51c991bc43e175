"""ChatGPT as OpenAI documents it (developers.openai.com, “Authentication” of plugins), and as servers' logs show it.

    python -m tests.how_to.chatgpt MCP_SERVER METADATA_URL REDIRECT_URI KEY_FILE

It takes the one document that all servers share if the authorization server promises `iss` (RFC 9207), prefers
`private_key_jwt`, and signs for the token endpoint. It signs bob in, consents, and prints what the server's first tool
returns. Runs in `.venv-mcp2`.
"""

import asyncio
import base64
import hashlib
import secrets
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import jwt
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from demo.browser import Person

NEEDED = {
    "client_id_metadata_document_supported": True,
    "authorization_response_iss_parameter_supported": True,
}


def authorization_server(server: str) -> dict[str, Any]:
    """Its metadata, by way of the MCP server's."""
    parts = urlsplit(server)
    resource = httpx2.get(f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}").json()
    assert resource["resource"] == server
    issuer = urlsplit(resource["authorization_servers"][0])
    address = f"{issuer.scheme}://{issuer.netloc}/.well-known/oauth-authorization-server{issuer.path}"
    found: dict[str, Any] = httpx2.get(address).json()
    assert {name: found.get(name) for name in NEEDED} == NEEDED
    assert "S256" in found["code_challenge_methods_supported"]
    assert "private_key_jwt" in found["token_endpoint_auth_methods_supported"]
    return found | {"scope": " ".join(resource["scopes_supported"])}


def access_token(server: str, client_id: str, redirect_uri: str, key: str) -> str:
    found, verifier, state = authorization_server(server), secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "scope": found["scope"],
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        "resource": server,
    }
    back = Person("bob", "bob-password").authorize(f"{found['authorization_endpoint']}?{urlencode(query)}")
    said = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    assert (said["state"], said["iss"]) == (state, found["issuer"])
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": found["token_endpoint"], "jti": str(uuid.uuid4())}
    signed = jwt.encode(claims | {"iat": now, "exp": now + 300}, key, algorithm="RS256", headers={"kid": "RS256-1"})
    form = {
        "grant_type": "authorization_code",
        "code": said["code"],
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
        "client_id": client_id,
        "resource": server,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signed,
    }
    answer = httpx2.post(found["token_endpoint"], data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def main(server: str, client_id: str, redirect_uri: str, key_file: str) -> None:
    token = access_token(server, client_id, redirect_uri, Path(key_file).read_text())
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
        Client(streamable_http_client(server, http_client=http)) as client,
    ):
        tools = await client.list_tools()
        sys.stdout.write(f"{(await client.call_tool(tools.tools[0].name)).structured_content}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
