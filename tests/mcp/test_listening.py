"""News of tasks by `subscriptions/listen`: acknowledged first, complete, for who asked, and as long as its access."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError

from authz.endpoints import event_stream
from authz.endpoints.event_stream import Channel
from authz.mcp_server import tasks
from authz.mcp_server.listening import streams
from authz.models import AuditEvent, McpTask
from tests.mcp.conftest import PAYROLL, TASKS, Agent
from tests.mcp.deciding import approve, deny
from tests.mcp.test_authorization import ENDINGS
from tests.mcp.test_tasks import asked, get, request_of
from tests.support.clock import Clock

Agents = Callable[..., Agent]
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The thread that looks for news would not see what a test has not committed."""
    monkeypatch.setattr(streams, "_thread", "by hand")
    yield
    for stream in list(streams._open):
        stream.channel.abandon()


@pytest.fixture
def bob(agent: Agents) -> Agent:
    return agent("bob").that_can(TASKS)


class Listening:
    """A stream as its client reads it."""

    def __init__(self, client: Agent, *tasks: dict[str, Any], **more: Any) -> None:
        named = {"taskIds": [task["taskId"] for task in tasks]} if tasks else {}
        self.response = client.send("subscriptions/listen", {"notifications": {**named, **more}})
        assert self.response.status_code == 200, self.response.content
        assert self.response["Content-Type"] == "text/event-stream"
        assert self.response["X-Accel-Buffering"] == "no"
        self.channel: Channel = self.response.channel

    def news(self) -> list[dict[str, Any]]:
        """What has come since the last time."""
        streams.look_for(list(streams._open))
        found = b""
        while (event := self.channel.take()) is not None:
            found += event
        return [json.loads(line[6:]) for line in found.decode().splitlines() if line.startswith("data: ")]


def test_it_is_acknowledged_first_and_told_of_what_is_and_what_becomes_of_it(bob: Agent) -> None:
    task = asked(bob)
    stream = Listening(bob, task)
    first, second = stream.news()
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"]["notifications"] == {"taskIds": [task["taskId"]]}
    identifier = first["params"]["_meta"][SUBSCRIPTION]
    assert second["method"] == "notifications/tasks"
    assert second["params"]["status"] == "working"
    assert stream.news() == []

    approve(request_of(task), "payroll:read")
    told, last = stream.news()
    found = {name: value for name, value in get(bob, task).items() if name not in {"resultType", "_meta"}}
    assert told["params"] == {"_meta": {SUBSCRIPTION: identifier}, **found}
    assert told["params"]["status"] == "completed"
    # Nothing more can come.
    assert last == {
        "jsonrpc": "2.0",
        "id": identifier,
        "result": {"resultType": "complete", "_meta": {SUBSCRIPTION: identifier}},
    }
    assert not stream.channel.is_open
    assert streams.count() == 0


def test_a_reason_that_is_missing_and_a_denial_are_told(bob: Agent) -> None:
    form = bob.that_can(TASKS, {"elicitation": {"form": {}}})
    task = form.call("request_access", server=PAYROLL)
    stream = Listening(form, task)
    assert stream.news()[-1]["params"]["status"] == "input_required"
    key = next(iter(get(form, task)["inputRequests"]))
    answer = {key: {"action": "accept", "content": {"reason": "The month"}}}
    form.result("tasks/update", {"taskId": task["taskId"], "inputResponses": answer})
    (told,) = stream.news()
    assert told["params"]["status"] == "working"
    deny(request_of(task), "No")
    told, last = stream.news()
    assert told["params"]["result"]["isError"] is True
    assert "result" in last


def test_what_it_does_not_have_is_left_out_and_ends_at_once(bob: Agent) -> None:
    stream = Listening(bob, toolsListChanged=True, resourceSubscriptions=["file:///x"])
    acknowledged, last = stream.news()
    assert acknowledged["params"]["notifications"] == {}
    assert last["result"]["resultType"] == "complete"


def test_attack_tasks_of_others_and_made_up_ones_are_not_acknowledged(agent: Agents, bob: Agent) -> None:
    task = asked(bob)
    alice = agent("alice").that_can(TASKS)
    stream = Listening(alice, task, {"taskId": "00000000-0000-4000-8000-000000000000"}, {"taskId": "junk"})
    acknowledged, last = stream.news()
    assert acknowledged["params"]["notifications"] == {}
    assert "result" in last
    event = AuditEvent.objects.get(event="mcp:request:refused", reason="mcp_task_of_another")
    assert event.detail["detail"] == "subscriptions/listen"
    approve(request_of(task), "payroll:read")
    assert stream.news() == []


def test_who_cannot_follow_tasks_is_told_so(agent: Agents) -> None:
    plain = agent("bob")
    error = plain.error("subscriptions/listen", {"notifications": {"taskIds": ["x"]}})
    assert (error["status"], error["code"]) == (400, -32021)
    assert error["data"]["requiredCapabilities"] == {"extensions": {"io.modelcontextprotocol/tasks": {}}}


def test_attack_a_token_without_the_scope_learns_nothing(agent: Agents) -> None:
    reader = agent("bob", scope="access:read").that_can(TASKS)
    response = reader.send("subscriptions/listen", {"notifications": {"taskIds": ["x"]}})
    assert response.status_code == 403
    assert 'scope="access:request"' in response["WWW-Authenticate"]


JUNK: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a list": {"notifications": []},
    "no list": {"notifications": {"taskIds": "x"}},
    "too many": {"notifications": {"taskIds": ["x"] * 51}},
}


@pytest.mark.parametrize("params", JUNK.values(), ids=JUNK)
def test_junk_is_refused(bob: Agent, params: dict[str, Any]) -> None:
    error = bob.error("subscriptions/listen", params)
    assert (error["status"], error["code"]) == (400, -32602)


def test_it_needs_a_client_that_reads_streams(bob: Agent) -> None:
    response = bob.send("subscriptions/listen", {"notifications": {}}, Accept="application/json")
    assert (response.status_code, json.loads(response.content)["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_attack_it_ends_with_the_access(bob: Agent, end: Callable[[], object]) -> None:
    """Within five seconds, and before anything else is told."""
    task = asked(bob)
    stream = Listening(bob, task)
    assert len(stream.news()) == 2
    end()
    McpTask.objects.update(round=2)
    (last,) = stream.news()
    assert "result" in last
    assert not stream.channel.is_open


def test_it_ends_when_nothing_happens_but_the_end_of_access(bob: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Listening(bob, asked(bob))
    stream.news()
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.0)
    assert stream.news() == []
    next(iter(ENDINGS.values()))()
    (last,) = stream.news()
    assert "result" in last


def test_it_ends_with_the_token(bob: Agent, clock: Clock) -> None:
    stream = Listening(bob, asked(bob))
    stream.news()
    clock.ahead = 3600
    (last,) = stream.news()
    assert "result" in last


def test_attack_streams_are_bounded_for_a_caller_and_in_all(
    agent: Agents, bob: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = asked(bob)
    opened = [Listening(bob, task) for _ in range(streams.MAXIMUM_EACH)]
    response = bob.send("subscriptions/listen", {"notifications": {"taskIds": [task["taskId"]]}})
    assert response.status_code == 429
    assert "Poll" in json.loads(response.content)["error"]["message"]
    assert AuditEvent.objects.filter(event="mcp:request:refused", reason="mcp_streams_taken").exists()
    # A client that leaves makes room.
    opened[0].channel.abandon()
    Listening(bob, task)
    monkeypatch.setattr(streams, "MAXIMUM", streams.MAXIMUM_EACH)
    alice = agent("alice").that_can(TASKS)
    response = alice.send("subscriptions/listen", {"notifications": {"taskIds": [asked(alice)["taskId"]]}})
    assert response.status_code == 429


def test_an_error_of_the_database_ends_no_stream(bob: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Listening(bob, asked(bob))
    stream.news()

    def fail(*_: object) -> None:
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(tasks, "stored", fail)
        patched.setattr(streams.connections, "close_all", lambda: None)
        assert stream.news() == []
    assert stream.channel.is_open
    McpTask.objects.update(round=2)
    assert stream.news()[0]["method"] == "notifications/tasks"


def test_a_comment_shows_that_it_lives(bob: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Listening(bob, asked(bob))
    stream.news()
    monkeypatch.setattr(streams, "BEAT_SECONDS", 0.0)
    streams.look_for(list(streams._open))
    assert stream.channel.take() == b": waiting\n\n"


def test_attack_a_reader_that_does_not_read_is_disconnected() -> None:
    ended: list[bool] = []
    channel = Channel(b"last", lambda: ended.append(True))
    for _ in range(event_stream.MAXIMUM_UNREAD + 1):
        channel.put(b"event")
    assert not channel.is_open
    assert ended == [True]
    assert list(channel) == []
    channel.put(b"more")
    channel.end()
    assert ended == [True]


def test_a_channel_without_an_event_loop_is_read_by_a_thread() -> None:
    channel = Channel(b"last", lambda: None)
    channel.put(b"first")
    read = iter(channel)
    assert next(read) == b"first"
    channel.end()
    assert list(read) == [b"last"]
