"""mcp 1.x: a person signs in and consents, the client reads the notes, refreshes its token and reads them again."""

import asyncio
import json
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata
from memory import Memory

from demo.browser import Person


async def main(ask: dict[str, Any]) -> dict[str, Any]:
    person = Person(ask["username"], ask["password"], verify=ask.get("ca", True))
    answers: list[str] = []

    async def open_browser(url: str) -> None:
        answers.append(await asyncio.to_thread(person.authorize, url))

    async def wait_for_callback() -> tuple[str, str | None]:
        query = parse_qs(urlsplit(answers[-1]).query)
        return query["code"][0], query["state"][0]

    description = OAuthClientMetadata(
        redirect_uris=[ask["redirect_uri"]],
        client_name="Notes reader",
        token_endpoint_auth_method=ask["method"],
        grant_types=["authorization_code", "refresh_token"],
    )
    registered = OAuthClientInformationFull(
        client_id=ask["client_id"], client_secret=ask.get("client_secret"), **description.model_dump()
    )
    memory = Memory(registered)
    auth = OAuthClientProvider(
        server_url=ask["mcp_server"],
        client_metadata=description,
        storage=memory,
        redirect_handler=open_browser,
        callback_handler=wait_for_callback,
    )
    async with (
        httpx.AsyncClient(auth=auth, timeout=30) as http,
        streamable_http_client(ask["mcp_server"], http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        result = await session.call_tool("read_notes")
        assert memory.tokens is not None
        first = memory.tokens
        auth.context.token_expiry_time = time.time() - 1
        again = await session.call_tool("read_notes")
    second = memory.tokens
    return {
        "tool": result.structuredContent,
        "tool_again": again.structuredContent,
        "client_id": ask["client_id"],
        "access_token": first.access_token,
        "refreshed_access_token": second.access_token,
        "sign_ins": len(answers),
    }


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
