"""Calls tools with a token: python calling_client.py, a JSON object of url, token, calls and elicits on stdin. Prints
what came of each call, as a list of JSON.
"""

import asyncio
import json
import sys
from typing import Any

from fastmcp import Client
from mcp.shared.exceptions import MCPError


async def elicited(*_: Any) -> None:
    """The client can show a URL to a person."""


async def main(url: str, token: str, calls: list[Any], *, elicits: bool) -> list[Any]:
    came = []
    async with Client(url, auth=token, elicitation_handler=elicited if elicits else None) as client:
        for tool, arguments in calls:
            try:
                answer = await client.call_tool(tool, arguments)
                came.append({"answer": answer.content[0].text})
            except MCPError as error:
                came.append({"refused": str(error), "data": error.error.data})
            except Exception as error:
                came.append({"refused": str(error)})
    return came


asked = json.load(sys.stdin)
print(json.dumps(asyncio.run(main(asked["url"], asked["token"], asked["calls"], elicits=asked["elicits"]))))
