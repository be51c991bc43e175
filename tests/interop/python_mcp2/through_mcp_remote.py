"""mcp-remote, the bridge for hosts that only speak stdio, signs in by itself; through it the client reads the notes."""

import asyncio
import json
import sys
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters


async def main(ask: dict[str, Any]) -> dict[str, Any]:
    bridge = StdioServerParameters(command=ask["command"][0], args=ask["command"][1:], env=ask["env"])
    async with Client(bridge) as client:
        result = await client.call_tool("read_notes")
    return {"tool": result.structured_content}


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
