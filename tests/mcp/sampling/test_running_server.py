"""Questions to a client's model at a running server: who leaves frees the thread, who waits leaves others theirs."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.processes import free_port
from tests.mcp.sampling.conftest import CAN, REVISION, text, use
from tests.support import databases, processes
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET

# One question at a time.
THREADS = "4"


def configuration(mcp: str) -> str:
    grants = {"client_id": "robot", "status": "approved", "grant_types": ["client_credentials"]}
    rule = {
        "name": "It reads the audit",
        "effect": "allow",
        "clients": ["robot"],
        "grant_types": ["client_credentials"],
    }
    return json.dumps(
        {
            "resources": [{"identifier": mcp, "name": "Gatehouse", "scopes": [{"name": "audit:read"}]}],
            "clients": [{**grants, "client_name": "Robot", "client_secret": SECRET}],
            "rules": [{**rule, "resources": [mcp], "scopes": ["*"]}],
        }
    )


@dataclass
class Asking:
    """A client at the server. Each POST is a connection of its own."""

    server: RunningGatehouse
    token: str
    session: str = ""

    def post(self, body: dict[str, Any]) -> requests.Response:
        headers = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {self.token}",
            "MCP-Protocol-Version": REVISION,
            **({"Mcp-Session-Id": self.session} if self.session else {}),
        }
        session = requests.Session()
        session.trust_env = False
        sent = {"jsonrpc": "2.0", **body}
        return session.post(self.server.url("mcp"), json=sent, headers=headers, stream=True, timeout=30)

    def ask(self) -> requests.Response:
        params = {"name": "ask_audit", "arguments": {"question": "What happened?"}}
        return self.post({"id": 1, "method": "tools/call", "params": params})


def messages(response: requests.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines(chunk_size=1):
        if line.startswith(b"data: "):
            yield json.loads(line[len(b"data: ") :])


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}/o"
    on = {"GATEHOUSE_ISSUER": issuer, "GATEHOUSE_MCP": "1", "GATEHOUSE_MCP_SAMPLING": "1", "THREADS": THREADS}
    with (
        databases.database(tmp_path, configuration(f"{issuer}/mcp"), GATEHOUSE_ISSUER=issuer) as url,
        processes.running(url, tmp_path, workers=1, PORT=str(port), **on) as server,
    ):
        form = {"grant_type": "client_credentials", "resource": server.url("mcp")}
        client = Asking(server, server.token(auth=("robot", SECRET), **form).json()["access_token"])
        params = {"protocolVersion": REVISION, "capabilities": CAN}
        client.session = client.post({"id": 1, "method": "initialize", "params": params}).headers["Mcp-Session-Id"]
        yield client


def test_a_question_that_waits_and_one_whose_client_left(asking: Asking) -> None:
    first = asking.ask()
    assert next(messages(first))["method"] == "sampling/createMessage"

    (refused,) = messages(asking.ask())
    assert "Too many questions" in refused["result"]["content"][0]["text"]
    assert asking.server.ask("GET", f"{asking.server.origin}/accounts/login/").status_code == 200
    assert asking.server.recorded("mcp:sampling:ended") == 0

    first.close()
    ends = time.monotonic() + 20
    while asking.server.recorded("mcp:sampling:ended") == 0:
        assert time.monotonic() < ends, "the thread still waits for a client that left"
        time.sleep(0.1)

    again = messages(asking.ask())
    said = [use("search_audit", {"limit": 1}), text("Nothing that I can name")]
    for result in said:
        assert asking.post({"id": next(again)["id"], "result": result}).status_code == 202
    assert next(again)["result"]["isError"]


def test_the_server_stops_while_a_question_waits(asking: Asking) -> None:
    assert next(messages(asking.ask()))["method"] == "sampling/createMessage"
    process = asking.server.server.process
    assert process is not None
    process.terminate()
    assert process.wait(20) == 0
