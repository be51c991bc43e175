"""An MCP server that asks for decisions: the Notes server of tests/support/world.py, by its own client."""

import json
from typing import Any

import pytest
import yaml

from authz.configuration import apply
from tests.support import rows, world
from tests.support.world import NOTES, SERVER_SECRET, World, basic_header

SERVER = ("notes-server", SERVER_SECRET)


def server(**changes: Any) -> dict[str, Any]:
    """The Notes server's item of the configuration file, changed."""
    document = yaml.safe_load(world.configuration())
    item: dict[str, Any] = next(item for item in document["resources"] if item["identifier"] == NOTES)
    return item | {"decision_clients": ["notes-server"]} | changes


def configure(*rules: dict[str, Any], **changes: Any) -> None:
    """Apply the changed server, and these rules beside those of the world."""
    apply(yaml.safe_dump({"resources": [server(**changes)], "rules": list(rules)}))


class PDP:
    """The decision point, as a caller sees it."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def post(self, endpoint: str, body: Any, basic: tuple[str, str] | None = SERVER, **headers: str) -> Any:
        if basic:
            headers["authorization"] = basic_header(*basic)
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.browser.post(f"/o/access/v1/{endpoint}", content, content_type="application/json", headers=headers)

    def ask(self, body: Any, basic: tuple[str, str] = SERVER) -> dict[str, Any]:
        answer = self.post("evaluation", body, basic)
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def call(self, token: str, tool: str, basic: tuple[str, str] = SERVER, **arguments: Any) -> dict[str, Any]:
        return self.ask(call(token, tool, arguments), basic)


def call(token: str, tool: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    """A question about one call of a tool."""
    properties = {} if arguments is None else {"properties": {"arguments": arguments}}
    return {
        "subject": {"type": "token", "id": token},
        "action": {"name": "tools/call", **properties},
        "resource": {"type": "tool", "id": tool},
    }


@pytest.fixture
def pdp(gatehouse: World) -> PDP:
    rows.make(configure)
    return PDP(gatehouse.browser)
