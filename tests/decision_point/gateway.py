"""A gateway that checks requests (Envoy's ext_authz by HTTP, agentgateway), in tests of its endpoint."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from authz.approvals import voting
from authz.models import AccessRequest, AuditEvent
from authz.protocol.resources import metadata_address
from tests.decision_point.conftest import SERVER, configure
from tests.support import rows, world
from tests.support.world import NOTES, World, basic_header

ADDRESS = "/o/access/v1/ext_authz"
REVIEW: dict[str, Any] = {
    "name": "People review payments",
    "effect": "require_approval",
    "clients": ["*"],
    "groups": ["engineering"],
    "grant_types": ["authorization_code"],
    "resources": [NOTES],
    "scopes": ["*"],
    "tools": ["pay_*"],
    "approvers": {"users": ["alice"]},
}
NO_DELETING: dict[str, Any] = {
    "name": "No deleting",
    "effect": "deny",
    "clients": ["*"],
    "groups": ["engineering"],
    "resources": [NOTES],
    "scopes": ["*"],
    "tools": ["delete_*"],
}
METADATA = metadata_address(NOTES)


def rpc(method: str, params: Any = None, id_: Any = 7) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, **({} if params is None else {"params": params})}


def tool(name: str, id_: Any = 7, **arguments: Any) -> dict[str, Any]:
    return rpc("tools/call", {"name": name, "arguments": arguments}, id_)


INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def approve_once(request: AccessRequest) -> None:
    now = datetime.now(UTC)
    expires = now + timedelta(hours=1)
    alice = world.person("alice")
    voting.approve(request, by=alice, scopes=request.scopes, expires=expires, comment="", now=now, once=True)


class Gateway:
    """What a gateway sends: the client's token, method and body; its own headers."""

    def __init__(self, browser: Any, token: str = "", client: tuple[str, str] = SERVER) -> None:
        self.browser, self.token, self.client = browser, token, client

    def check(self, body: Any = None, method: str = "POST", path: str = "/mcp", **headers: str | None) -> Any:
        given = {
            "authorization": f"Bearer {self.token}" if self.token else None,
            "Gatehouse-Authorization": basic_header(*self.client),
            "Gatehouse-Resource": NOTES,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        content = body if isinstance(body, str | bytes) else "" if body is None else json.dumps(body)
        sent = {name: value for name, value in given.items() if value is not None}
        return self.browser.generic(method, f"{ADDRESS}{path}", content, content_type="application/json", headers=sent)


def _review() -> None:
    configure(REVIEW, NO_DELETING)


def with_rules(gatehouse: World) -> Gateway:
    """A gateway before the Notes server, with a token of Bob's; its rules review and deny some tools."""
    rows.make(_review)
    return Gateway(gatehouse.browser, gatehouse.signed_in_tokens()["access_token"])


def events(event: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event=f"access:{event}").order_by("id"))
