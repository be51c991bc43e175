"""mcp 1.x: an unattended client gets its own token and reads the notes. argv[1]: JSON, see conftest.World.ask."""

import asyncio
import json
import sys
from typing import Any

import httpx
from mcp import ClientSession
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.streamable_http import streamable_http_client
from memory import Memory


def provider(ask: dict[str, Any], memory: Memory) -> httpx.Auth:
    if ask["method"] == "private_key_jwt":
        signer = SignedJWTParameters(
            issuer=ask["client_id"],
            subject=ask["client_id"],
            signing_key=ask["private_key"],
            signing_algorithm=ask["algorithm"],
        )
        return PrivateKeyJWTOAuthProvider(
            server_url=ask["mcp_server"],
            storage=memory,
            client_id=ask["client_id"],
            assertion_provider=signer.create_assertion_provider(),
            scopes="mcp:read",
            issuer=ask["issuer"],
        )
    return ClientCredentialsOAuthProvider(
        server_url=ask["mcp_server"],
        storage=memory,
        client_id=ask["client_id"],
        client_secret=ask["client_secret"],
        token_endpoint_auth_method=ask["method"],
        scopes="mcp:read",
        issuer=ask["issuer"],
    )


async def main(ask: dict[str, Any]) -> dict[str, Any]:
    memory = Memory()
    async with (
        httpx.AsyncClient(auth=provider(ask, memory), timeout=30) as http,
        streamable_http_client(ask["mcp_server"], http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        result = await session.call_tool("read_notes")
    assert memory.tokens is not None
    return {"tool": result.structuredContent, "access_token": memory.tokens.access_token}


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
