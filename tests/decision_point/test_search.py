"""The Search APIs: what a caller could find out by evaluating, and nothing of others."""

from typing import Any

import pytest

from authz.configuration import apply
from authz.endpoints.decision_point import decided
from authz.models import AuditEvent
from tests.decision_point.conftest import PDP, configure
from tests.support import world
from tests.support.world import SERVER_SECRET, World, claims

TOOLS = [{"name": "search"}, {"name": "pay_out", "labels": ["payroll"]}, {"name": "more_*"}]
NO_PAYROLL: dict[str, Any] = {
    "name": "No payroll",
    "effect": "deny",
    "clients": ["*"],
    "groups": ["*"],
    "grant_types": ["authorization_code"],
    "resources": ["*"],
    "scopes": ["*"],
    "labels": ["payroll"],
}


@pytest.fixture
def token(gatehouse: World, pdp: PDP) -> str:
    configure(NO_PAYROLL, tools=TOOLS, claims_clients=["notes-server"])
    return str(gatehouse.signed_in_tokens()["access_token"])


def found(pdp: PDP, wanted: str, body: dict[str, Any], basic: tuple[str, str] | None = None) -> dict[str, Any]:
    answer = pdp.post(f"search/{wanted}", body, basic or ("notes-server", SERVER_SECRET))
    assert answer.status_code == 200, answer.content
    result: dict[str, Any] = answer.json()
    return result


def test_the_tools_that_a_token_may_call(pdp: PDP, token: str) -> None:
    body = {
        "subject": {"type": "token", "id": token},
        "action": {"name": "tools/call", "properties": {"arguments": {}}},
        "resource": {"type": "tool", "id": "ignored"},
    }
    assert found(pdp, "resource", body)["results"] == [{"type": "tool", "id": "search"}]
    assert AuditEvent.objects.get(event="access:calls:searched").detail["found"] == 1
    body["subject"] = {"type": "token", "id": "nonsense"}
    assert found(pdp, "resource", body)["results"] == []


def test_the_servers_that_a_token_or_a_person_may_use(gatehouse: World, pdp: PDP, token: str) -> None:
    payroll = f"identifier: {world.PAYROLL}, name: Payroll, decision_clients: [notes-server]"
    apply(f'resources: [{{{payroll}, scopes: [{{name: "payroll:read"}}]}}]')
    body: dict[str, Any] = {
        "subject": {"type": "token", "id": token},
        "action": {"name": "tools/list"},
        "resource": {"type": "mcp_server"},
    }
    notes = [{"type": "mcp_server", "id": world.NOTES}]
    assert found(pdp, "resource", body)["results"] == notes
    # What is found is allowed when it is evaluated.
    assert pdp.ask({**body, "resource": notes[0]})["decision"] is True
    # Names of people count only from `claims_clients`, which the other server does not have.
    body["subject"] = {"type": "user", "id": "bob"}
    assert found(pdp, "resource", body)["results"] == notes
    assert pdp.ask({**body, "resource": notes[0]})["decision"] is True
    for aud, expected in ((world.NOTES, notes), (world.PAYROLL, [])):
        body["subject"]["properties"] = {"aud": aud}
        assert found(pdp, "resource", body)["results"] == expected
    body["subject"] = {"type": "user", "id": "charlie"}
    assert found(pdp, "resource", body)["results"] == []
    # An id is not asked for, and a page goes on after the candidates of the one before it.
    body |= {"subject": {"type": "token", "id": token}, "resource": {"type": "mcp_server", "id": world.PAYROLL}}
    assert found(pdp, "resource", body)["results"] == notes
    assert found(pdp, "resource", body | {"page": {"token": "2"}})["results"] == []


def test_a_tool_is_searched_over_the_servers_by_its_name(pdp: PDP, token: str) -> None:
    body = {"subject": {"type": "token", "id": token}, "resource": {"type": "mcp_server"}}
    assert found(pdp, "resource", body | {"action": {"name": "search"}})["results"]
    assert found(pdp, "resource", body | {"action": {"name": "pay_out"}})["results"] == []


@pytest.mark.parametrize("kind", ["scope", "record", "Tool", "mcp_servers"])
def test_nothing_is_found_of_a_type_that_is_not_ours(pdp: PDP, token: str, kind: str) -> None:
    body = {"subject": {"type": "token", "id": token}, "action": {"name": "tools/list"}, "resource": {"type": kind}}
    assert found(pdp, "resource", body)["results"] == []


def test_the_actions_at_a_tool(pdp: PDP, token: str) -> None:
    body = {"subject": {"type": "token", "id": token}, "resource": {"type": "tool", "id": "search"}}
    assert found(pdp, "action", body)["results"] == [{"name": "tools/call"}]
    body["resource"] = {"type": "tool", "id": "pay_out"}
    assert found(pdp, "action", body)["results"] == []


def test_the_people_who_may_call(gatehouse: World, pdp: PDP, token: str) -> None:
    World().signed_in_tokens(username="alice")
    body: dict[str, Any] = {
        "subject": {"type": "user", "id": "bob"},
        "action": {"name": "tools/call", "properties": {"arguments": {}}},
        "resource": {"type": "tool", "id": "search"},
    }
    everyone = [{"type": "user", "id": "bob"}, {"type": "user", "id": "alice"}]
    assert found(pdp, "subject", body)["results"] == everyone
    body["subject"] = {"type": "identity"}
    subs = [one["id"] for one in found(pdp, "subject", body)["results"]]
    assert claims(token)["sub"] in subs
    # Page by page.
    body |= {"subject": {"type": "user"}, "page": {"limit": 1}}
    first = found(pdp, "subject", body)
    assert (first["results"], first["page"]["count"]) == (everyone[:1], 1)
    body["page"]["token"] = first["page"]["next_token"]
    assert found(pdp, "subject", body)["results"] == everyone[1:]
    body["page"]["token"] = "x"
    assert pdp.post("search/subject", body).status_code == 400


def test_a_far_page_evaluates_nothing_of_those_before_it(
    gatehouse: World, pdp: PDP, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = list[object]()
    judge = decided.judge
    monkeypatch.setattr(decided, "judge", lambda asked, caller: judged.append(asked) or judge(asked, caller))
    body = {
        "action": {"name": "tools/call", "properties": {"arguments": {}}},
        "resource": {"type": "tool", "id": "search"},
        "page": {"token": "1000"},
    }
    assert found(pdp, "subject", body | {"subject": {"type": "user"}})["results"] == []
    assert found(pdp, "resource", body | {"subject": {"type": "token", "id": token}})["results"] == []
    assert found(pdp, "action", body | {"subject": {"type": "token", "id": token}})["results"] == []
    assert not judged


def test_a_caller_learns_nothing_of_other_servers_and_no_names_without_leave(pdp: PDP, token: str) -> None:
    payroll = f"identifier: {world.PAYROLL}, name: Payroll, decision_clients: [payroll-server]"
    apply(f'resources: [{{{payroll}, scopes: [{{name: "payroll:read"}}]}}]')
    theirs = ("payroll-server", SERVER_SECRET)
    tool = {"type": "tool", "id": "search", "properties": {"server": world.NOTES}}
    action = {"name": "tools/call", "properties": {"arguments": {}}}
    of_token = {"subject": {"type": "token", "id": token}, "action": action, "resource": tool}
    assert found(pdp, "resource", of_token, theirs)["results"] == []
    for subject in (of_token["subject"], {"type": "user", "id": "bob"}):
        of_server = {"subject": subject, "action": {"name": "tools/list"}, "resource": {"type": "mcp_server"}}
        assert found(pdp, "resource", of_server, theirs)["results"] == []
    assert found(pdp, "action", of_token, theirs)["results"] == []
    of_people = of_token | {"subject": {"type": "user"}}
    assert found(pdp, "subject", of_people, theirs)["results"] == []
    configure(tools=TOOLS)  # without claims_clients
    assert found(pdp, "subject", of_people)["results"] == []
