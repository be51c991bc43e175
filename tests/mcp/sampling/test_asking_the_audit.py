"""An auditor's question is answered by the client's model, over real events, and with the auditor's own rights."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from authz.mcp_server.sampling import questions
from authz.mcp_server.sampling.conversation import Budget
from authz.models import AuditEvent, McpSampling
from tests.mcp.conftest import Agent, person
from tests.mcp.sampling.conftest import CAN, Sampler, events_of, got, messages, script, text, use
from tests.support.world import World

Clients = Callable[..., Sampler]
READ = use("search_audit", {"event": "token:access:issued", "limit": 5})


def test_an_answer_links_its_events(dana: Sampler) -> None:
    number = AuditEvent.objects.filter(event="token:access:issued").latest("id").pk
    model = script(lambda _: READ, lambda params: text(f"- Dana’s assistant got one [#{events_of(params)[0]['id']}]."))
    found = dana.ask(model)

    assert not found["isError"]
    assert found["structuredContent"]["not_supported"] == 0
    (statement,) = found["structuredContent"]["statements"]
    assert statement["supported"]
    assert statement["text"] == "Dana’s assistant got one."
    (event,) = statement["events"]
    assert event["id"] == number
    assert event["url"].endswith(f"/console/authz/auditevent/{number}/change/")
    assert event["url"] in found["content"][0]["text"]
    assert not McpSampling.objects.exists()


def test_the_pages_of_the_links_are_the_consoles(dana: Sampler, served: World) -> None:
    model = script(lambda _: READ, lambda params: text(f"One [#{events_of(params)[0]['id']}]"))
    url = dana.ask(model)["structuredContent"]["statements"][0]["events"][0]["url"]
    served.browser.logout()
    served.sign_in("dana")
    assert served.browser.get(url.partition("/console")[1] + url.partition("/console")[2]).status_code == 200


def test_each_round_is_an_event(dana: Sampler) -> None:
    dana.ask(script(lambda _: READ, lambda params: text(f"One [#{events_of(params)[0]['id']}]\nTwo [#1000000]\nThree")))
    first, second = AuditEvent.objects.filter(event="mcp:sampling:round").order_by("id")
    assert first.detail["uses"] == [{"tool": "search_audit", "came": "ok", "events": 1}]
    assert (first.detail["round"], second.detail["round"]) == (1, 2)
    assert second.detail["statements"] == 3
    assert len(first.detail["question"]) == 64
    assert first.subject == str(person("dana").subject)
    ended = AuditEvent.objects.get(event="mcp:sampling:ended")
    told = {name: ended.detail[name] for name in ("stop", "events_read", "supported", "not_supported", "round")}
    assert told == {"stop": "answered", "events_read": 1, "supported": 1, "not_supported": 2, "round": 2}
    called = AuditEvent.objects.get(event="mcp:tool:called")
    assert called.detail["looked_for"] == {"event": "token:access:issued", "limit": "5"}
    assert called.detail["conversation"] == first.detail["conversation"] == ended.detail["conversation"]
    assert called.authorization == first.authorization != ""


def test_what_names_no_event_that_was_read_is_marked(dana: Sampler) -> None:
    """Attack: an event that exists and was not read, and one that does not."""
    other = AuditEvent.objects.earliest("id").pk

    def answer(params: Any) -> Any:
        read = events_of(params)[0]["id"]
        assert read != other
        return text(f"True [#{read}]\nBelieve me\nUnread [#{other}]\nMixed [#{read}, #{other}]\nMade up [#99999999]")

    found = dana.ask(script(lambda _: READ, answer))["structuredContent"]
    assert [one["supported"] for one in found["statements"]] == [True, False, False, False, False]
    assert [len(one["events"]) for one in found["statements"]] == [1, 0, 0, 1, 0]
    assert found["not_supported"] == 4


def test_an_answer_that_rests_on_nothing_is_none(dana: Sampler) -> None:
    found = dana.ask(lambda _: text("All is well, trust me [#1]."))
    assert found["isError"]
    assert "trust me" not in json.dumps(found)
    assert AuditEvent.objects.get(event="mcp:sampling:ended").detail["stop"] == "unsupported"


def test_that_there_is_nothing_has_an_event_too(dana: Sampler) -> None:
    def answer(params: Any) -> Any:
        assert events_of(params) == []
        number = int(got(params).rpartition("#")[2].rstrip("."))
        return text(f"The payroll agent did nothing [#{number}].")

    found = dana.ask(script(lambda _: use("search_audit", {"client_id": "nemo"}), answer))
    (statement,) = found["structuredContent"]["statements"]
    assert statement["supported"]
    event = AuditEvent.objects.get(pk=statement["events"][0]["id"])
    assert (event.event, event.detail["looked_for"]) == ("mcp:tool:called", {"client_id": "nemo"})


def test_only_tools_that_read_are_offered(dana: Sampler) -> None:
    dana.ask(lambda _: text("Nothing"))
    (params,) = dana.asked
    assert {tool["name"] for tool in params["tools"]} == {"search_audit", "event_history", "prove_event", "who_reaches"}
    assert params["toolChoice"] == {"mode": "auto"}
    assert params["maxTokens"] == 2000
    assert params["messages"] == [{"role": "user", "content": {"type": "text", "text": "Who got a token?"}}]
    assert "includeContext" not in params


@pytest.mark.parametrize("tool", ["request_access", "end_access", "explain_access", "ask_audit", "delete_everything"])
def test_a_tool_that_was_not_offered_does_nothing(client_of: Clients, tool: str) -> None:
    """Attack: the model is told to write. The agent itself has the scope for it."""
    dana = client_of(scope="access:read access:request audit:read")
    given = {"server": "https://payroll.example.com/mcp", "reason": "x"}

    def answer(params: Any) -> Any:
        assert params["messages"][-1]["content"][0]["isError"]
        return text("It failed")

    dana.ask(script(lambda _: use(tool, given), answer))
    refused = AuditEvent.objects.get(reason="mcp_sampling_tool")
    assert refused.detail["detail"] == tool
    assert not AuditEvent.objects.filter(event__in=["mcp:tool:called", "policy:access_request:opened"]).exists()
    uses = AuditEvent.objects.filter(event="mcp:sampling:round").earliest("id").detail["uses"]
    assert uses == [{"tool": tool, "came": "not_offered", "events": 0}]


def test_wrong_arguments_are_told_to_the_model(dana: Sampler) -> None:
    def answer(params: Any) -> Any:
        assert "limit: does not fit maximum" in got(params)
        return text("It failed")

    dana.ask(script(lambda _: use("search_audit", {"limit": 10**6}), answer))
    uses = AuditEvent.objects.filter(event="mcp:sampling:round").earliest("id").detail["uses"]
    assert uses == [{"tool": "search_audit", "came": "failed", "events": 0}]


class TestWhoSeesIt:
    def test_a_client_that_can(self, dana: Sampler) -> None:
        assert "ask_audit" in dana.tools()

    @pytest.mark.parametrize(
        ("can", "revision"),
        [
            ({}, "2025-11-25"),
            ({"sampling": {}}, "2025-11-25"),
            ({"sampling": {"tools": True}}, "2025-11-25"),
            ({"sampling": []}, "2025-11-25"),
            (CAN, "2025-06-18"),
            (CAN, "2025-03-26"),
            ("nonsense", "2025-11-25"),
        ],
    )
    def test_no_client_that_did_not_say_so(self, dana: Sampler, can: Any, revision: str) -> None:
        response = dana.initialize(can, revision)
        assert "Mcp-Session-Id" not in response
        assert "ask_audit" not in dana.tools()
        assert "Unknown tool" in json.loads(dana.call().content)["error"]["message"]

    def test_no_client_of_2026_07_28(self, dana: Sampler) -> None:
        modern = dana.agent.that_can(CAN)
        listed = json.loads(modern.send("tools/list", **{"Mcp-Session-Id": dana.session}).content)["result"]["tools"]
        assert "ask_audit" not in {tool["name"] for tool in listed}
        assert "Unknown tool" in modern.error("tools/call", {"name": "ask_audit", "arguments": {}})["message"]
        assert "Mcp-Session-Id" not in modern.send("tools/list")

    def test_not_while_it_is_off(self, served: World, switched_on: None, agent: Callable[..., Agent]) -> None:
        client = Sampler(agent("dana"))
        assert "Mcp-Session-Id" not in client.initialize()
        client.session = "made-up"
        assert "ask_audit" not in client.tools()

    def test_no_one_without_the_right(self, client_of: Clients) -> None:
        bob = client_of("bob")
        assert "ask_audit" not in bob.tools()
        assert bob.call().status_code == 403
        assert AuditEvent.objects.get(reason="mcp_role_insufficient").detail["detail"] == "ask_audit"

    def test_no_one_without_the_scope(self, client_of: Clients) -> None:
        dana = client_of(scope="access:read")
        assert "ask_audit" not in dana.tools()
        assert dana.call().status_code == 403


class TestTheBudget:
    def test_rounds_and_the_last_one_has_no_tools(self, dana: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(questions, "BUDGET", Budget(rounds=3))
        found = dana.ask(lambda _: use("search_audit", {"limit": 1}))
        assert found["isError"] and "longer than a question may take" in found["content"][0]["text"]
        assert [params["toolChoice"]["mode"] for params in dana.asked] == ["auto", "auto", "none"]

    def test_tokens(self, dana: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(questions, "BUDGET", Budget(tokens=250, tokens_each=100))
        dana.ask(lambda _: use("search_audit", {"limit": 1}))
        assert [params["maxTokens"] for params in dana.asked] == [100, 100, 50]
        assert dana.asked[-1]["toolChoice"] == {"mode": "none"}
        assert AuditEvent.objects.get(event="mcp:sampling:ended").detail["stop"] == "tokens"

    def test_seconds(self, dana: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(questions, "BUDGET", Budget(seconds=0.4))
        first, last = messages_of(dana)
        assert first["method"] == "sampling/createMessage"
        assert "in time" in last["result"]["content"][0]["text"]
        assert dana.answer(first["id"], text("late")).status_code == 400
        assert AuditEvent.objects.get(event="mcp:sampling:ended").detail["stop"] == "time"


def messages_of(client: Sampler) -> list[dict[str, Any]]:
    return list(messages(client.call()))


def test_a_flood_of_questions_stops(dana: Sampler, settings: Any) -> None:
    limits = settings.GATEHOUSE["RATE_LIMITS"] | {"mcp_ask_audit:asker": "2/hour"}
    settings.GATEHOUSE = settings.GATEHOUSE | {"RATE_LIMITS": limits}
    for _ in range(2):
        dana.ask(lambda _: text("Nothing"))
    response = dana.call()
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize("question", ["", "x" * 1001, 5, None])
def test_a_wrong_question_asks_no_model(dana: Sampler, question: Any) -> None:
    found = json.loads(dana.call(question).content)["result"]
    assert found["isError"] and found["content"][0]["text"].startswith("question:")


def test_a_client_that_takes_no_stream_gets_none(dana: Sampler) -> None:
    response = dana.call(Accept="application/json")
    assert json.loads(response.content)["error"]["message"] == "Accept text/event-stream."
