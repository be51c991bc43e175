"""A change of the configuration that another person approves: planned, approved, applied once, and attacked."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import override_settings

from authz.configuration import By, apply, plan_files, plans
from authz.configuration.plan_files import PlanRefused
from authz.models import Client, ConfigurationPlan, Rule, User
from tests.api.conftest import PEOPLE, Caller, problem
from tests.api.plan_support import FILE, RULE, STRONG, Person, adam, alice, events, planned, without_approval
from tests.support.races import at_once
from tests.support.world import World

__all__ = ["adam", "alice"]


def test_a_program_plans_a_person_approves_and_the_program_applies(
    machine: Callable[[str], Caller], adam: Caller, gatehouse: World
) -> None:
    pipeline = machine("gatehouse:plan gatehouse:read")
    plan = planned(pipeline, FILE, "?note=Ticket%207")
    assert (plan["status"], plan["planned_by"], plan["note"]) == ("waiting", "pipeline", "Ticket 7")
    assert [(change["section"], change["key"], change["action"]) for change in plan["changes"]] == [
        ("rules", RULE["name"], "created")
    ]
    assert not Rule.objects.filter(name=RULE["name"]).exists()
    early = pipeline("POST", f"plans/{plan['id']}/apply")
    assert (early.status_code, problem(early)["detail"]) == (409, "It waits for an approval by another person.")

    approved = adam("POST", f"plans/{plan['id']}/approve", {"comment": "Read."})
    assert json.loads(approved.content)["status"] == "approved", approved.content
    done = pipeline("POST", f"plans/{plan['id']}/apply")
    assert json.loads(done.content)["status"] == "applied", done.content
    assert Rule.objects.filter(name=RULE["name"]).exists()

    (created,) = [event for event in events("object:created") if event["key"] == RULE["name"]]
    assert (created["plan"], created["planned_by"], created["approved_by"], created["by"]) == (
        plan["id"], "pipeline", "adam", "pipeline",
    )  # fmt: skip
    for kind in ("plan:made", "plan:approved", "plan:applied"):
        assert events(kind)[-1]["plan"] == plan["id"]
    listed = pipeline.get("plans?status=applied")["items"]
    assert [item["id"] for item in listed] == [plan["id"]] and "changes" not in listed[0]


def test_a_file_that_changes_nothing_is_no_plan(alice: Caller) -> None:
    apply(json.dumps(FILE))
    answer = alice("POST", "plans", FILE)
    assert (answer.status_code, json.loads(answer.content)["status"]) == (200, "unchanged")
    assert not ConfigurationPlan.objects.exists()


def test_a_plan_and_its_mistakes_are_told_like_those_of_a_file(alice: Caller) -> None:
    answer = alice("POST", "plans", b"rules:\n  - name: x\n    effect: perhaps\n", content_type="application/yaml")
    assert (answer.status_code, problem(answer)["line"]) == (422, 3)
    warned = planned(alice, {"rules": [RULE | {"clients": ["nightly-reprot"]}]})
    assert warned["warnings"][0]["parts"][0]["suggestion"] == "nightly-report"


# --- Without an approval, and drift ----------------------------------------------------------------------------------


def test_an_organisation_with_one_administrator_may_do_without(alice: Caller) -> None:
    with override_settings(GATEHOUSE=without_approval()):
        plan = planned(alice)
        done = alice("POST", f"plans/{plan['id']}/apply")
        assert json.loads(done.content)["status"] == "applied", done.content
        item = {"client_id": "mine", "status": "approved", "owner": "alice", "grant_types": ["client_credentials"]}
        own = planned(alice, {"clients": [item | {"client_secret": STRONG}]})
        assert alice("POST", f"plans/{own['id']}/apply").status_code == 403
    assert not Client.objects.filter(client_id="mine").exists()


def test_drift_from_the_applied_plan_and_from_a_file(alice: Caller, adam: Caller, person: Person) -> None:
    plan = planned(alice)
    assert alice("GET", f"plans/{plan['id']}/drift").status_code == 409
    adam("POST", f"plans/{plan['id']}/approve", {})
    alice("POST", f"plans/{plan['id']}/apply")
    auditor = person("auditor")
    assert auditor.get(f"plans/{plan['id']}/drift") == {"drift": False, "changes": []}
    alice("PATCH", "configuration/rules/No%20writes%20at%20night", {"enabled": False}, if_match="*")
    (change,) = auditor.get(f"plans/{plan['id']}/drift")["changes"]
    assert (change["key"], change["before"]["enabled"], change["after"].get("enabled", True)) == (
        RULE["name"],
        False,
        True,
    )
    sent = json.loads(alice("POST", "configuration/drift", FILE).content)
    assert sent["drift"] and sent["changes"] == [change]
    assert Rule.objects.get(name=RULE["name"]).enabled is False


def test_only_the_files_of_the_last_plans_are_kept(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_files, "KEPT", 1)
    with override_settings(GATEHOUSE=without_approval()):
        ids = [planned(alice, {"users": [{"username": name}]})["id"] for name in ("zoe", "yves")]
        for one in ids:
            assert alice("POST", f"plans/{one}/apply").status_code == 200
    assert [ConfigurationPlan.objects.get(pk=one).file is None for one in ids] == [True, False]


# --- Once -------------------------------------------------------------------------------------------------------------


def _made(name: str) -> ConfigurationPlan:
    file = json.dumps({"users": [{"username": name}]})
    made = plans.make(file, prune=False, note="", by=By("pipeline"), client_id="pipeline", now=datetime.now(UTC))
    assert made is not None
    return made


def _tried(call: Callable[[], object]) -> bool:
    try:
        call()
    except PlanRefused:
        return False
    return True


@pytest.mark.django_db(transaction=True)
def test_of_many_who_decide_and_apply_at_once_one_does(committed_gatehouse: World) -> None:
    alice = User.objects.get(username=PEOPLE["administrator"])
    plan = _made("zoe")

    def approve() -> bool:
        row = ConfigurationPlan.objects.get(pk=plan.pk)
        return _tried(lambda: plans.approve(row, by=alice, comment="", now=datetime.now(UTC)))

    def carry_out() -> bool:
        row = ConfigurationPlan.objects.get(pk=plan.pk)
        return _tried(lambda: plans.carry_out(row, by=By("pipeline"), now=datetime.now(UTC)))

    assert sum(at_once([approve] * 4)) == 1
    assert sum(at_once([carry_out] * 4)) == 1
    connection.close()
    assert len(events("plan:approved")) == len(events("plan:applied")) == 1
    assert len([event for event in events("object:created") if event["key"] == "zoe"]) == 1
    assert len(events("plan:refused")) == 6


@pytest.mark.django_db(transaction=True)
def test_a_plan_is_declined_or_applied_and_never_both(committed_gatehouse: World) -> None:
    alice = User.objects.get(username=PEOPLE["administrator"])
    plan = _made("yves")
    plans.approve(plan, by=alice, comment="", now=datetime.now(UTC))

    def decline() -> bool:
        row = ConfigurationPlan.objects.get(pk=plan.pk)
        return _tried(lambda: plans.decline(row, by=alice, comment="", now=datetime.now(UTC)))

    def carry_out() -> bool:
        row = ConfigurationPlan.objects.get(pk=plan.pk)
        return _tried(lambda: plans.carry_out(row, by=By("pipeline"), now=datetime.now(UTC)))

    declined, applied = at_once([decline, carry_out])
    assert declined != applied
    assert User.objects.filter(username="yves").exists() == applied
