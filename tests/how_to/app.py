"""An app that a person uses, as Claude Code and editors are.

    python -m tests.how_to.app MCP_SERVER WHO REDIRECT_URI…

WHO is the URL of its metadata document, the `client_id` that it was given, or `register` if it registers itself (RFC
7591). It uses the first redirect URI, signs bob in, consents, and prints what the server's first tool returns. Runs in
`.venv-mcp2`.
"""

import asyncio
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

from demo.agents import Memory
from demo.browser import Person


async def main(server: str, who: str, *redirect_uris: str) -> None:
    person, answers = Person("bob", "bob-password"), list[str]()

    async def open_browser(url: str) -> None:
        answers.append(await asyncio.to_thread(person.authorize, url))

    async def wait_for_callback() -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(answers[-1]).query)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0], iss=query["iss"][0])

    description = OAuthClientMetadata(
        client_name="An app",
        redirect_uris=[*redirect_uris],
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
    )
    is_document = who.startswith("https://")
    is_known = not is_document and who != "register"
    known = OAuthClientInformationFull(client_id=who, **description.model_dump()) if is_known else None
    auth = OAuthClientProvider(
        server,
        description,
        Memory(known),
        redirect_handler=open_browser,
        callback_handler=wait_for_callback,
        client_metadata_url=who if is_document else None,
    )
    async with (
        httpx2.AsyncClient(auth=auth, timeout=60) as http,
        Client(streamable_http_client(server, http_client=http)) as client,
    ):
        tools = await client.list_tools()
        sys.stdout.write(f"{(await client.call_tool(tools.tools[0].name)).structured_content}\n")


asyncio.run(main(*sys.argv[1:]))
