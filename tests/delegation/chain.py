"""Three MCP servers that pass calls on, on top of the company: Notes asks Search, and Search asks Archive.

Bob → desktop-app → notes-server (Notes) → search-server (Search) → archive-server (Archive)
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from authz import keys
from authz.configuration import apply
from tests.support import rows, world
from tests.xaa import company
from tests.xaa.company import CHAT, CHAT_MCP, TOKEN_EXCHANGE, Company
from xaa import id_jag

SEARCH, ARCHIVE = "https://search.example.com/mcp", "https://archive.example.com/mcp"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
SECRETS = {
    "notes-server": world.SERVER_SECRET,
    "search-server": "search-server-secret-0123456789-0123456789",
    "archive-server": "archive-server-secret-0123456789-0123456789",
}


def server(client_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "status": "approved",
        "grant_types": ["client_credentials", TOKEN_EXCHANGE],
        "client_secret": SECRETS[client_id],
    } | changes


def resource(identifier: str, scopes: list[str], **changes: Any) -> dict[str, Any]:
    return {"identifier": identifier, "scopes": [{"name": name} for name in scopes]} | changes


NOTES = resource(
    world.NOTES,
    ["mcp:read", "mcp:write"],
    name="Notes",
    default=True,
    introspection_clients=["notes-server"],
    exchange_clients=["notes-server"],
    scope_mappings=[
        {"to": SEARCH, "scopes": {"mcp:read": ["search:read"], "mcp:write": ["search:read", "search:index"]}},
        {"to": CHAT_MCP, "scopes": {"mcp:read": ["chat.read"]}},
    ],
)
SEARCH_SERVER = resource(
    SEARCH,
    ["search:read", "search:index", "search:purge"],
    introspection_clients=["search-server"],
    exchange_clients=["search-server", "wif-workload"],
    scope_mappings=[
        {"to": ARCHIVE, "scopes": {"search:read": ["archive:read"]}},
        {"to": world.NOTES, "scopes": {"search:read": ["mcp:read"]}},
    ],
    status_list=True,
)
ARCHIVE_SERVER = resource(
    ARCHIVE,
    ["archive:read"],
    introspection_clients=["archive-server"],
    exchange_clients=["archive-server"],
    scope_mappings=[{"to": world.NOTES, "scopes": {"archive:read": ["mcp:read"]}}],
)


def rule(name: str, client: str, to: str, through: list[str] | None, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "effect": "allow",
        "clients": [client],
        "groups": ["engineering"],
        "grant_types": [TOKEN_EXCHANGE],
        "resources": [to],
        "scopes": ["*"],
        **({} if through is None else {"through": through}),
    } | changes


TO_SEARCH = rule("Notes asks Search", "notes-server", SEARCH, ["desktop-app"])
TO_ARCHIVE = rule("Search asks Archive", "search-server", ARCHIVE, ["desktop-app", "notes-server"])
TO_CHAT = rule("Notes asks Chat", "notes-server", CHAT_MCP, ["desktop-app"])
MACHINES = rule("Notes asks Search for reports", "notes-server", SEARCH, ["nightly-report"])
del MACHINES["groups"]

CONFIGURATION: dict[str, Any] = {
    "clients": [server(name) for name in SECRETS],
    "resources": [NOTES, SEARCH_SERVER, ARCHIVE_SERVER],
    "resource_authorization_servers": [
        {
            "issuer": CHAT,
            "name": "Chat",
            "resources": [{"identifier": CHAT_MCP, "scopes": ["chat.read", "chat.history"]}],
            "client_ids": {"agent": "agent-at-chat", "notes-server": "notes-at-chat"},
        }
    ],
    "rules": [TO_SEARCH, TO_ARCHIVE, TO_CHAT, MACHINES],
}


def configure(**sections: list[dict[str, Any]]) -> None:
    apply(json.dumps(sections))


class Chains(Company):
    """The company, with its servers that pass calls on."""

    def first(self, scope: str = "mcp:read", **changes: Any) -> str:
        """Bob's token for Notes, by the desktop app."""
        token: str = self.signed_in_tokens(scope=scope, **changes)["access_token"]
        return token

    def pass_on(self, token: str, by: str = "notes-server", to: str | None = SEARCH, **changes: Any) -> Any:
        params: dict[str, Any] = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "resource": to,
        }
        basic = changes.pop("basic", (by, SECRETS.get(by, "")))
        given = {name: value for name, value in (params | changes).items() if value is not None}
        return self.token(basic=basic, **given)

    def second(self, token: str | None = None, **changes: Any) -> str:
        """Notes' token for Search, for Bob."""
        return got(self.pass_on(token or self.first(), **changes))

    def third(self, token: str | None = None, **changes: Any) -> str:
        """Search's token for Archive, for Bob, through Notes."""
        return got(self.pass_on(token or self.second(), "search-server", ARCHIVE, **changes))

    def is_live(self, token: str, at: str) -> bool:
        """What the server itself learns at introspection."""
        active: bool = self.introspect(token, basic=(at, SECRETS[at]))["active"]
        return active

    def chat(self, token: str, **changes: Any) -> Any:
        more = {"requested_token_type": id_jag.TOKEN_TYPE, "audience": CHAT}
        return self.pass_on(token, to=CHAT_MCP, **(more | changes))


def got(response: Any) -> str:
    assert response.status_code == 200, response.content
    token: str = json.loads(response.content)["access_token"]
    return token


def build(monkeypatch: pytest.MonkeyPatch) -> Chains:
    rows.make(_apply)
    found = Chains()
    company.with_keys(found, monkeypatch)
    return found


def _apply() -> None:
    keys.ensure(datetime.now(UTC))
    world.build()
    apply(company.CONFIGURATION)
    configure(**CONFIGURATION)
