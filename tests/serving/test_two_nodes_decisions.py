"""Two servers on one PostgreSQL decide calls: what ends at one of them is allowed at neither, under load, and an
approval of one call is used once over both.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from demo.processes import free_port
from tests.serving.two_nodes import call, machine, node, signed_in
from tests.support import databases, world
from tests.support.processes import RunningGatehouse
from tests.support.races import at_once
from tests.support.world import NOTES, SERVER_SECRET, basic_header

pytestmark = pytest.mark.skipif(settings.IS_SQLITE, reason="SQLite is for one node")

CALLER = ("notes-server", SERVER_SECRET)
Nodes = tuple[RunningGatehouse, RunningGatehouse]
ASKED_BY = ("evaluation", "ext_authz")


def configuration() -> str:
    named, rules = f"identifier: {NOTES}\n", "\nrules:\n"
    dora = "  - {username: dora, password: dora-password, email: dora@example.com, groups: [engineering]}\n"
    written = world.configuration().replace(named, f"{named}    decision_clients: [notes-server]\n")
    written = written.replace("\nusers:\n", f"\nusers:\n{dora}", 1)
    return written.replace(
        rules,
        f"""{rules}
  - name: People review payments
    effect: require_approval
    clients: ["*"]
    groups: [engineering]
    resources: ["{NOTES}"]
    scopes: ["*"]
    tools: [pay_out]
    approvers: {{users: [alice]}}
""",
        1,
    )


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    directory, port = tmp_path_factory.mktemp("nodes"), free_port()
    with (
        databases.database(directory, configuration()) as url,
        node(url, directory, port, port) as first,
        node(url, directory, port, free_port()) as second,
    ):
        yield first, second


def asks(at: RunningGatehouse, by: str, token: str, tool: str) -> Any:
    """The answer of a node to a question about a call."""
    if by == "evaluation":
        body: dict[str, Any] = {
            "subject": {"type": "token", "id": token},
            "action": {"name": "tools/call", "properties": {"arguments": {"amount": 250}}},
            "resource": {"type": "tool", "id": tool},
        }
        return at.ask("POST", f"{at.origin}/o/access/v1/evaluation", json=body, auth=CALLER)
    params = {"name": tool, "arguments": {"amount": 250}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"Authorization": f"Bearer {token}", "Gatehouse-Authorization": basic_header(*CALLER)}
    return at.ask("POST", f"{at.origin}/o/access/v1/ext_authz/mcp", json=body, headers=headers)


def is_allowed(at: RunningGatehouse, by: str, token: str, tool: str = "search") -> bool:
    answer = asks(at, by, token, tool)
    assert answer.status_code < 500, answer.text
    return bool(answer.status_code == 200 and answer.json()["decision"] is True)


def test_an_approval_of_one_call_is_used_once_over_both_nodes(nodes: Nodes) -> None:
    token = nodes[0].redeem(nodes[0].code()).json()["access_token"]
    held = asks(nodes[0], "ext_authz", token, "pay_out").json()["error"]["data"]["access_request"]["id"]
    path = f"access_requests/{held}/approve"
    answer = call(nodes[0], signed_in(nodes[0]), "POST", path, {"lasts": "once", "comment": "Fine."})
    assert answer.status_code == 200, answer.text
    allowed = at_once(
        [
            lambda at=nodes[number % 2], by=ASKED_BY[number // 2 % 2]: is_allowed(at, by, token, "pay_out")  # type: ignore[misc]
            for number in range(8)
        ]
    )
    assert allowed.count(True) == 1


@pytest.mark.parametrize(("kind", "name", "at"), [("person", "dora", 0), ("client", "nightly-report", 1)])
def test_after_the_switchs_answer_no_node_allows_a_call(nodes: Nodes, kind: str, name: str, at: int) -> None:
    here = nodes[at]
    issued = here.redeem(here.code(name)) if kind == "person" else machine(here)
    token = issued.json()["access_token"]
    log: list[tuple[float, int, str, bool]] = []
    stop = threading.Event()

    def again(number: int, by: str) -> None:
        while not stop.is_set():
            began = time.monotonic()
            log.append((began, number, by, is_allowed(nodes[number], by, token)))

    threads = [threading.Thread(target=again, args=(number, by)) for number in (0, 1) for by in ASKED_BY * 2]
    alice = signed_in(here)
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.7)
        answer = call(here, alice, "POST", "end_access", {"kind": kind, "name": name, "reason": "Its key leaked."})
        over = time.monotonic()
        assert answer.status_code == 200, answer.text
        time.sleep(0.7)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    before = Counter((number, by) for began, number, by, yes in log if began < over and yes)
    after = Counter((number, by) for began, number, by, _ in log if began >= over)
    everyone = {(number, by) for number in (0, 1) for by in ASKED_BY}
    assert set(before) == set(after) == everyone
    assert [entry for entry in log if entry[0] >= over and entry[3]] == []
