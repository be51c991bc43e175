"""mcp 2.x: a person signs in at the authorization server's own MCP server, and asks for access through a client that
can ask its person (elicitation), without tasks. argv[1]: JSON, see tests/interop/house.py.

Prints one JSON object.
"""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata
from mcp_types import ElicitResult
from memory import Memory

from demo.browser import Person


async def main(ask: dict[str, Any]) -> dict[str, Any]:
    person = Person(ask["username"], ask["password"])
    answers: list[str] = []
    elicited: list[dict[str, Any]] = []

    async def open_browser(url: str) -> None:
        answers.append(await asyncio.to_thread(person.authorize, url))

    async def wait_for_callback() -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(answers[-1]).query)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0], iss=query["iss"][0])

    async def elicit(_: Any, params: Any) -> ElicitResult:
        elicited.append(params.model_dump(mode="json", by_alias=True, exclude_none=True))
        if params.mode == "url":
            return ElicitResult(action="accept")
        return ElicitResult(action="accept", content={"reason": ask["reason"]})

    description = OAuthClientMetadata(
        redirect_uris=[ask["redirect_uri"]],
        client_name="Desk",
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
    )
    memory = Memory(OAuthClientInformationFull(client_id=ask["client_id"], **description.model_dump()))
    auth = OAuthClientProvider(
        server_url=f"{ask['issuer']}/mcp",
        client_metadata=description,
        storage=memory,
        redirect_handler=open_browser,
        callback_handler=wait_for_callback,
    )
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30) as http,
        Client(streamable_http_client(f"{ask['issuer']}/mcp", http_client=http), elicitation_callback=elicit) as client,
    ):
        result = await client.call_tool("request_access", {"server": ask["server"], "scopes": ["mcp:write"]})
    assert memory.tokens is not None
    return {"asked": result.structured_content, "elicited": elicited, "scope": memory.tokens.scope}


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
