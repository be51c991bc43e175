"""fastmcp's own client, which opens a browser by itself: a person signs in by CIMD and the client reads the notes."""

import asyncio
import json
import sys
from typing import Any

from fastmcp import Client
from fastmcp.client.auth import OAuth


async def main(ask: dict[str, Any]) -> dict[str, Any]:
    auth = OAuth(client_metadata_url=ask["client_metadata_url"], scopes=["mcp:read"], callback_host="127.0.0.1")
    async with Client(ask["mcp_server"], auth=auth) as client:
        result = await client.call_tool("read_notes")
        assert auth.context.current_tokens is not None
        return {"tool": result.structured_content, "access_token": auth.context.current_tokens.access_token}


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
