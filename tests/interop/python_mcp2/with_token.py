"""mcp 2.x: read the notes with a token that was got otherwise. argv[1]: JSON with `mcp_server` and `access_token`."""

import asyncio
import json
import sys
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client


async def main(ask: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {ask['access_token']}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(ask["mcp_server"], http_client=http)) as client,
    ):
        result = await client.call_tool("read_notes")
    return {"tool": result.structured_content, "access_token": ask["access_token"]}


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
