"""mcp 2.x: a person signs in and consents, the client reads the notes, refreshes its token and reads them again."""

import asyncio
import json
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata
from memory import Memory

from demo.browser import Person


async def main(ask: dict[str, Any]) -> dict[str, Any]:
    person = Person(ask["username"], ask["password"], verify=ask.get("ca", True))
    answers: list[str] = []

    async def open_browser(url: str) -> None:
        answers.append(await asyncio.to_thread(person.authorize, url))

    async def wait_for_callback() -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(answers[-1]).query)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0], iss=query["iss"][0])

    description = OAuthClientMetadata(
        redirect_uris=[ask["redirect_uri"]],
        client_name="Notes reader",
        token_endpoint_auth_method=ask["method"],
        grant_types=["authorization_code", "refresh_token"],
    )
    registered = None
    if "client_id" in ask:
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
        client_metadata_url=ask.get("client_metadata_url"),
    )
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30) as http,
        Client(streamable_http_client(ask["mcp_server"], http_client=http)) as client,
    ):
        result = await client.call_tool("read_notes")
        assert memory.tokens is not None
        first = memory.tokens
        auth.context.token_expiry_time = time.time() - 1
        again = await client.call_tool("read_notes")
    second = memory.tokens
    return {
        "tool": result.structured_content,
        "tool_again": again.structured_content,
        "client_id": memory.client.client_id if memory.client else None,
        "access_token": first.access_token,
        "refreshed_access_token": second.access_token,
        "sign_ins": len(answers),
    }


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
