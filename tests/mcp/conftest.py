"""Clients of this server's own MCP server: agents with tokens of this very server, for a person or for themselves."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.test import Client as Browser

from authz.conf import conf
from authz.configuration import apply
from authz.configuration.mcp_resource import SCOPES, identifier
from authz.models import User
from tests.support import rows
from tests.support.world import NOTES, PAYROLL, REDIRECT, SECRET, World

VERSION = "2026-07-28"
TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
FORM, URL = {"elicitation": {"form": {}}}, {"elicitation": {"url": {}}}
ALL = "access:read access:request audit:read"
_ids = count(1)


@dataclass(frozen=True)
class Agent:
    """An MCP client of revision 2026-07-28 by its HTTP. `can`: its capabilities, said with each request."""

    token: str
    can: Mapping[str, Any] = field(default_factory=dict)
    browser: Browser = field(default_factory=Browser)

    def that_can(self, *capabilities: Mapping[str, Any]) -> "Agent":
        return replace(self, can={name: value for one in capabilities for name, value in one.items()})

    def send(self, method: str, params: Mapping[str, Any] | None = None, **headers: str | None) -> Any:
        """The HTTP response to one request."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": self.can,
        }
        body = {"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": {**(params or {}), "_meta": meta}}
        sent: dict[str, str | None] = {"MCP-Protocol-Version": VERSION, "Mcp-Method": method}
        name = (params or {}).get("name") or (params or {}).get("taskId")
        if isinstance(name, str):
            sent["Mcp-Name"] = name
        return self.post(body, **(sent | headers))

    def post(self, body: object, **headers: str | None) -> Any:
        sent: dict[str, str | None] = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {self.token}",
            **headers,
        }
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.browser.generic(
            "POST",
            address(),
            content,
            content_type=sent.pop("Content-Type", None) or "application/json",
            headers={name: value for name, value in sent.items() if value is not None},
        )

    def result(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        response = self.send(method, params)
        assert response.status_code == 200, response.content
        found = json.loads(response.content)
        assert "error" not in found, found
        return found["result"]

    def error(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        response = self.send(method, params)
        found = json.loads(response.content)
        return {"status": response.status_code, **found["error"]}

    def call(self, tool: str, responses: Mapping[str, Any] | None = None, /, **arguments: Any) -> dict[str, Any]:
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        if responses is not None:
            params["inputResponses"] = responses
        return self.result("tools/call", params)

    def data(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The structured content of a call that worked."""
        found = self.call(tool, **arguments)
        assert found["resultType"] == "complete" and not found["isError"], found
        return found["structuredContent"]

    def fails(self, tool: str, /, **arguments: Any) -> str:
        """The sentence of a call that did not."""
        found = self.call(tool, **arguments)
        assert found["isError"], found
        return found["content"][0]["text"]


def address() -> str:
    return urlsplit(conf.endpoint("mcp")).path


CONFIGURATION = {
    "users": [
        {"username": "olga", "password": "olga-password", "email": "olga@example.com", "groups": ["keepers"]},
        {"username": "dana", "password": "dana-password", "email": "dana@example.com", "role": "auditor"},
    ],
    "clients": [
        {
            "client_id": "assistant",
            "client_name": "Assistant",
            "status": "approved",
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            "redirect_uris": [REDIRECT],
        },
        {
            "client_id": "robot",
            "client_name": "Robot",
            "status": "approved",
            "owner": "bob",
            "grant_types": ["client_credentials"],
            "client_secret": SECRET,
        },
    ],
    "rules": [
        {
            "name": "People hand the MCP server to their assistant",
            "effect": "allow",
            "clients": ["assistant", "desktop-app"],
            "groups": ["*"],
            "grant_types": ["authorization_code"],
            "scopes": ["*"],
        },
        {
            "name": "The robot asks for itself",
            "effect": "allow",
            "clients": ["robot"],
            "grant_types": ["client_credentials"],
            "scopes": ["*"],
        },
        {
            "name": "A keeper is asked before the payroll",
            "effect": "require_approval",
            "clients": ["assistant", "robot"],
            "groups": ["*"],
            "resources": [PAYROLL],
            "scopes": ["*"],
            "approvers": {"groups": ["keepers"]},
        },
        {
            "name": "A keeper is asked before the robot reads the payroll",
            "effect": "require_approval",
            "clients": ["robot"],
            "resources": [PAYROLL],
            "scopes": ["*"],
            "approvers": {"groups": ["keepers"]},
        },
    ],
}


@pytest.fixture
def switched_on(settings: Any) -> None:
    settings.GATEHOUSE = django_settings.GATEHOUSE | {"MCP": True}


@pytest.fixture
def served(gatehouse: World, switched_on: None) -> World:
    """The server with its MCP server on and registered, and agents that may use it."""
    rows.make(configure)
    return gatehouse


def configure() -> None:
    rules = [
        {**rule, "resources": rule.get("resources", [identifier()])}  # type: ignore[dict-item]
        for rule in CONFIGURATION["rules"]
    ]
    scopes = [{"name": name, "description": text} for name, text in SCOPES.items()]
    resource = {"identifier": identifier(), "name": "Gatehouse", "scopes": scopes}
    apply(json.dumps({**CONFIGURATION, "rules": rules, "resources": [resource]}))


@pytest.fixture
def agent(served: World) -> Callable[..., Agent]:
    """An agent with a token of a person."""

    def of(username: str = "bob", scope: str = ALL, client_id: str = "assistant") -> Agent:
        served.browser.logout()
        named = {"client_id": client_id, "resource": identifier()}
        code = served.authorize(username=username, scope=scope, **named)["code"]
        return Agent(json.loads(served.redeem(code, **named).content)["access_token"])

    return of


@pytest.fixture
def robot(served: World) -> Agent:
    """An agent with a token of its own."""
    response = served.token(basic=("robot", SECRET), grant_type="client_credentials", resource=identifier(), scope=ALL)
    return Agent(json.loads(response.content)["access_token"])


def add_rule(**rule: Any) -> None:
    """A rule, as the configuration file has it."""
    apply(json.dumps({"rules": [{"grant_types": ["*"], **rule}]}))


def person(username: str) -> User:
    return User.objects.get(username=username)


__all__ = ["ALL", "FORM", "NOTES", "PAYROLL", "TASKS", "URL", "VERSION", "Agent", "add_rule", "address", "person"]
