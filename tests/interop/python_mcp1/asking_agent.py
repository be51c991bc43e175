"""mcp 1.x (2025-11-25): an unattended agent asks for access, and asks how its request stands until it is decided.

argv[1]: JSON, see tests/interop/house.py. Prints a line of JSON for each step.
"""

import asyncio
import json
import sys
from typing import Any

import httpx
from mcp import ClientSession
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from memory import Memory


def say(**step: Any) -> None:
    print(json.dumps(step), flush=True)


async def main(ask: dict[str, Any]) -> None:
    gatehouse = f"{ask['issuer']}/mcp"
    auth = ClientCredentialsOAuthProvider(
        server_url=gatehouse,
        storage=Memory(),
        client_id=ask["client_id"],
        client_secret=ask["client_secret"],
        token_endpoint_auth_method="client_secret_basic",
        scopes="access:read access:request",
        issuer=ask["issuer"],
    )
    async with (
        httpx.AsyncClient(auth=auth, timeout=30) as http,
        streamable_http_client(gatehouse, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        hello = await session.initialize()
        say(version=hello.protocolVersion, tools=[tool.name for tool in (await session.list_tools()).tools])
        wanted = {"server": ask["server"], "scopes": ["mcp:write"], "reason": ask["reason"]}
        asked = (await session.call_tool("request_access", wanted)).structuredContent
        say(asked=asked, message=f"Its page: {asked['address']}")
        while True:
            status = await session.call_tool("access_request_status", {"request": asked["request"]})
            (found,) = status.structuredContent["requests"]
            if found["outcome"] != "waiting":
                say(decided=found)
                return
            await asyncio.sleep(0.5)


asyncio.run(main(json.loads(sys.argv[1])))
