"""The Access Evaluations API: defaults, order, and its three semantics."""

from typing import Any

import pytest

from authz.models import AuditEvent
from tests.decision_point.conftest import PDP, call
from tests.support.world import World

Decisions = list[bool]


def batch(token: str, tools: list[str], **more: Any) -> dict[str, Any]:
    body = call(token, "search", {})
    return {
        "subject": body["subject"],
        "action": body["action"],
        "evaluations": [{"resource": {"type": "tool", "id": name}} for name in tools],
        **more,
    }


def ask(pdp: PDP, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = pdp.post("evaluations", body)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["evaluations"]
    return found


def decisions(found: list[dict[str, Any]]) -> Decisions:
    return [one["decision"] for one in found]


@pytest.mark.parametrize(
    "semantic, expected",
    [
        (None, [True, False, True]),
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_when_it_ends(gatehouse: World, pdp: PDP, semantic: str | None, expected: Decisions) -> None:
    good = gatehouse.machine_token()["access_token"]
    body = batch(good, ["one", "two", "three"])
    body["evaluations"][1]["subject"] = {"type": "token", "id": "nonsense"}
    if semantic:
        body["options"] = {"evaluations_semantic": semantic, "another": 1}
    found = ask(pdp, body)
    assert decisions(found) == expected
    assert len({one["context"]["evaluation_id"] for one in found}) == len(expected)
    # What was not decided has no event.
    assert AuditEvent.objects.filter(event__startswith="access:call:").count() == len(expected)


def test_a_default_is_replaced_as_a_whole(gatehouse: World, pdp: PDP) -> None:
    good = gatehouse.machine_token()["access_token"]
    body = batch(good, ["one"])
    body["action"] = {"name": "tools/call", "properties": {"arguments": {}, "scopes": ["mcp:write"]}}
    body["evaluations"] += [{"resource": {"type": "tool", "id": "one"}, "action": {"name": "tools/call"}}]
    assert decisions(ask(pdp, body)) == [False, True]


def test_one_that_is_malformed_is_denied_in_its_place(gatehouse: World, pdp: PDP) -> None:
    body = batch(gatehouse.machine_token()["access_token"], ["one"])
    body["evaluations"] += [{}, 5, {"resource": {"type": "tool", "id": 5}}, {"resource": {"type": "tool", "id": "x"}}]
    found = ask(pdp, body)
    assert decisions(found) == [True, False, False, False, True]
    assert found[1]["context"]["error"] == {"status": 400, "message": "resource is missing."}


@pytest.mark.parametrize("evaluations", [None, []])
def test_without_a_list_it_is_one_question(gatehouse: World, pdp: PDP, evaluations: list[Any] | None) -> None:
    body = call(gatehouse.machine_token()["access_token"], "search", {})
    answer = pdp.post("evaluations", body if evaluations is None else {**body, "evaluations": evaluations})
    assert answer.json()["decision"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluations": "x"},
        {"evaluations": [{}] * 101},
        {"options": {"evaluations_semantic": "deny_all"}},
        {"options": {"evaluations_semantic": {}}},
        {"options": []},
    ],
)
def test_what_concerns_the_whole_is_refused(pdp: PDP, changes: dict[str, Any]) -> None:
    answer = pdp.post("evaluations", batch("x", ["one"], **changes))
    assert answer.status_code == 400
    event = AuditEvent.objects.get(event="access:decision:refused")
    assert event.reason == "evaluation_malformed"
