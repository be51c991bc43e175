"""Unusual calls at a running server with two processes: what one has seen, the other knows."""

import time
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.gatehouse import Gatehouse
from tests.interop.test_decided_calls import REDIRECT, SECRET, Running, token_of_bob
from tests.support import databases

SERVER = "https://pay.example.com/mcp"
CONFIGURATION = f"""
users:
  - {{username: bob, password: bob-password, groups: [staff]}}
  - {{username: olga, password: olga-password, role: administrator}}
clients:
  - {{client_id: assistant, client_name: Assistant, status: approved, grant_types: [authorization_code],
     token_endpoint_auth_method: none, redirect_uris: ["{REDIRECT}"]}}
  - {{client_id: pay-server, status: approved, grant_types: [client_credentials], client_secret: {SECRET}}}
resources:
  - identifier: "{SERVER}"
    decision_clients: [pay-server]
    shown_arguments: [to]
    usual_calls: 20
    scopes: [{{name: pay}}]
rules:
  - {{name: Staff use Payments, effect: allow, clients: ["*"], groups: [staff], grant_types: [authorization_code],
     resources: ["{SERVER}"], scopes: [pay]}}
  - {{name: First use needs a human, effect: require_approval, clients: ["*"], groups: ["*"],
     resources: ["{SERVER}"], scopes: ["*"], conditions: {{unusual: [first_use]}}}}
  - {{name: No floods, effect: deny, clients: ["*"], groups: ["*"],
     resources: ["{SERVER}"], scopes: ["*"], conditions: {{unusual: [volume]}}}}
"""
WORKERS = 2
# Seconds until every process knows what the others have counted, on a machine with other work.
KNOWN_EVERYWHERE = 60.0


class Asking:
    """The MCP server, which asks before each call: each time in a connection of its own, so either process answers."""

    def __init__(self, gatehouse: Gatehouse, token: str) -> None:
        self.address, self.token = f"{gatehouse.issuer}/access/v1", token

    def ask(self, n: int = 0, endpoint: str = "evaluation", **more: Any) -> dict[str, Any]:
        body = {
            "subject": {"type": "token", "id": self.token},
            "action": {"name": "tools/call", "properties": {"arguments": {"to": "DE12", "n": n}}},
            "resource": {"type": "tool", "id": "pay_out"},
        }
        answer = requests.post(f"{self.address}/{endpoint}", json=body | more, auth=("pay-server", SECRET), timeout=60)
        found: dict[str, Any] = answer.json()
        return found

    def is_allowed(self, n: int = 0) -> bool:
        return bool(self.ask(n)["decision"])


@pytest.fixture(scope="module")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory: Path = tmp_path_factory.mktemp("unusual")
    databases.prepare(directory / "gatehouse.sqlite3")
    with Gatehouse(directory, settings={"WORKERS": str(WORKERS)}) as running:
        running.apply(CONFIGURATION)
        yield running


def test_a_first_use_is_approved_and_a_flood_ends(gatehouse: Gatehouse) -> None:
    token = token_of_bob(gatehouse, SERVER)
    server = Asking(gatehouse, token)
    held = server.ask()
    assert (held["decision"], held["context"]["reason"]) == (False, "call_waits")
    denial = {"binding_token": held["context"]["access_request"]["binding_token"]}
    request = server.ask(endpoint="requests", denial=denial)["task"]["id"]
    assert not server.is_allowed(1)
    Running(gatehouse, SERVER, token).approve(request)
    assert server.is_allowed()
    # Used: whichever process answers, no other call of it waits.
    assert all(server.is_allowed(n) for n in range(1, 11))

    ends = time.monotonic() + KNOWN_EVERYWHERE
    in_a_row = 0
    while in_a_row < 10 and time.monotonic() < ends:
        in_a_row = 0 if server.is_allowed(100) else in_a_row + 1
    assert in_a_row == 10
    assert server.ask(100)["context"]["reason"] == "call_denied"
    time.sleep(3)
    counted = gatehouse.manage("shell", "-v0", "-c", COUNTED).split()[-2:]
    # Each process lets pass at most what is usual until it knows of the others.
    assert 20 <= int(counted[0]) <= 20 * WORKERS
    assert counted[1] == "True"


COUNTED = "from authz.models import CallDay as D; d = D.objects.get(); print(d.n, d.unusual_since is not None)"
