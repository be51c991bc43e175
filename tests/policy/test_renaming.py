"""Rules change along with what they name, and no proposal gives more than its rule gave."""

from typing import Any

import pytest

from authz.policy import AccessQuestion, ClientKind, ClientStatus, Rule
from authz.policy.renaming import NameChange, Named, asked_after, proposal

A, B, C = "https://a.example/mcp", "https://b.example/mcp", "https://c.example/mcp"
ELSEWHERE = {B: {"read", "share"}}

BASE: dict[str, Any] = {
    "name": "R", "effect": "allow", "clients": ["bot", "other"], "groups": ["dev"], "grant_types": ["*"],
    "resources": [A], "scopes": ["read", "write"],
}  # fmt: skip


def rule(**changes: Any) -> Rule:
    return Rule.from_mapping({key: value for key, value in {**BASE, **changes}.items() if value is not None})


def server(to: str = C) -> NameChange:
    return NameChange(kind=Named.SERVER, name=A, to=to)


def scope(name: str, to: str = "") -> NameChange:
    return NameChange(kind=Named.SCOPE, name=name, to=to, server=A)


def group(name: str, to: str = "") -> NameChange:
    return NameChange(kind=Named.GROUP, name=name, to=to)


def agent(name: str, to: str = "") -> NameChange:
    return NameChange(kind=Named.AGENT, name=name, to=to)


MACHINE = {"groups": None}
APPROVING = {"effect": "require_approval", "approvers": {"groups": ["dev", "leads"]}}


@pytest.mark.parametrize(("given", "change", "becomes"), [
    ({}, server(), {"resources": (C,)}),
    ({"resources": [A, B]}, server(), {"resources": (C, B)}),
    ({"resources": [A, C]}, server(), {"resources": (C,)}),
    ({"resources": [A, B]}, server(""), {"resources": (B,)}),
    ({}, server(""), {"enabled": False, "resources": (A,)}),
    ({}, scope("read", "see"), {"scopes": ("see", "write")}),
    ({"resources": ["*"]}, scope("write", "edit"), {"scopes": ("read", "edit")}),
    # B has it, too, and keeps it.
    ({"resources": [A, B]}, scope("read", "see"), {"scopes": ("read", "write", "see")}),
    ({}, scope("write"), {"scopes": ("read",)}),
    ({"scopes": ["write"]}, scope("write"), {"enabled": False, "scopes": ("write",)}),
    ({}, group("dev", "engineers"), {"groups": ("engineers",)}),
    ({"users": ["bob"]}, group("dev"), {"groups": (), "users": ("bob",)}),
    ({}, group("dev"), {"enabled": False, "groups": ("dev",)}),
    ({}, agent("bot"), {"clients": ("other",)}),
    ({}, agent("bot", "robot"), {"clients": ("robot", "other")}),
    ({"clients": ["bot"]}, agent("bot"), {"enabled": False}),
])  # fmt: skip
def test_a_rule_changes_along(given: dict[str, Any], change: NameChange, becomes: dict[str, Any]) -> None:
    found = proposal(rule(**given), [change], ELSEWHERE)

    assert found is not None and found.after is not None, found
    assert {name: getattr(found.after, name) for name in becomes} == becomes
    assert Rule.from_mapping(found.after.to_mapping()) == found.after


@pytest.mark.parametrize(("given", "change"), [
    ({"resources": [B]}, server()),
    ({"resources": ["*"]}, server()),
    ({"resources": [B]}, scope("read", "see")),
    ({"scopes": ["*"]}, scope("read", "see")),
    # B keeps it.
    ({"resources": [A, B]}, scope("read")),
    ({"groups": ["*"]}, group("dev")),
    (MACHINE, group("dev")),
    ({"clients": ["*"]}, agent("bot")),
    # A client that calls itself like a pattern is not named by the pattern.
    ({"clients": ["tag:bot"]}, agent("tag:bot")),
    ({"clients": ["bot"], "enabled": False}, agent("bot")),
])  # fmt: skip
def test_a_rule_that_names_it_not_stays(given: dict[str, Any], change: NameChange) -> None:
    assert proposal(rule(**given), [change], ELSEWHERE) is None


@pytest.mark.parametrize(("given", "change", "says"), [
    ({"resources": [A, B]}, scope("write", "share"), "Other MCP servers of this rule have a scope “share”"),
    ({"resources": ["*"]}, scope("write", "share"), "Other MCP servers of this rule have a scope “share”"),
    ({}, server(B), "There is another MCP server"),
    ({}, agent("bot", "tag:bot"), "is a pattern"),
    ({"effect": "require_approval", "approvers": {"groups": ["dev"]}}, group("dev"), "Its approvers are this group"),
    ({"effect": "require_approval", "approvers": {"users": ["x"], "groups": ["dev"], "count": 2}}, group("dev"),
     "Its approvers are this group"),
])  # fmt: skip
def test_a_change_that_would_give_more_is_left_to_a_person(
    given: dict[str, Any], change: NameChange, says: str
) -> None:
    found = proposal(rule(**given), [change], ELSEWHERE)

    assert found is not None and found.after is None
    assert says in found.problem


def test_approvers_change_along() -> None:
    found = proposal(rule(**APPROVING), [group("dev", "engineers")], ELSEWHERE)

    assert found is not None and found.after is not None and found.after.approvers is not None
    assert found.after.approvers.groups == ("engineers", "leads")
    assert found.after.groups == ("engineers",)


def test_a_rule_for_people_never_becomes_one_for_machines() -> None:
    found = proposal(rule(), [group("dev")], ELSEWHERE)

    assert found is not None and found.after is not None
    assert not found.after.for_machines
    assert found.switches_off


def test_a_server_and_its_scopes_change_at_once() -> None:
    found = proposal(rule(), [server(), scope("read", "see"), scope("write")], ELSEWHERE)

    assert found is not None and found.after is not None
    assert (found.after.resources, found.after.scopes) == ((C,), ("see",))


QUESTION = AccessQuestion(
    client_id="bot", client_status=ClientStatus.APPROVED, client_kind=ClientKind.REGISTERED, subject="bob",
    groups=("dev", "leads"), grant_type="authorization_code", resource=A, scopes=(("read", "low"), ("write", "high")),
)  # fmt: skip


@pytest.mark.parametrize(("change", "becomes"), [
    (server(), {"resource": C, "scopes": (("read", "low"), ("write", "high"))}),
    (server(""), {"resource": A, "scopes": ()}),
    (scope("read", "see"), {"scopes": (("see", "low"), ("write", "high"))}),
    (scope("read"), {"scopes": (("write", "high"),)}),
    (group("dev", "eng"), {"groups": ("eng", "leads")}),
    (group("dev"), {"groups": ("leads",)}),
    (agent("bot"), {"client_status": ClientStatus.RETIRED}),
    (agent("bot", "robot"), {"client_id": "robot", "client_status": ClientStatus.APPROVED}),
    (agent("else"), {"client_id": "bot"}),
    (NameChange(kind=Named.SCOPE, name="read", server=B), {"scopes": (("read", "low"), ("write", "high"))}),
])  # fmt: skip
def test_a_past_request_is_asked_by_the_new_names(change: NameChange, becomes: dict[str, Any]) -> None:
    asked = asked_after(QUESTION, [change])

    assert {name: getattr(asked, name) for name in becomes} == becomes
