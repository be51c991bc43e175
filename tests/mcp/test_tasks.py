"""An access request as a task: working, input_required, completed, failed, cancelled; and tasks of others."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from authz.mcp_server import tasks
from authz.mcp_server.asked import Asked
from authz.mcp_server.caller import Caller
from authz.models import AccessRequest, AuditEvent, Client, McpTask
from authz.operations import housekeeping
from authz.protocol.mcp import Envelope, RpcMessage
from tests.mcp.conftest import FORM, PAYROLL, TASKS, URL, Agent, person
from tests.mcp.deciding import approve, deny
from tests.support import races
from tests.support.clock import Clock
from tests.support.world import World

Agents = Callable[..., Agent]
WHY = "The month has to be closed"


def asked(client: Agent, **more: Any) -> dict[str, Any]:
    found = client.call("request_access", server=PAYROLL, **({"reason": WHY} | more))
    assert found["resultType"] == "task", found
    return found


def get(client: Agent, task: dict[str, Any]) -> dict[str, Any]:
    return client.result("tasks/get", {"taskId": task["taskId"]})


def request_of(task: dict[str, Any]) -> str:
    return str(McpTask.objects.get(pk=task["taskId"]).access_request_id)


@pytest.fixture
def bob(agent: Agents) -> Agent:
    return agent("bob").that_can(TASKS)


def test_a_task_is_created_at_once(bob: Agent) -> None:
    task = asked(bob)

    assert UUID(task["taskId"]).version == 4
    assert task["status"] == "working"
    assert "members of keepers" in task["statusMessage"]
    assert task["createdAt"].endswith("Z")
    assert task["ttlMs"] == 30 * 24 * 3600 * 1000
    assert task["pollIntervalMs"] == 5000
    found = get(bob, task)
    assert found["resultType"] == "complete"
    assert {name: found[name] for name in task if name != "resultType"} == {
        name: value for name, value in task.items() if name != "resultType"
    }


def test_the_same_question_is_the_same_task(bob: Agent) -> None:
    assert asked(bob)["taskId"] == asked(bob)["taskId"]


def test_it_completes_with_what_was_granted(bob: Agent) -> None:
    task = asked(bob)
    approve(request_of(task), "payroll:read")

    found = get(bob, task)
    assert found["status"] == "completed"
    assert found["result"]["isError"] is False
    assert found["result"]["structuredContent"]["granted"] == ["payroll:read"]
    assert found["lastUpdatedAt"] > found["createdAt"]


def test_a_denial_completes_with_an_error(bob: Agent) -> None:
    """> The failed status MUST NOT be used to represent non-JSON-RPC errors"""
    task = asked(bob)
    deny(request_of(task), "Not before Friday")

    found = get(bob, task)
    assert found["status"] == "completed"
    assert found["result"]["isError"] is True
    assert "Not before Friday" in found["statusMessage"]
    assert "Not before Friday" in found["result"]["content"][0]["text"]


def test_what_no_one_answers_fails(bob: Agent, clock: Clock) -> None:
    task = asked(bob)
    McpTask.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))

    found = get(bob, task)
    assert found["status"] == "failed"
    assert found["error"] == {"code": 1001, "message": "No one answered the request in time."}


def test_the_asker_cancels(bob: Agent) -> None:
    task = asked(bob)
    assert bob.result("tasks/cancel", {"taskId": task["taskId"]})["resultType"] == "complete"

    assert get(bob, task)["status"] == "cancelled"
    assert AccessRequest.objects.get().status == "cancelled"
    event = AuditEvent.objects.get(event="policy:access_request:cancelled")
    assert event.detail["by"] == "bob"
    assert asked(bob)["taskId"] != task["taskId"], "it may be asked again"


def test_a_machine_cancels_its_own(robot: Agent) -> None:
    robot = robot.that_can(TASKS)
    task = asked(robot)
    robot.result("tasks/cancel", {"taskId": task["taskId"]})
    assert get(robot, task)["status"] == "cancelled"


def test_what_was_decided_is_not_cancelled(bob: Agent) -> None:
    task = asked(bob)
    approve(request_of(task), "payroll:read")
    bob.result("tasks/cancel", {"taskId": task["taskId"]})
    assert get(bob, task)["status"] == "completed"


class TestInput:
    def test_a_missing_reason_is_asked_for(self, agent: Agents) -> None:
        bob = agent("bob").that_can(TASKS, FORM)
        task = bob.call("request_access", server=PAYROLL)
        assert task["status"] == "input_required"
        wanted = get(bob, task)["inputRequests"]
        assert list(wanted) == ["reason-1"]
        assert wanted["reason-1"]["params"]["mode"] == "form"

        response = {"reason-1": {"action": "accept", "content": {"reason": WHY}}, "never-asked": {"action": "accept"}}
        bob.result("tasks/update", {"taskId": task["taskId"], "inputResponses": response})

        assert get(bob, task)["status"] == "working"
        assert AccessRequest.objects.get().reason == WHY

    def test_no_key_is_used_twice(self, agent: Agents) -> None:
        bob = agent("bob").that_can(TASKS, FORM)
        task = bob.call("request_access", server=PAYROLL)
        seen: list[str] = []
        while (found := get(bob, task))["status"] == "input_required":
            (key,) = found["inputRequests"]
            assert key not in seen
            seen.append(key)
            empty = {key: {"action": "accept", "content": {"reason": "  "}}}
            bob.result("tasks/update", {"taskId": task["taskId"], "inputResponses": empty})
        assert seen == ["reason-1", "reason-2", "reason-3"]
        late = {"reason-1": {"action": "accept", "content": {"reason": "late"}}}
        bob.result("tasks/update", {"taskId": task["taskId"], "inputResponses": late})
        assert AccessRequest.objects.get().reason == "", "an answer to what is no longer asked is ignored"

    def test_who_declines_is_not_asked_again(self, agent: Agents) -> None:
        bob = agent("bob").that_can(TASKS, FORM)
        task = bob.call("request_access", server=PAYROLL)
        declined = {"reason-1": {"action": "decline"}}
        bob.result("tasks/update", {"taskId": task["taskId"], "inputResponses": declined})
        assert get(bob, task)["status"] == "working"

    def test_the_page_is_shown_where_the_client_can(self, agent: Agents) -> None:
        bob = agent("bob").that_can(TASKS, URL)
        task = asked(bob)
        assert task["status"] == "input_required"
        page = get(bob, task)["inputRequests"]["page"]["params"]
        assert page["url"].endswith(f"/account/requests/{request_of(task)}")
        assert get(bob.that_can(TASKS), task)["status"] == "working", "of a client that shows none, nothing is asked"

        shown = {"page": {"action": "accept"}}
        bob.result("tasks/update", {"taskId": task["taskId"], "inputResponses": shown})
        assert get(bob, task)["status"] == "working"

    def test_a_decision_does_not_wait_for_input(self, agent: Agents) -> None:
        bob = agent("bob").that_can(TASKS, FORM, URL)
        task = asked(bob)
        approve(request_of(task), "payroll:read")
        assert get(bob, task)["status"] == "completed"

    def test_responses_are_an_object(self, bob: Agent) -> None:
        task = asked(bob)
        found = bob.error("tasks/update", {"taskId": task["taskId"], "inputResponses": []})
        assert (found["status"], found["code"]) == (400, -32602)


class TestOthers:
    """Task ids of others: who knows one learns nothing by it, and changes nothing."""

    def test_they_are_as_unknown_ones(self, agent: Agents, bob: Agent, robot: Agent) -> None:
        task = asked(bob)
        others = [agent("alice"), agent("bob", client_id="desktop-app"), robot]
        for other in others:
            client = other.that_can(TASKS)
            for method in ("tasks/get", "tasks/cancel", "tasks/update"):
                found = client.error(method, {"taskId": task["taskId"], "inputResponses": {}})
                unknown = client.error(method, {"taskId": "786512e2-9e0d-44bd-8f29-789f320fe840", "inputResponses": {}})
                assert found == unknown == {"status": 400, "code": -32602, "message": "Task not found"}
        assert get(bob, task)["status"] == "working"
        assert AuditEvent.objects.filter(reason="mcp_task_of_another").count() == 9

    @pytest.mark.parametrize("given", ["", "x", "1", "../../etc", "a" * 500])
    def test_an_id_that_is_none_is_unknown(self, bob: Agent, given: str) -> None:
        assert bob.error("tasks/get", {"taskId": given})["code"] == -32602

    def test_an_id_of_another_type_is_refused(self, bob: Agent) -> None:
        response = bob.send("tasks/get", {"taskId": 7}, **{"Mcp-Name": "7"})
        assert response.status_code == 400

    @pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
    def test_a_client_that_did_not_say_it_can_is_refused(self, agent: Agents, bob: Agent, method: str) -> None:
        """> Servers MUST return this error for non-declaring clients issuing […] requests."""
        task = asked(bob)
        found = bob.that_can().error(method, {"taskId": task["taskId"], "inputResponses": {}})
        assert (found["status"], found["code"]) == (400, -32021)
        assert found["data"] == {"requiredCapabilities": TASKS}

    def test_a_token_without_the_scope_is_refused(self, agent: Agents, bob: Agent) -> None:
        task = asked(bob)
        reader = agent("bob", scope="access:read").that_can(TASKS)
        response = reader.send("tasks/get", {"taskId": task["taskId"]})
        assert response.status_code == 403
        assert 'scope="access:request"' in response["WWW-Authenticate"]

    def test_there_is_no_list(self, bob: Agent) -> None:
        assert bob.error("tasks/list")["code"] == -32601


def test_tasks_that_are_over_are_removed(bob: Agent) -> None:
    task = asked(bob)
    housekeeping.run()
    assert get(bob, task)["status"] == "working"
    McpTask.objects.update(expires=datetime.now(UTC) - timedelta(days=2))
    housekeeping.run()
    assert bob.error("tasks/get", {"taskId": task["taskId"]})["code"] == -32602


def test_of_many_answers_to_one_question_one_counts(committed_gatehouse: World) -> None:
    """Once: a client that sends its answer many times at once, to several nodes."""
    now = time.time()
    moment = datetime.fromtimestamp(now, UTC)
    client, bob = Client.objects.get(client_id="desktop-app"), person("bob")
    row = AccessRequest.objects.create(
        digest="one",
        client=client,
        user=bob,
        resource=PAYROLL,
        grant_type="authorization_code",
        scopes=["payroll:read"],
        first_asked=moment,
        last_asked=moment,
    )
    token: Any = None  # what came before has read it
    caller = Caller(client=client, person=bob, scopes=frozenset({"access:request"}), token=token, now=now)
    task = tasks.opened(row, caller)
    envelope = Envelope("2026-07-28", is_modern=True, capabilities=TASKS | FORM)

    def answer(number: int) -> None:
        response = {"reason-1": {"action": "accept", "content": {"reason": f"Reason {number}"}}}
        params = {"taskId": str(task.pk), "inputResponses": response}
        tasks.update(Asked(RpcMessage(number, "tasks/update", params), envelope, caller))

    races.at_once([partial(answer, number) for number in range(8)])

    assert AuditEvent.objects.filter(event="policy:access_request:explained").count() == 1
    task.refresh_from_db()
    assert (task.round, task.wants_reason) == (2, False)
