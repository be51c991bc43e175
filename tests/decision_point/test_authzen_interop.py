"""What AuthZEN's interop scenarios and COAZ's default mappings for MCP send: the todo application, API gateways, the
search demo, MCP. Recorded from openid/authzen at e287920eed842b227e38531c1735b712337ca44d: its folder `interop/` in
recorded/authzen_interop.json, and MCP's below from `profiles/authzen-coaz-mcp-binding-1_0.md`, Default Mappings.

Their people and records are of other domains, and well-formed: 200 with a decision, and no error.

> Decisions default to closed (i.e. false) (Authorization API 1.0, Errors)
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.decision_point.conftest import PDP, configure
from tests.support import rows
from tests.support.world import NOTES, World, claims

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded/authzen_interop.json").read_text())
QUESTIONS: list[dict[str, Any]] = [question for rows in RECORDED["evaluation"].values() for question in rows]
SEARCHES = [(wanted, asked) for wanted, rows in RECORDED["search"].items() for asked in rows]


def _believe() -> None:
    rule = {"name": "All of Bob's", "effect": "allow", "clients": ["*"], "groups": ["engineering"], "scopes": ["*"]}
    reading = rule | {
        "resources": [NOTES],
        "grant_types": ["authorization_code"],
        "tools": ["can_read_*", "GET", "view"],
    }
    configure(
        reading | {"name": "Engineers use agents on Notes"},
        claims_clients=["notes-server"],
        tools=[{"name": name} for name in ("can_read_todos", "GET", "view", "delete")],
    )


@pytest.fixture
def told(gatehouse: World, pdp: PDP) -> tuple[PDP, dict[str, Any]]:
    """A caller whose word about claims is taken, and the claims of Bob's token."""
    rows.make(_believe)
    return pdp, claims(gatehouse.signed_in_tokens()["access_token"])


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: f"{asked['action']['name']} {asked['resource']['type']}")
def test_people_of_another_domain_are_denied(told: tuple[PDP, dict[str, Any]], asked: dict[str, Any]) -> None:
    answer = told[0].ask(asked)
    assert answer["decision"] is False
    assert answer["context"]["reason"] == "token_not_live"


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: f"{asked['action']['name']} {asked['resource']['type']}")
def test_the_same_questions_about_people_of_ours(told: tuple[PDP, dict[str, Any]], asked: dict[str, Any]) -> None:
    """The action is the tool, so rules for tools decide: reading is allowed, all else is not."""
    who = "bob" if asked["subject"]["type"] == "user" else told[1]["sub"]
    answer = told[0].ask(asked | {"subject": {**asked["subject"], "id": who}})
    assert answer["decision"] is asked["action"]["name"].startswith(("can_read_", "GET"))


@pytest.mark.parametrize("asked", RECORDED["evaluations"]["todo"])
def test_several_at_once(told: tuple[PDP, dict[str, Any]], asked: dict[str, Any]) -> None:
    answer = told[0].post("evaluations", asked)
    assert answer.status_code == 200
    assert [one["decision"] for one in answer.json()["evaluations"]] == [False] * len(asked["evaluations"])
    mine = asked | {"subject": {"type": "user", "id": "bob"}, "action": {"name": "can_read_todos"}}
    found = told[0].post("evaluations", mine).json()["evaluations"]
    assert [one["decision"] for one in found] == [True] * len(asked["evaluations"])


@pytest.mark.parametrize(("wanted", "asked"), SEARCHES)
def test_searches(told: tuple[PDP, dict[str, Any]], wanted: str, asked: dict[str, Any]) -> None:
    """> REQUIRED. An array containing zero or more entities (Search Response): nothing of another domain is found."""
    answer = told[0].post(f"search/{wanted}", asked)
    assert answer.status_code == 200
    found = answer.json()
    assert set(found) == {"page", "results"}
    names = [one.get("id") for one in found["results"]]
    # People are found who hold a live authorization; resources and actions only for people who do.
    assert names == (["bob"] if wanted == "subject" and asked["action"]["name"] == "view" else [])


def mapped(action: str, kind: str, identifier: str, **context: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"action": {"name": action}, "resource": {"type": kind, "id": identifier}}, context


MCP = [
    (*mapped("initialize", "mcp_server", NOTES, protocol_version="2025-11-25"), True),
    (*mapped("tools/list", "mcp_server", NOTES), True),
    (*mapped("tools/call", "tool", "view"), True),
    (*mapped("tools/call", "tool", "delete"), False),
    (*mapped("resources/list", "mcp_server", NOTES), True),
    (*mapped("resources/read", "resource", "file:///report.txt"), True),
    (*mapped("resources/subscribe", "resource", "file:///report.txt"), True),
    (*mapped("prompts/list", "mcp_server", NOTES), True),
    (*mapped("prompts/get", "prompt", "greeting"), True),
    (*mapped("completion/complete", "prompt", "greeting"), True),
    (*mapped("logging/setLevel", "mcp_server", NOTES, level="info"), True),
    (*mapped("tasks/get", "task", "786512e2"), True),
    (*mapped("tasks/list", "mcp_server", NOTES), True),
    # > A request whose method has neither a default mapping […] MUST be denied
    (*mapped("sampling/createMessage", "mcp_server", NOTES), False),
    # The server of another caller.
    (*mapped("tools/list", "mcp_server", "https://elsewhere.example/mcp"), False),
]


@pytest.mark.parametrize(("asked", "context", "decision"), MCP)
def test_coaz_default_mappings(
    told: tuple[PDP, dict[str, Any]], asked: dict[str, Any], context: dict[str, Any], *, decision: bool
) -> None:
    pdp, of_bob = told
    subject = {"type": "identity", "id": of_bob["sub"]}
    body = asked | {"subject": subject, "context": {"agent": of_bob["client_id"], **context}}
    assert pdp.ask(body)["decision"] is decision
    # The same by a person who is not here.
    assert pdp.ask(body | {"subject": {"type": "identity", "id": "alice@example.com"}})["decision"] is False
