"""Two nodes on one database: asked at one, decided at the other, seen at both; also after one was killed."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from demo.processes import free_port
from tests.mcp.conftest import CONFIGURATION, PAYROLL, TASKS, VERSION
from tests.support import databases, processes, world
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET

WHY = "The month has to be closed"


@dataclass(frozen=True, slots=True)
class Nodes:
    """`first` has the issuer's address; `second` is told it, and answers at another port."""

    first: RunningGatehouse
    second: RunningGatehouse

    @property
    def resource(self) -> str:
        return f"{self.first.issuer}/mcp"

    def token(self) -> str:
        form = {"grant_type": "client_credentials", "resource": self.resource}
        return str(self.first.token(auth=("robot", SECRET), **form).json()["access_token"])


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    where = tmp_path_factory.mktemp("nodes")
    port = free_port()
    issuer = f"http://127.0.0.1:{port}/o"
    switched = {"GATEHOUSE_MCP": "1", "GATEHOUSE_ISSUER": issuer, "GATEHOUSE_SECRET_KEY": "k" * 50}
    with ExitStack() as stack:
        url = stack.enter_context(databases.database(where, world.configuration(), GATEHOUSE_SECRET_KEY="k" * 50))
        first = stack.enter_context(processes.running(url, where, PORT=str(port), **switched))
        rules = [{**rule, "resources": rule.get("resources", [f"{issuer}/mcp"])} for rule in CONFIGURATION["rules"]]  # type: ignore[dict-item]
        scopes = [{"name": name} for name in ("access:read", "access:request", "audit:read")]
        resources = [{"identifier": f"{issuer}/mcp", "name": "Gatehouse", "scopes": scopes}]
        file = where / "mcp.yaml"
        file.write_text(json.dumps({**CONFIGURATION, "rules": rules, "resources": resources}))
        first.manage("apply", str(file))
        second = stack.enter_context(processes.running(url, where, **switched))
        yield Nodes(first, second)


def send(node: RunningGatehouse, token: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": TASKS,
    }
    headers = {
        "Authorization": f"Bearer {token}",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": method,
        "Mcp-Name": params.get("taskId") or params["name"],
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    answer = node.ask("POST", f"{node.origin}/o/mcp", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


def approve(node: RunningGatehouse, request: str) -> None:
    """Olga at this node's pages."""
    with requests.Session() as session:
        session.trust_env = False

        def press(path: str, **form: str) -> requests.Response:
            page = session.get(node.origin + path, timeout=30).text
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
            headers = {"Referer": node.origin + path}
            return session.post(
                node.origin + path, data=hidden | form, headers=headers, timeout=30, allow_redirects=False
            )

        press("/accounts/login/", login="olga", password="olga-password")
        path = f"/account/requests/{request}/decide"
        answer = press(path, decision="approve", scopes="payroll:read", lasts="8h", comment="")
        assert answer.status_code == 302, answer.text[:2000]


def test_asked_at_one_decided_at_the_other(nodes: Nodes) -> None:
    token = nodes.token()
    asking = {"name": "request_access", "arguments": {"server": PAYROLL, "reason": WHY}}
    task = send(nodes.first, token, "tools/call", asking)
    assert task["resultType"] == "task"
    for node in (nodes.first, nodes.second):
        assert send(node, token, "tasks/get", {"taskId": task["taskId"]})["status"] == "working"
    assert send(nodes.second, token, "tools/call", asking)["taskId"] == task["taskId"]
    found = re.search(r"/account/requests/([0-9a-f-]{36})", task["statusMessage"])
    assert found is not None

    approve(nodes.second, found[1])

    seen = send(nodes.first, token, "tasks/get", {"taskId": task["taskId"]})
    assert seen["status"] == "completed", "seen at once at the node that did not decide"
    nodes.second.kill()
    seen = send(nodes.first, token, "tasks/get", {"taskId": task["taskId"]})
    assert seen["result"]["structuredContent"]["granted"] == ["payroll:read"]
    issued = nodes.first.token(auth=("robot", SECRET), grant_type="client_credentials", resource=PAYROLL)
    assert issued.status_code == 200, "the same agent goes on"
