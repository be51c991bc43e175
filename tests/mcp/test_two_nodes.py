"""Two nodes on one database: asked at one, decided at the other, seen at both; also after one was killed."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.processes import free_port
from tests.mcp.conftest import CONFIGURATION, PAYROLL, TASKS, VERSION
from tests.support import databases, processes, world
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET

LISTENER = "listener"
WHY = "The month has to be closed"


@dataclass(frozen=True, slots=True)
class Nodes:
    """`first` has the issuer's address; `second` is told it, and answers at another port."""

    first: RunningGatehouse
    second: RunningGatehouse
    url: str
    where: Path
    switched: dict[str, str]

    @property
    def resource(self) -> str:
        return f"{self.first.issuer}/mcp"

    def token(self, client_id: str = "robot") -> str:
        form = {"grant_type": "client_credentials", "resource": self.resource}
        return str(self.first.token(auth=(client_id, SECRET), **form).json()["access_token"])


def configuration(issuer: str) -> dict[str, Any]:
    """With a second robot, so that no test depends on what another one was allowed."""
    made: dict[str, Any] = json.loads(json.dumps(CONFIGURATION))
    (robot,) = (client for client in made["clients"] if client["client_id"] == "robot")
    made["clients"].append(robot | {"client_id": LISTENER})
    for rule in made["rules"]:
        rule.setdefault("resources", [f"{issuer}/mcp"])
        if "robot" in rule.get("clients", ()):
            rule["clients"].append(LISTENER)
    scopes = [{"name": name} for name in ("access:read", "access:request", "audit:read")]
    return made | {"resources": [{"identifier": f"{issuer}/mcp", "name": "Gatehouse", "scopes": scopes}]}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    where = tmp_path_factory.mktemp("nodes")
    port = free_port()
    issuer = f"http://127.0.0.1:{port}/o"
    switched = {"GATEHOUSE_MCP": "1", "GATEHOUSE_ISSUER": issuer, "GATEHOUSE_SECRET_KEY": "k" * 50}
    with ExitStack() as stack:
        url = stack.enter_context(databases.database(where, world.configuration(), GATEHOUSE_SECRET_KEY="k" * 50))
        first = stack.enter_context(processes.running(url, where, PORT=str(port), **switched))
        file = where / "mcp.yaml"
        file.write_text(json.dumps(configuration(issuer)))
        first.manage("apply", str(file))
        second = stack.enter_context(processes.running(url, where, **switched))
        yield Nodes(first, second, url, where, switched)


def posted(token: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": TASKS,
    }
    headers = {
        "Authorization": f"Bearer {token}",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": method,
        "Accept": "application/json, text/event-stream",
    }
    if named := params.get("taskId") or params.get("name"):
        headers["Mcp-Name"] = named
    return {
        "json": {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}},
        "headers": headers,
    }


def send(node: RunningGatehouse, token: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    answer = node.ask("POST", f"{node.origin}/o/mcp", **posted(token, method, params))
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


@contextmanager
def listening(node: RunningGatehouse, token: str, task: str) -> Iterator[Iterator[dict[str, Any]]]:
    """The messages on a stream, as they come."""
    params = {"notifications": {"taskIds": [task]}}
    with requests.Session() as session:
        session.trust_env = False
        asked = posted(token, "subscriptions/listen", params)
        with session.post(f"{node.origin}/o/mcp", stream=True, timeout=30, **asked) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream", answer.text
            lines = answer.iter_lines(chunk_size=1)
            yield (json.loads(line[6:]) for line in lines if line.startswith(b"data: "))


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


def test_what_is_decided_at_one_is_told_at_the_other_and_no_thread_waits(nodes: Nodes) -> None:
    """The node that tells has one thread: a stream that held it would keep all tools of that process waiting."""
    token = nodes.token(LISTENER)
    asking = {"name": "request_access", "arguments": {"server": PAYROLL, "reason": WHY}}
    task = send(nodes.first, token, "tools/call", asking)
    with processes.running(nodes.url, nodes.where, THREADS="1", **nodes.switched) as third, ExitStack() as stack:
        # As many as one may have in a process.
        streams = [stack.enter_context(listening(third, token, task["taskId"])) for _ in range(4)]
        for stream in streams:
            assert next(stream)["method"] == "notifications/subscriptions/acknowledged"
            assert next(stream)["params"]["status"] == "working"
        assert send(third, token, "tasks/get", {"taskId": task["taskId"]})["status"] == "working"
        began = time.monotonic()
        send(nodes.first, token, "tasks/cancel", {"taskId": task["taskId"]})
        for stream in streams:
            told, last = list(stream)
            assert told["params"]["status"] == "cancelled"
            assert last["result"]["resultType"] == "complete"
        assert time.monotonic() - began < 10

        task = send(nodes.first, token, "tools/call", asking)
        stream = stack.enter_context(listening(third, token, task["taskId"]))
        assert next(stream)["method"] == "notifications/subscriptions/acknowledged"
        assert third.server.process is not None
        third.server.process.terminate()
        assert "result" in list(stream)[-1], "a server that stops ends its streams in order"
        third.server.process.wait(30)
    send(nodes.first, token, "tasks/cancel", {"taskId": task["taskId"]})


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
    send(nodes.first, token, "tools/call", {"name": "end_access", "arguments": {"server": PAYROLL}})
