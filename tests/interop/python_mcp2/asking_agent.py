"""mcp 2.x: an unattended agent is refused at an MCP server, asks for access at the authorization server's own MCP
server, follows the task, and goes on. argv[1]: JSON, see tests/interop/house.py.

Prints a line of JSON for each step: `refused`, `task` (with each new status), `asked`, and at last `tool`.
"""

import asyncio
import json
import sys
from typing import Any, Literal

import httpx2
from mcp.client import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ElicitResult, Request, RequestParams, Result
from memory import Memory
from pydantic import Field, TypeAdapter

ANYTHING = TypeAdapter(dict[str, Any])


def say(**step: Any) -> None:
    print(json.dumps(step), flush=True)


class Created(Result):
    result_type: Literal["task"] = Field(alias="resultType")
    task_id: str = Field(alias="taskId")
    status: str


class Params(RequestParams):
    task_id: str = Field(serialization_alias="taskId")
    input_responses: dict[str, Any] | None = Field(serialization_alias="inputResponses", default=None)


class GetTask(Request[Params, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    params: Params
    name_param = "taskId"


class UpdateTask(Request[Params, Literal["tasks/update"]]):
    method: Literal["tasks/update"] = "tasks/update"
    params: Params
    name_param = "taskId"


class CancelTask(Request[Params, Literal["tasks/cancel"]]):
    method: Literal["tasks/cancel"] = "tasks/cancel"
    params: Params
    name_param = "taskId"


class Tasks(ClientExtension):
    """The tasks extension, as far as this agent needs it."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self, ask: dict[str, Any]) -> None:
        self.ask = ask

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Created, resolve=self.resolve)]

    async def resolve(self, created: Created, context: ClaimContext) -> CallToolResult:
        return await self.follow(created.task_id, context.session)

    async def follow(self, task_id: str, session: ClientSession) -> CallToolResult:
        shown = None
        while True:
            found = await session.send_request(GetTask(params=Params(task_id=task_id)), ANYTHING)
            if found["status"] != shown:
                shown = found["status"]
                say(task=task_id, status=shown, message=found["statusMessage"])
                if shown == "working" and self.ask.get("cancels"):
                    await session.send_request(CancelTask(params=Params(task_id=task_id)), ANYTHING)
            if shown == "input_required":
                given = {"action": "accept", "content": {"reason": self.ask["reason"]}}
                responses = {
                    key: given if asked["params"]["mode"] == "form" else {"action": "accept"}
                    for key, asked in found["inputRequests"].items()
                }
                update = Params(task_id=task_id, input_responses=responses)
                await session.send_request(UpdateTask(params=update), ANYTHING)
            if shown == "completed":
                return CallToolResult.model_validate(found["result"])
            if shown in {"failed", "cancelled"}:
                text = found.get("error", {}).get("message", shown)
                return CallToolResult.model_validate({"content": [{"type": "text", "text": text}], "isError": True})
            await asyncio.sleep(0.5)


async def elicited(*_: Any) -> ElicitResult:
    """That the client says it can; in tasks it is asked by `inputRequests`."""
    return ElicitResult(action="decline")


def provider(ask: dict[str, Any], server: str, scope: str) -> httpx2.Auth:
    return ClientCredentialsOAuthProvider(
        server_url=server,
        storage=Memory(),
        client_id=ask["client_id"],
        client_secret=ask["client_secret"],
        token_endpoint_auth_method="client_secret_basic",
        scope=scope,
        issuer=ask["issuer"],
    )


async def write_note(ask: dict[str, Any], scope: str) -> Any:
    async with (
        httpx2.AsyncClient(auth=provider(ask, ask["server"], scope), timeout=30) as http,
        Client(streamable_http_client(ask["server"], http_client=http)) as client,
    ):
        return (await client.call_tool("write_note")).structured_content


async def refusal(ask: dict[str, Any]) -> str:
    """What the MCP server says to a token that may only read."""
    form = {"grant_type": "client_credentials", "resource": ask["server"], "scope": "mcp:read"}
    challenges: list[str] = []

    async def heard(response: httpx2.Response) -> None:
        challenges.append(response.headers.get("WWW-Authenticate", ""))

    async with httpx2.AsyncClient(timeout=30) as http:
        basic = (ask["client_id"], ask["client_secret"])
        token = (await http.post(f"{ask['issuer']}/token", data=form, auth=basic)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            httpx2.AsyncClient(headers=headers, event_hooks={"response": [heard]}, timeout=30) as http,
            Client(streamable_http_client(ask["server"], http_client=http)) as client,
        ):
            await client.call_tool("write_note")
    except BaseException:
        return next(filter(None, challenges), "")
    return "it was not refused"


async def request_access(ask: dict[str, Any]) -> None:
    tasks = Tasks(ask)
    gatehouse = f"{ask['issuer']}/mcp"
    async with (
        httpx2.AsyncClient(auth=provider(ask, gatehouse, "access:read access:request"), timeout=30) as http,
        Client(
            streamable_http_client(gatehouse, http_client=http),
            extensions=[tasks],
            elicitation_callback=elicited if ask.get("elicits") else None,
        ) as client,
    ):
        if task := ask.get("task"):
            result = await tasks.follow(task, client.session)
        else:
            explained = await client.call_tool("explain_access", {"server": ask["server"]})
            say(explained=explained.structured_content)
            wanted = {"server": ask["server"], "scopes": ["mcp:write"]}
            if not ask.get("elicits"):
                wanted["reason"] = ask["reason"]
            result = await client.call_tool("request_access", wanted)
        say(asked=result.structured_content, is_error=result.is_error, text=result.content[0].text)


async def main(ask: dict[str, Any]) -> None:
    if not ask.get("task"):
        say(refused=await refusal(ask))
    await request_access(ask)
    if ask.get("goes_on"):
        say(tool=await write_note(ask, "mcp:read mcp:write"))


asyncio.run(main(json.loads(sys.argv[1])))
