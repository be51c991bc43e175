"""A change of the configuration that another person approves: planned, approved, applied once, and attacked."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from authz.api.configuration import MAXIMUM_FILE
from authz.configuration import By, apply, plan_files, plans
from authz.configuration.plan_files import PlanRefused
from authz.keys import reencryption
from authz.models import AuditEvent, Client, ConfigurationPlan, Rule, User
from authz.operations import backup, housekeeping
from tests.api.conftest import PEOPLE, Caller, problem
from tests.support.races import at_once
from tests.support.world import NOTES, SECRET, World

Person = Callable[[str], Caller]
RULE = {"name": "No writes at night", "effect": "deny", "clients": ["*"], "resources": [NOTES], "scopes": ["mcp:write"]}
FILE = {"rules": [RULE]}
STRONG = "planned-secret-0123456789-0123456789"


@pytest.fixture
def alice(person: Person) -> Caller:
    return person("administrator")


@pytest.fixture
def adam(person: Person, gatehouse: World) -> Caller:
    """Another administrator."""
    apply("users: [{username: adam, role: administrator, password: adam-password-1}]")
    caller = person("approver")
    caller.browser.force_login(
        User.objects.get(username="adam"), backend="authz.sign_in.password_backend.PasswordBackend"
    )
    return caller


def planned(caller: Caller, file: object = FILE, query: str = "") -> dict[str, Any]:
    response = caller("POST", f"plans{query}", file)
    assert response.status_code == 201, response.content
    return json.loads(response.content)


def events(kind: str) -> list[dict[str, Any]]:
    return [event.detail for event in AuditEvent.objects.filter(event=f"configuration:{kind}").order_by("id")]


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


# --- Attacks ----------------------------------------------------------------------------------------------------------


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
    with override_settings(GATEHOUSE=_without_approval()):
        plan = planned(caller)
        assert caller("POST", f"plans/{plan['id']}/apply").status_code == 409


def test_a_plan_is_applied_once(alice: Caller, adam: Caller) -> None:
    plan = planned(alice)
    adam("POST", f"plans/{plan['id']}/approve", {})
    assert alice("POST", f"plans/{plan['id']}/apply").status_code == 200
    apply("rules: []", prune=True)
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
    plan = planned(alice, {"rules": []}, "?prune=true")
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


# --- Without an approval, and drift ----------------------------------------------------------------------------------


def _without_approval() -> dict[str, Any]:
    from django.conf import settings

    return {**settings.GATEHOUSE, "PLANS_NEED_APPROVAL": False}


def test_an_organisation_with_one_administrator_may_do_without(alice: Caller) -> None:
    with override_settings(GATEHOUSE=_without_approval()):
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
    with override_settings(GATEHOUSE=_without_approval()):
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
