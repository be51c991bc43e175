"""What must not become of a plan: approved by its planner, changed since, used twice, or told too much."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings

from authz.api.configuration import MAXIMUM_FILE
from authz.configuration import By, apply, plan_files, plans
from authz.configuration.plan_files import PlanRefused
from authz.keys import reencryption
from authz.models import AuditEvent, Client, ConfigurationPlan, Rule, User
from authz.operations import backup, housekeeping
from tests.api.conftest import Caller, problem
from tests.api.plan_support import FILE, RULE, STRONG, Person, adam, alice, events, planned, without_approval
from tests.support.world import SECRET

__all__ = ["adam", "alice"]


def test_the_planner_does_not_approve_their_own_plan(alice: Caller) -> None:
    plan = planned(alice)
    refused = alice("POST", f"plans/{plan['id']}/approve", {})
    assert (refused.status_code, problem(refused)["detail"]) == (403, "Another person has to approve your plan.")
    assert alice("POST", f"plans/{plan['id']}/apply").status_code == 409
    assert alice.get(f"plans/{plan['id']}")["status"] == "waiting"
    assert events("plan:refused")[0]["detail"] == "Another person has to approve your plan."
    assert {event.reason for event in AuditEvent.objects.filter(event="configuration:plan:refused")} == {
        "plan_unusable"
    }


def test_the_owner_of_the_program_that_planned_does_not_approve(
    machine: Callable[[str], Caller], alice: Caller
) -> None:
    pipeline = machine("gatehouse:plan")
    apply(
        json.dumps(
            {
                "clients": [
                    {
                        "client_id": "pipeline",
                        "status": "approved",
                        "owner": "alice",
                        "grant_types": ["client_credentials"],
                    }
                ]
            }
        )
    )
    plan = planned(pipeline)
    assert alice("POST", f"plans/{plan['id']}/approve", {}).status_code == 403


def test_a_program_approves_nothing(machine: Callable[[str], Caller], alice: Caller) -> None:
    plan = planned(alice)
    answer = machine("gatehouse:approve")("POST", f"plans/{plan['id']}/approve", {})
    assert (answer.status_code, problem(answer)["detail"]) == (403, "Only a person may decide plans.")


def test_no_person_approves_their_own_agent_by_a_plan(alice: Caller, adam: Caller) -> None:
    item = {"client_id": "mine", "status": "approved", "owner": "adam", "grant_types": ["client_credentials"]}
    plan = planned(alice, {"clients": [item | {"client_secret": STRONG}]})
    refused = adam("POST", f"plans/{plan['id']}/approve", {})
    assert (refused.status_code, problem(refused)["detail"]) == (403, "You cannot approve your own agent.")


@pytest.mark.parametrize("role", ["auditor", "approver", "developer", "none"])
def test_other_roles_neither_plan_nor_approve_nor_apply(person: Person, alice: Caller, adam: Caller, role: str) -> None:
    plan, caller = planned(alice), person(role)
    assert caller("POST", "plans", FILE).status_code == 403
    assert caller("POST", f"plans/{plan['id']}/approve", {}).status_code == 403
    assert adam("POST", f"plans/{plan['id']}/approve", {}).status_code == 200
    assert caller("POST", f"plans/{plan['id']}/apply").status_code == 403
    assert AuditEvent.objects.filter(event="api:request:refused").exists()


@pytest.mark.parametrize("scope", ["gatehouse:read", "gatehouse:write", "gatehouse:approve"])
def test_other_scopes_neither_plan_nor_apply(machine: Callable[[str], Caller], alice: Caller, scope: str) -> None:
    plan, caller = planned(alice), machine(scope)
    assert caller("POST", "plans", FILE).status_code == 403
    assert caller("POST", f"plans/{plan['id']}/apply").status_code == 403


def test_a_token_that_may_only_plan_writes_nothing_else(machine: Callable[[str], Caller]) -> None:
    caller = machine("gatehouse:plan")
    assert caller("POST", "configuration", FILE).status_code == 403
    assert caller("PUT", "configuration/rules/x", RULE).status_code == 403
    with override_settings(GATEHOUSE=without_approval()):
        plan = planned(caller)
        assert caller("POST", f"plans/{plan['id']}/apply").status_code == 409


def test_a_plan_is_applied_once(alice: Caller, adam: Caller) -> None:
    plan = planned(alice)
    adam("POST", f"plans/{plan['id']}/approve", {})
    assert alice("POST", f"plans/{plan['id']}/apply").status_code == 200
    apply("rules: []", prune=True, prune_all=True)
    again = alice("POST", f"plans/{plan['id']}/apply")
    assert (again.status_code, problem(again)["detail"]) == (409, "It was applied already.")
    assert not Rule.objects.exists()
    assert events("plan:refused")[-1]["detail"] == "It was applied already."


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"rules": [RULE | {"effect": "allow"}]},  # what the plan would make is there
        {"users": [{"username": "bob", "groups": ["contractors"]}]},  # what it changes has changed
    ],
)
def test_what_changed_since_needs_a_new_plan(alice: Caller, adam: Caller, meanwhile: dict[str, Any]) -> None:
    plan = planned(alice, {**FILE, "users": [{"username": "bob", "groups": ["engineering", "night"]}]})
    assert adam("POST", f"plans/{plan['id']}/approve", {}).status_code == 200
    apply(json.dumps(meanwhile))
    refused = alice("POST", f"plans/{plan['id']}/apply")
    assert (refused.status_code, problem(refused)["detail"]) == (409, plans.OUTDATED)
    assert alice.get(f"plans/{plan['id']}")["status"] == "outdated"
    assert not User.objects.filter(username="bob", groups__name="night").exists()
    assert ConfigurationPlan.objects.get(pk=plan["id"]).file is None


def test_an_outdated_plan_is_not_approved(alice: Caller, adam: Caller) -> None:
    plan = planned(alice)
    apply(json.dumps({"rules": [RULE | {"effect": "allow"}]}))
    assert adam("POST", f"plans/{plan['id']}/approve", {}).status_code == 409


def test_what_was_approved_does_not_remove_what_came_since(alice: Caller, adam: Caller) -> None:
    plan = planned(alice, {"rules": []}, "?prune=true&prune_all=true")
    adam("POST", f"plans/{plan['id']}/approve", {})
    apply(json.dumps(FILE))
    assert alice("POST", f"plans/{plan['id']}/apply").status_code == 409
    assert Rule.objects.filter(name=RULE["name"]).exists()


def test_what_the_plan_does_not_touch_may_change(alice: Caller, adam: Caller) -> None:
    plan = planned(alice)
    adam("POST", f"plans/{plan['id']}/approve", {})
    apply("users: [{username: zoe}]")
    assert alice("POST", f"plans/{plan['id']}/apply").status_code == 200


def test_a_secret_that_changed_since_counts(alice: Caller, adam: Caller) -> None:
    item = {"client_id": "nightly-report", "status": "approved", "grant_types": ["client_credentials"]}
    plan = planned(alice, {"clients": [item | {"client_name": "Other", "client_secret": STRONG}]})
    adam("POST", f"plans/{plan['id']}/approve", {})
    row = Client.objects.get(client_id="nightly-report")
    assert (
        alice(
            "PATCH", "configuration/clients/nightly-report", {"client_secret": SECRET[::-1]}, if_match="*"
        ).status_code
        == 200
    )
    assert alice("POST", f"plans/{plan['id']}/apply").status_code == 409
    row.refresh_from_db()
    assert row.has_secret(SECRET[::-1])


def test_secrets_are_in_no_answer_no_row_and_no_event(alice: Caller, adam: Caller, person: Person) -> None:
    password = "a-planned-password-of-zoe"
    plan = planned(
        alice,
        {
            "users": [{"username": "zoe", "password": password}],
            "clients": [{"client_id": "made", "grant_types": ["client_credentials"], "client_secret": STRONG}],
        },
    )
    row = ConfigurationPlan.objects.get(pk=plan["id"])
    columns = b" ".join(str(getattr(row, field.attname)).encode() for field in row._meta.fields)
    raw = columns + bytes(row.file)
    answers = [alice("GET", f"plans/{plan['id']}").content, alice("GET", "plans").content]
    for role in ("auditor", "administrator"):
        browser = person(role).browser
        answers.append(browser.get(f"/manage/authz/configurationplan/{plan['id']}/change/").content)
    adam("POST", f"plans/{plan['id']}/approve", {})
    assert alice("POST", f"plans/{plan['id']}/apply").status_code == 200
    told = json.dumps([event.detail for event in AuditEvent.objects.all()]).encode()
    for secret in (password, STRONG):
        for place in (raw, told, json.dumps(plan).encode(), *answers):
            assert secret.encode() not in place
    assert User.objects.get(username="zoe").check_password(password)
    assert Client.objects.get(client_id="made").has_secret(STRONG)


def test_the_servers_environment_is_out_of_a_plans_reach(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "s" * 40)
    item = {"client_id": "thief", "grant_types": ["client_credentials"], "client_secret_env": "SOME_SECRET"}
    assert alice("POST", "plans", {"clients": [item]}).status_code == 422


def test_too_large_a_file_is_refused(alice: Caller) -> None:
    assert alice("POST", "plans", b"#" * (MAXIMUM_FILE + 1), content_type="application/yaml").status_code == 413
    assert alice("POST", "plans?note=" + "x" * 501, FILE).status_code == 400


def test_plans_of_one_planner_have_an_end(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MAX_OPEN", 1)
    first = planned(alice)
    assert alice("POST", "plans", FILE).status_code == 409
    assert alice("POST", f"plans/{first['id']}/decline", {"comment": "Mistyped."}).status_code == 200
    planned(alice)


def test_a_declined_plan_is_over_even_if_it_was_approved(alice: Caller, adam: Caller) -> None:
    plan = planned(alice)
    adam("POST", f"plans/{plan['id']}/approve", {})
    declined = adam("POST", f"plans/{plan['id']}/decline", {"comment": "On second thought."})
    assert json.loads(declined.content)["status"] == "declined"
    assert alice("POST", f"plans/{plan['id']}/apply").status_code == 409
    assert ConfigurationPlan.objects.get(pk=plan["id"]).file is None


def test_an_expired_plan_is_neither_approved_nor_applied(alice: Caller, adam: Caller) -> None:
    waiting, approved = planned(alice), planned(alice, {"users": [{"username": "zoe"}]})
    adam("POST", f"plans/{approved['id']}/approve", {})
    later = datetime.now(UTC) + plans.LIFETIME + timedelta(seconds=1)
    row = ConfigurationPlan.objects.get(pk=approved["id"])
    assert row.status_at(later) == "expired"
    with pytest.raises(PlanRefused, match="expired"):
        plans.carry_out(row, by=By("alice"), now=later)
    with pytest.raises(PlanRefused, match="expired"):
        plans.approve(
            ConfigurationPlan.objects.get(pk=waiting["id"]),
            by=User.objects.get(username="adam"),
            comment="",
            now=later,
        )
    housekeeping.forget_plan_files(later)
    assert not ConfigurationPlan.objects.filter(file__isnull=False).exists()


def test_an_approver_who_has_lost_the_role_has_no_say(alice: Caller, adam: Caller) -> None:
    plan = planned(alice)
    adam("POST", f"plans/{plan['id']}/approve", {})
    apply("users: [{username: adam, role: developer}]")
    refused = alice("POST", f"plans/{plan['id']}/apply")
    assert (refused.status_code, "may no longer" in problem(refused)["detail"]) == (409, True)
    assert alice.get(f"plans/{plan['id']}")["status"] == "approved"


def test_the_file_of_one_plan_does_not_take_the_place_of_another(alice: Caller, adam: Caller) -> None:
    """By hand in the database: the ciphertext is bound to its plan."""
    plan = planned(alice)
    adam("POST", f"plans/{plan['id']}/approve", {})
    other = planned(alice, {"users": [{"username": "zoe", "role": "administrator"}]})
    stolen = ConfigurationPlan.objects.get(pk=other["id"]).file
    ConfigurationPlan.objects.filter(pk=plan["id"]).update(file=stolen)
    assert alice("POST", f"plans/{plan['id']}/apply").status_code == 409
    assert not User.objects.filter(username="zoe").exists()


def test_a_restored_backup_applies_no_plan_of_before(alice: Caller, adam: Caller) -> None:
    """It may have been applied or declined since the backup was made."""
    plan = planned(alice)
    adam("POST", f"plans/{plan['id']}/approve", {})
    backup._end_everything(datetime.now(UTC))
    assert ConfigurationPlan.objects.get(pk=plan["id"]).status == "outdated"


def test_the_files_move_to_a_new_secret_key(alice: Caller, settings: Any) -> None:
    planned(alice)
    row = ConfigurationPlan.objects.get()
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a-new-secret-key-0123456789"
    assert reencryption.run().moved["plans"] == 1
    settings.SECRET_KEY_FALLBACKS = []
    row.refresh_from_db()
    assert json.loads(plan_files.opened(row)) == FILE
