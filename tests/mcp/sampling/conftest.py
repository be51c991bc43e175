"""Clients of 2025-11-25 whose model is a script."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from django.conf import settings as django_settings

from authz.configuration.mcp_resource import identifier
from tests.mcp.conftest import Agent, configure
from tests.support.world import World

REVISION = "2025-11-25"
CAN = {"sampling": {"tools": {}}}
SCOPES = "access:read audit:read"
_ids = count(1)
# The streams of a test. One that is left open would keep its place.
_opened: list[Any] = []

# What a scripted model says to the parameters of a `sampling/createMessage`: the members of its result.
Model = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def text(said: str, **more: Any) -> dict[str, Any]:
    content = {"type": "text", "text": said}
    return {"role": "assistant", "content": content, "model": "scripted", "stopReason": "endTurn", **more}


def use(name: str, given: Any, identifier: str = "") -> dict[str, Any]:
    block = {"type": "tool_use", "id": identifier or f"use-{next(_ids)}", "name": name, "input": given}
    return {"role": "assistant", "content": [block], "model": "scripted", "stopReason": "toolUse"}


def got(params: Mapping[str, Any]) -> str:
    """What the latest tool brought."""
    block = params["messages"][-1]["content"][0]
    assert block["type"] == "tool_result"
    return str(block["content"][0]["text"])


def events_of(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(got(params).splitlines()[1])["events"]
    return found


@dataclass
class Sampler:
    """`others`: posts answers in place of it, such as another agent. `asked`: the parameters of each message."""

    agent: Agent
    session: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)

    def headers(self) -> dict[str, str | None]:
        return {"MCP-Protocol-Version": REVISION, "Mcp-Session-Id": self.session or None}

    def initialize(self, can: Any = CAN, revision: str = REVISION) -> Any:
        params = {"protocolVersion": revision, "capabilities": can, "clientInfo": {"name": "x", "version": "1"}}
        response = self.agent.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
        self.session = response.headers.get("Mcp-Session-Id", "")
        return response

    def post(self, body: object, **headers: str | None) -> Any:
        return self.agent.post(body, **{**self.headers(), **headers})

    def rpc(self, method: str, params: Any = None) -> dict[str, Any]:
        sent = {"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": params or {}}
        return dict(json.loads(self.post(sent).content))

    def tools(self) -> set[str]:
        return {tool["name"] for tool in self.rpc("tools/list")["result"]["tools"]}

    def call(self, question: Any = "Who got a token?", **headers: str | None) -> Any:
        params = {"name": "ask_audit", "arguments": {"question": question}}
        sent = {"jsonrpc": "2.0", "id": "the-call", "method": "tools/call", "params": params}
        response = self.post(sent, **headers)
        if response.streaming:
            _opened.append(response)
        return response

    def answer(self, identifier: str, result: Any) -> Any:
        return self.post({"jsonrpc": "2.0", "id": identifier, "result": result})

    def ask(self, model: Model, question: str = "Who got a token?") -> dict[str, Any]:
        """The result of the call, which the model answers."""
        response = self.call(question)
        for message in messages(response):
            if "method" not in message:
                assert message["id"] == "the-call"
                return dict(message["result"])
            self.asked.append(message["params"])
            posted = self.answer(message["id"], model(message["params"]))
            assert (posted.status_code, posted.content) == (202, b"")
        raise AssertionError("the stream ended early")


def messages(response: Any) -> Iterator[dict[str, Any]]:
    """The messages of a stream, as they come."""
    assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream"), response.content
    for chunk in response.streaming_content:
        if not chunk.startswith(b":"):
            assert chunk.startswith(b"event: message\ndata: ") and chunk.endswith(b"\n\n")
            yield json.loads(chunk.partition(b"data: ")[2])


def leave(response: Any) -> None:
    """As a client that disconnects: the server closes what it sends (authz/serving/asgi.py)."""
    response._iterator.close()


def script(*steps: Model) -> Model:
    left = iter(steps)

    def says(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return next(left)(params)

    return says


@pytest.fixture
def sampled(served: World, settings: Any) -> Iterator[World]:
    settings.GATEHOUSE = django_settings.GATEHOUSE | {"MCP": True, "MCP_SAMPLING": True}
    yield served
    while _opened:
        leave(_opened.pop())


@pytest.fixture
def client_of(sampled: World, agent: Callable[..., Agent]) -> Callable[..., Sampler]:
    def of(username: str = "dana", scope: str = SCOPES, **more: Any) -> Sampler:
        client = Sampler(agent(username, scope, **more))
        client.initialize()
        return client

    return of


@pytest.fixture
def dana(client_of: Callable[..., Sampler]) -> Sampler:
    """An auditor with a client whose model may be asked."""
    return client_of()


@pytest.fixture
def committed_sampled(committed_gatehouse: World, settings: Any) -> Iterator[Sampler]:
    """The same as `dana`, with each request committed."""
    settings.GATEHOUSE = django_settings.GATEHOUSE | {"MCP": True, "MCP_SAMPLING": True}
    configure()
    named = {"client_id": "assistant", "resource": identifier()}
    code = committed_gatehouse.authorize(username="dana", scope=SCOPES, **named)["code"]
    client = Sampler(Agent(json.loads(committed_gatehouse.redeem(code, **named).content)["access_token"]))
    client.initialize()
    yield client
    while _opened:
        leave(_opened.pop())
