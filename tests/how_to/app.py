"""An app that a person uses, as Claude Code and editors are: its `client_id` is the URL of its metadata document.

    python -m tests.how_to.app MCP_SERVER METADATA_URL REDIRECT_URI

It signs bob in, consents, and prints what the server's first tool returns. Runs in `.venv-mcp2`.
"""

import asyncio
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from demo.agents import Memory
from demo.browser import Person


async def main(server: str, metadata_url: str, redirect_uri: str) -> None:
    person, answers = Person("bob", "bob-password"), list[str]()

    async def open_browser(url: str) -> None:
        answers.append(await asyncio.to_thread(person.authorize, url))

    async def wait_for_callback() -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(answers[-1]).query)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0], iss=query["iss"][0])

    auth = OAuthClientProvider(
        server,
        OAuthClientMetadata(
            redirect_uris=[redirect_uri],
            token_endpoint_auth_method="none",
            grant_types=["authorization_code", "refresh_token"],
        ),
        Memory(),
        redirect_handler=open_browser,
        callback_handler=wait_for_callback,
        client_metadata_url=metadata_url,
    )
    async with (
        httpx2.AsyncClient(auth=auth, timeout=60) as http,
        Client(streamable_http_client(server, http_client=http)) as client,
    ):
        tools = await client.list_tools()
        sys.stdout.write(f"{(await client.call_tool(tools.tools[0].name)).structured_content}\n")


asyncio.run(main(*sys.argv[1:]))
