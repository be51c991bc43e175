"""mcp 2.x, as a client of 2025-11-25: an auditor asks the audit a question, and the client's model answers it.

argv[1]: JSON with `mcp_server`, `client_id`, `redirect_uri`, `username`, `password`, `question`, and `other`: the port
of another node, where the answers of the model go.
"""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import mcp_types as types
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata
from memory import Memory

from demo.browser import Person
from tests.interop.scripted_model import is_answer, say


class Crossing(httpx2.AsyncHTTPTransport):
    """Sends answers to the other node, as a balancer may."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port, self.crossed = port, list[int]()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        crosses = request.url.path.endswith("/mcp") and request.method == "POST" and is_answer(await request.aread())
        if crosses:
            request.url = request.url.copy_with(port=self.port)
        response = await super().handle_async_request(request)
        if crosses:
            self.crossed.append(response.status_code)
        return response


async def main(ask: dict[str, Any]) -> dict[str, Any]:
    person = Person(ask["username"], ask["password"])
    answers: list[str] = []
    rounds: list[dict[str, Any]] = []

    async def open_browser(url: str) -> None:
        answers.append(await asyncio.to_thread(person.authorize, url))

    async def wait_for_callback() -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(answers[-1]).query)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0], iss=query["iss"][0])

    async def sample(_: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResultWithTools:
        rounds.append(params.model_dump(mode="json", by_alias=True, exclude_none=True))
        return types.CreateMessageResultWithTools.model_validate(say(rounds[-1]))

    description = OAuthClientMetadata(
        redirect_uris=[ask["redirect_uri"]],
        client_name="Auditor's desk",
        token_endpoint_auth_method="none",
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
    transport = Crossing(ask["other"])
    async with (
        httpx2.AsyncClient(auth=auth, timeout=60, transport=transport) as http,
        Client(
            streamable_http_client(ask["mcp_server"], http_client=http),
            mode="legacy",
            sampling_callback=sample,
            sampling_capabilities=types.SamplingCapability(tools=types.SamplingToolsCapability()),
        ) as client,
    ):
        before = [tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools]
        # It lacks the scope; the SDK gets it, and the person consents.
        await client.call_tool("search_audit", {"limit": 1})
        after = [tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools]
        result = await client.call_tool("ask_audit", {"question": ask["question"]})
    return {
        "before": before,
        "after": after,
        "rounds": rounds,
        "crossed": transport.crossed,
        "is_error": result.is_error,
        "text": result.content[0].text,  # type: ignore[union-attr]
        "data": result.structured_content,
    }


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
