"""The rules over time, by the API."""

import json
from collections.abc import Callable

from authz.models import AuditEvent, Rule
from tests.api.conftest import Caller
from tests.support.world import NOTES, World


def test_a_change_by_the_api_names_its_author(person: Callable[[str], Caller], gatehouse: World) -> None:
    alice = person("administrator")
    rule = {"name": "New", "effect": "deny", "clients": ["*"], "resources": [NOTES], "scopes": ["*"]}
    assert alice("PUT", "configuration/rules/New", rule).status_code in (200, 201)

    (newest,) = alice.get("policy/history?limit=1")["items"]

    assert (newest["name"], newest["action"], newest["author"], newest["how"]) == ("New", "created", "alice", "api")
    assert newest["item"]["scopes"] == ["*"]
    assert alice.get(f"policy/history?rule={newest['rule']}")["next"] is None


def test_a_past_decision_is_replayed(person: Callable[[str], Caller], gatehouse: World) -> None:
    gatehouse.machine_token()
    event = AuditEvent.objects.get(event="token:access:issued")
    Rule.objects.all().delete()
    auditor = person("auditor")

    found = auditor.get(f"policy/replay?event={event.pk}")

    assert found["notes"] == []
    assert found["explanation"]["effect"] == "allow"
    assert found["explanation"]["ruleset"] == event.detail["ruleset"]
    assert auditor("GET", "policy/replay?event=0").status_code == 404
    other = AuditEvent.objects.exclude(event="token:access:issued").first()
    if other is not None:
        assert auditor("GET", f"policy/replay?event={other.pk}").status_code == 409


def test_the_effect_on_past_requests_is_shown_and_nothing_changes(
    person: Callable[[str], Caller], gatehouse: World
) -> None:
    gatehouse.machine_token()
    answer = person("auditor")("POST", "policy/effect", {"rules": [], "prune": True, "days": 7})
    found = json.loads(answer.content)
    assert answer.status_code == 200
    assert [(group["client_id"], group["direction"], group["count"]) for group in found["groups"]] == [
        ("nightly-report", "less", 1)
    ]
    assert Rule.objects.count() == 2


def test_a_caller_who_may_not_read_the_audit_is_refused(person: Callable[[str], Caller]) -> None:
    erin = person("developer")
    assert erin("POST", "policy/effect", {"rules": []}).status_code == 403
    assert erin("GET", "policy/history").status_code == 403
    assert erin("GET", "policy/replay?event=1").status_code == 403
