"""mcp 2.x: an ID token becomes an ID-JAG at the company, and that a token at the software house (SEP-990).

argv[1]: JSON, see cross_app.CrossApp.ask. The SDK leaves the first leg to the caller.
"""

import asyncio
import json
import sys
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from memory import Memory


async def main(ask: dict[str, Any]) -> dict[str, Any]:
    company, saas = ask["company"], ask["saas"]

    async def id_jag(audience: str, resource: str) -> str:
        exchange = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "subject_token": ask["id_token"],
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "audience": audience,
            "resource": resource,
            "scope": "mcp:read",
            "client_id": company["client_id"],
            "client_secret": company["client_secret"],
        }
        async with httpx2.AsyncClient() as http:
            response = await http.post(f"{company['issuer']}/token", data=exchange)
            response.raise_for_status()
            assertion: str = response.json()["access_token"]
            return assertion

    memory = Memory()
    auth = IdentityAssertionOAuthProvider(
        server_url=ask["mcp_server"],
        storage=memory,
        client_id=saas["client_id"],
        client_secret=saas["client_secret"],
        issuer=saas["issuer"],
        assertion_provider=id_jag,
        scope="mcp:read",
        token_endpoint_auth_method=saas["method"],
    )
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30) as http,
        Client(streamable_http_client(ask["mcp_server"], http_client=http)) as client,
    ):
        result = await client.call_tool("read_notes")
    assert memory.tokens is not None
    return {"tool": result.structured_content, "access_token": memory.tokens.access_token}


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
