"""mcp 2.x: a person comes with a client, and either waits for an approval or reads the notes.

Prints what the waiting page said, or the tokens and the notes.
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
from memory import Memory

from demo.browser import CannotGoOn, Person


async def main(ask: dict[str, Any]) -> dict[str, Any]:
    person = Person(ask["username"], ask["password"])
    answers: list[str] = []
    waits: list[str] = []

    async def open_browser(url: str) -> None:
        try:
            answers.append(await asyncio.to_thread(person.authorize, url))
        except CannotGoOn as page:
            waits.append(str(page))
            raise

    async def wait_for_callback() -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(answers[-1]).query)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0], iss=query["iss"][0])

    description = OAuthClientMetadata(
        redirect_uris=[ask["redirect_uri"]],
        client_name="Notes reader",
        token_endpoint_auth_method=ask["method"],
        grant_types=["authorization_code", "refresh_token"],
    )
    memory = Memory(OAuthClientInformationFull(client_id=ask["client_id"], **description.model_dump()))
    auth = OAuthClientProvider(
        server_url=ask["mcp_server"],
        client_metadata=description,
        storage=memory,
        redirect_handler=open_browser,
        callback_handler=wait_for_callback,
    )
    try:
        async with (
            httpx2.AsyncClient(auth=auth, timeout=30) as http,
            Client(streamable_http_client(ask["mcp_server"], http_client=http)) as client,
        ):
            result = await client.call_tool("read_notes")
    except BaseException:
        if waits:
            return {"waits": waits[-1]}
        raise
    assert memory.tokens is not None
    return {
        "tool": result.structured_content,
        "access_token": memory.tokens.access_token,
        "refresh_token": memory.tokens.refresh_token,
    }


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
