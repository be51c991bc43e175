"""AuthZEN's certification scenario (openid/authzen, certification/authorization-api-1_0-scenario.md), with its fixture
as rules: users by name, records as arguments of the tools read, write and delete.

Resource search has no records to find here, since this server knows tools and no records: it is searched for tools.
"""

import json
from typing import Any

import pytest

from tests.decision_point.conftest import PDP, SERVER, configure
from tests.support import world
from tests.support.world import NOTES, World

ALICE, BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
ADMIN = BOB | {"properties": {"role": "admin"}}
ONE, TWO = {"type": "record", "id": "record-1"}, {"type": "record", "id": "record-2"}
ARCHIVED = TWO | {"properties": {"status": "archived"}}
ACTIVE = ONE | {"properties": {"status": "active"}}
READ, WRITE = {"name": "read"}, {"name": "write"}


def rule(name: str, effect: str = "allow", *, tools: list[str], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "effect": effect,
        "clients": ["*"],
        "grant_types": ["authorization_code"],
        "resources": [NOTES],
        "scopes": ["*"],
        "tools": tools,
        **more,
    }


def where(**members: Any) -> dict[str, Any]:
    return {"arguments": {path.replace("__", "."): {"equals": value} for path, value in members.items()}}


FIXTURE = [
    {**rule("Tokens", tools=["initialize"]), "users": ["alice", "bob"]},
    rule("1 and 3", tools=["read"], users=["alice", "bob"]),
    rule("2", tools=["write"], users=["alice"], conditions=where(resource__id="record-1")),
    rule("6", tools=["write"], users=["bob"], conditions=where(subject__role="admin", resource__status="archived")),
    rule("7", tools=["delete"], users=["alice"], conditions=where(action__soft=True)),
]


@pytest.fixture
def certified(gatehouse: World, pdp: PDP) -> PDP:
    configure(
        *FIXTURE,
        {**rule("Engineers use agents on Notes", tools=["none"]), "groups": ["engineering"]},
        claims_clients=["notes-server"],
        tools=[{"name": "read"}, {"name": "write"}, {"name": "delete"}],
    )
    for username in ("alice", "bob"):
        World().signed_in_tokens(username=username)
    return pdp


DECISIONS = [
    ("c-2-2-1", ALICE, READ, ONE, True),
    ("c-1-4 rule 2", ALICE, WRITE, ONE, True),
    ("c-1-4 rule 3", BOB, READ, ONE, True),
    ("c-2-2-2", BOB, WRITE, ONE, False),
    ("c-2-2-4", ALICE, WRITE, ARCHIVED, False),
    ("c-2-2-5", ADMIN, WRITE, ARCHIVED, True),
    ("c-2-2-6", ALICE, {"name": "delete", "properties": {"soft": True}}, ONE, True),
    ("c-2-2-7", ALICE, {"name": "delete", "properties": {"soft": False}}, ONE, False),
    (
        "c-2-2-8",
        ALICE | {"properties": {"department": "Sales", "role": "manager"}},
        READ | {"properties": {"method": "GET"}},
        ONE | {"properties": {"status": "active", "owner": "bob"}},
        True,
    ),
]


def test_access_evaluation(certified: PDP) -> None:
    for name, subject, action, resource, expected in DECISIONS:
        body = {"subject": subject, "action": action, "resource": resource}
        # c-2-2-3 and c-2-2-9: a context and unknown fields change nothing; c-2-6: nor does repeating.
        for more in ({}, {"context": {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}}, {"foo": {"a": True}}):
            answer = certified.ask(body | more)
            assert answer["decision"] is expected, (name, answer)
            assert isinstance(answer["context"], dict)


def test_error_handling(certified: PDP) -> None:
    """c-2-4"""
    whole = {"subject": ALICE, "action": READ, "resource": ONE}
    for broken in (
        *({name: value for name, value in whole.items() if name != left_out} for left_out in whole),
        whole | {"subject": {"id": "alice"}},
        whole | {"subject": {"type": "user"}},
        whole | {"action": {}},
        whole | {"resource": {"id": "record-1"}},
        whole | {"resource": {"type": "record"}},
        whole | {"subject": "alice"},
        whole | {"action": {"name": 123}},
        "",
        "{",
    ):
        assert certified.post("evaluation", broken).status_code == 400, broken
    authorization = world.basic_header(*SERVER)
    answer = certified.browser.post(
        "/o/access/v1/evaluation",
        json.dumps(whole),
        content_type="text/plain",
        headers={"authorization": authorization},
    )
    assert answer.status_code == 400


def test_access_evaluations(certified: PDP) -> None:
    """c-3-2"""
    status = {"subject": ADMIN}
    for name, body, expected in (
        ("c-3-2-2", {"subject": BOB, "resource": ONE, "evaluations": [{"action": READ}, {"action": WRITE}]}, [1, 0]),
        ("c-3-2-3", {"subject": ALICE, "action": WRITE, "evaluations": [{"resource": ACTIVE}, {"resource": ARCHIVED}]},
         [1, 0]),
        ("c-3-2-4", {"action": WRITE, "resource": ARCHIVED, "evaluations": [{"subject": ALICE}, status]}, [0, 1]),
        ("c-3-2-5", {"evaluations": [{"subject": ALICE, "action": READ, "resource": ONE},
                                     {"subject": BOB, "action": WRITE, "resource": ONE}]}, [1, 0]),
        ("c-3-2-7", {"subject": ALICE, "action": WRITE, "resource": ACTIVE, "evaluations": [{}, {"resource": ARCHIVED}]},  # noqa: E501
         [1, 0]),
        ("c-3-4-1", {"subject": ALICE, "action": READ, "options": {"evaluations_semantic": "execute_all"},
                     "evaluations": [{"resource": ONE}, {}]}, [1, 0]),
    ):  # fmt: skip
        answer = certified.post("evaluations", body).json()
        assert [int(one["decision"]) for one in answer["evaluations"]] == expected, name
    # c-3-4-2 and c-3-4-3
    alone: list[dict[str, Any]] = [{}, {"evaluations": []}]
    for more in alone:
        body = {"subject": ALICE, "action": READ, "resource": ONE, **more}
        assert certified.post("evaluations", body).json()["decision"] is True


def test_searches(certified: PDP) -> None:
    """c-4-2 and c-4-4"""
    people: dict[str, Any] = {"subject": {"type": "user"}, "action": READ, "resource": ONE}
    for body in (people, people | {"subject": ALICE}, people | {"context": {"ip": "192.168.1.1"}}):
        results = certified.post("search/subject", body).json()["results"]
        assert {one["id"] for one in results} == {"alice", "bob"}
        assert {one["type"] for one in results} == {"user"}
    writers = {"subject": {"type": "user", "properties": {"role": "admin"}}, "action": WRITE, "resource": ARCHIVED}
    assert certified.post("search/subject", writers).json()["results"] == [{"type": "user", "id": "bob"}]
    actions = certified.post("search/action", {"subject": ALICE, "resource": ONE}).json()["results"]
    assert {one["name"] for one in actions} >= {"read", "write"}
    actions = certified.post("search/action", {"subject": ADMIN, "resource": ARCHIVED}).json()["results"]
    assert {one["name"] for one in actions} >= {"write"}
