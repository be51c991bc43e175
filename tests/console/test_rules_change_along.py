"""Renaming or removing what rules name: the page names the rules, shows the effect, and changes them in one step."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.test import Client as Browser

from authz.configuration import apply
from authz.decisions import rule_history
from authz.models import AuditEvent, Client, ProtectedResource, Rule, RuleChange, Scope, User
from tests.console.conftest import Page
from tests.support.races import at_once
from tests.support.world import NOTES, PAYROLL, SECRET, World

NEW = "http://127.0.0.1:9200/notes"
MACHINES, PEOPLE = "Agents read notes", "Engineers use agents on Notes"
HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


def server_form(row: ProtectedResource, **changes: str) -> dict[str, Any]:
    """What the form of an MCP server posts; `scope_<name>=…` renames a scope, and "" deletes it."""
    scopes = list(row.scopes.order_by("pk"))
    fields: dict[str, Any] = {
        "name": row.name, "identifier": row.identifier, "is_active": "on", "is_default": "on",
        "access_token_lifetime": "600", "access_token_signing_alg": "RS256", "pending_answer": "always",
        "_save": "Save",
        "scopes-TOTAL_FORMS": len(scopes), "scopes-INITIAL_FORMS": len(scopes),
    }  # fmt: skip
    for index, scope in enumerate(scopes):
        name = changes.pop(f"scope_{scope.name}", scope.name)
        fields |= {
            f"scopes-{index}-id": scope.pk, f"scopes-{index}-resource": row.pk, f"scopes-{index}-name": name or "gone",
            f"scopes-{index}-description": scope.description, f"scopes-{index}-sensitivity": scope.sensitivity,
            **({} if name else {f"scopes-{index}-DELETE": "on"}),
        }  # fmt: skip
    return fields | changes


def page_of(row: Any) -> str:
    meta = row._meta
    return f"/console/{meta.app_label}/{meta.model_name}/{row.pk}/change/"


def posted_again(response: HttpResponse) -> dict[str, list[str]]:
    """The hidden fields of the page that asks about the rules."""
    form = response.content.decode().partition('<div class="panel change-form-wrap">')[2].partition("</form>")[0]
    found: dict[str, list[str]] = {}
    for name, value in HIDDEN.findall(form):
        found.setdefault(unescape(name), []).append(unescape(value))
    return found


def answered(browser: Browser, address: str, response: HttpResponse, answer: str, **changes: Any) -> HttpResponse:
    return browser.post(address, {**posted_again(response), "_rules": answer, **changes}, follow=True)


def renamed(browser: Browser, answer: str = "", **changes: str) -> HttpResponse:
    """The Notes server's form with these changes, and the answer to the question about the rules."""
    row = ProtectedResource.objects.get(identifier=NOTES)
    asked = browser.post(page_of(row), server_form(row, **changes))
    assert asked.status_code == 200, asked
    return answered(browser, page_of(row), asked, answer) if answer else asked


def definition(name: str) -> dict[str, Any]:
    found: dict[str, Any] = Rule.objects.get(name=name).definition
    return found


def test_renaming_a_server_names_the_rules_and_saves_nothing(signed_in: Page) -> None:
    page = renamed(signed_in("administrator"), identifier=NEW).content.decode()

    assert "2 rules name it" in page
    assert MACHINES in page and PEOPLE in page
    assert ProtectedResource.objects.filter(identifier=NOTES).exists()
    assert not AuditEvent.objects.filter(event="configuration:object:changed", detail__kind="protectedresource")


def test_the_rules_change_with_the_server_in_one_step(signed_in: Page, gatehouse: World) -> None:
    before = RuleChange.objects.count()

    page = renamed(signed_in("administrator"), "change", identifier=NEW)

    assert "2 rules changed along." in page.content.decode()
    assert definition(MACHINES)["resources"] == definition(PEOPLE)["resources"] == [NEW]
    assert gatehouse.machine_token(resource=NEW)["access_token"]
    made = RuleChange.objects.order_by("-id")[: RuleChange.objects.count() - before]
    assert {(change.author, change.how) for change in made} == {("alice", "console")}
    events = AuditEvent.objects.filter(event="configuration:object:changed", detail__kind="rule")
    assert {event.detail["name"] for event in events} == {MACHINES, PEOPLE}
    assert events[0].detail["because"] == f"MCP server “{NOTES}” becomes “{NEW}”"
    assert events[0].detail["before"]["resources"] == [NOTES]


def test_the_rules_stay_if_they_are_left(signed_in: Page, gatehouse: World) -> None:
    renamed(signed_in("administrator"), "leave", identifier=NEW)

    assert ProtectedResource.objects.filter(identifier=NEW).exists()
    assert definition(MACHINES)["resources"] == [NOTES]
    refused = gatehouse.token(grant_type="client_credentials", basic=("nightly-report", SECRET), resource=NEW)
    assert refused.status_code == 400


def test_the_effect_of_both_answers_is_shown(signed_in: Page, gatehouse: World) -> None:
    for _ in range(3):
        gatehouse.machine_token(resource=NOTES)

    (along, follow), (stays, stay) = renamed(signed_in("administrator"), identifier=NEW).context["effects"]

    assert (along, follow.questions, follow.changed) == ("If the rules change along", 3, 0)
    assert (stays, stay.changed) == ("If the rules stay as they are", 3)
    assert stay.groups[0].before == "granted mcp:read, 300 s at most"


def test_a_removed_scope_leaves_the_rules(signed_in: Page) -> None:
    page = renamed(signed_in("administrator"), "change", **{"scope_mcp:write": ""})

    assert "1 rule has changed along." in page.content.decode()
    assert definition(PEOPLE)["scopes"] == ["mcp:read"]
    assert not Scope.objects.filter(name="mcp:write").exists()


def test_a_rule_that_would_name_nothing_is_disabled_as_it_is(signed_in: Page) -> None:
    asked = renamed(signed_in("administrator"), **{"scope_mcp:read": ""})
    assert "Then it would name nothing more, and is disabled as it is." in asked.content.decode()

    renamed(signed_in("administrator"), "change", **{"scope_mcp:read": ""})

    row = Rule.objects.get(name=MACHINES)
    assert (row.enabled, row.definition["scopes"]) == (False, ["mcp:read"])


def test_a_renamed_scope_is_renamed_in_the_rules(signed_in: Page, gatehouse: World) -> None:
    renamed(signed_in("administrator"), "change", **{"scope_mcp:read": "notes:read"})

    assert definition(PEOPLE)["scopes"] == ["notes:read", "mcp:write"]
    assert gatehouse.machine_token()["scope"] == "notes:read"


def test_attack_a_rename_does_not_extend_a_rule_to_another_servers_scope(signed_in: Page) -> None:
    """A rule for Notes and the payroll: `mcp:write` becomes `payroll:read`, which the payroll has."""
    row = Rule.objects.get(name=PEOPLE)
    row.definition["resources"] = [NOTES, PAYROLL]
    row.save()

    page = renamed(signed_in("administrator"), **{"scope_mcp:write": "payroll:read"})
    assert "Other MCP servers of this rule have a scope “payroll:read”" in page.content.decode()
    assert "and change" not in page.content.decode()

    renamed(signed_in("administrator"), "change", **{"scope_mcp:write": "payroll:read"})
    assert definition(PEOPLE)["scopes"] == ["mcp:read", "mcp:write"]


def test_a_page_that_has_become_untrue_is_shown_again(signed_in: Page) -> None:
    browser = signed_in("administrator")
    asked = renamed(browser, identifier=NEW)
    row = ProtectedResource.objects.get(identifier=NOTES)
    Rule.objects.filter(name=PEOPLE).update(enabled=False)

    page = answered(browser, page_of(row), asked, "change")

    assert "Nothing was done" in page.content.decode()
    assert definition(MACHINES)["resources"] == [NOTES]
    assert ProtectedResource.objects.filter(identifier=NOTES).exists()


def test_attack_an_answer_for_one_name_confirms_no_other(signed_in: Page) -> None:
    browser = signed_in("administrator")
    asked = renamed(browser, identifier=NEW)
    row = ProtectedResource.objects.get(identifier=NOTES)

    page = answered(browser, page_of(row), asked, "change", identifier="https://evil.example.com/mcp")

    assert "Nothing was done" in page.content.decode()
    assert ProtectedResource.objects.filter(identifier=NOTES).exists()


def test_other_changes_of_a_server_ask_nothing(signed_in: Page) -> None:
    row = ProtectedResource.objects.get(identifier=NOTES)

    response = signed_in("administrator").post(page_of(row), server_form(row, name="Our notes"))

    assert response.status_code == 302
    assert ProtectedResource.objects.get(identifier=NOTES).name == "Our notes"


# --- Groups


def test_a_renamed_group_is_renamed_in_rules_and_approvers(signed_in: Page) -> None:
    apply(f"""
rules:
  - {{name: Asks, effect: require_approval, clients: ["*"], groups: ["*"], grant_types: ["*"],
     resources: ["{NOTES}"], scopes: ["mcp:write"], approvers: {{groups: [engineering]}}}}
""")
    browser, group = signed_in("administrator"), Group.objects.get(name="engineering")
    asked = browser.post(page_of(group), {"name": "engineers", "_save": "Save"})
    assert "Group" in asked.content.decode() and "2 rules name it" in asked.content.decode()

    answered(browser, page_of(group), asked, "change")

    assert Group.objects.filter(name="engineers").exists()
    assert definition(PEOPLE)["groups"] == ["engineers"]
    assert definition("Asks")["approvers"]["groups"] == ["engineers"]


@pytest.mark.parametrize("answer", ["change", "leave"])
def test_a_deleted_group(signed_in: Page, answer: str) -> None:
    browser, group = signed_in("administrator"), Group.objects.get(name="engineering")
    address = f"/console/auth/group/{group.pk}/delete/"
    asked = browser.post(address, {"post": "yes"})
    assert Group.objects.filter(name="engineering").exists()
    assert not AuditEvent.objects.filter(event="configuration:object:removed")

    answered(browser, address, asked, answer)

    assert not Group.objects.filter(name="engineering").exists()
    assert Rule.objects.get(name=PEOPLE).enabled is (answer == "leave")
    assert definition(PEOPLE)["groups"] == ["engineering"]


def test_several_groups_are_deleted_after_one_question(signed_in: Page) -> None:
    browser, address = signed_in("administrator"), "/console/auth/group/"
    chosen = [str(pk) for pk in Group.objects.values_list("pk", flat=True)]
    asked = browser.post(address, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})
    assert Group.objects.count() == len(chosen)
    assert not AuditEvent.objects.filter(event="configuration:object:removed")

    answered(browser, address, asked, "change")

    assert not Group.objects.exists()
    assert not Rule.objects.get(name=PEOPLE).enabled


def test_a_group_that_no_rule_names_goes_without_a_question(signed_in: Page) -> None:
    group = Group.objects.get(name="visitors")

    assert (
        signed_in("administrator").post(f"/console/auth/group/{group.pk}/delete/", {"post": "yes"}).status_code == 302
    )
    assert not Group.objects.filter(name="visitors").exists()


# --- Agents


def retire(browser: Browser, client_id: str) -> tuple[str, HttpResponse]:
    address = f"/console/authz/client/{Client.objects.get(client_id=client_id).pk}/switch/retired/"
    return address, browser.post(address)


def test_a_retired_agent_leaves_the_rules(signed_in: Page) -> None:
    browser = signed_in("administrator")
    address, asked = retire(browser, "posting-agent")
    assert "Agent “posting-agent” goes" in asked.content.decode()
    assert Client.objects.get(client_id="posting-agent").status == "approved"

    answered(browser, address, asked, "change")

    assert Client.objects.get(client_id="posting-agent").status == "retired"
    assert definition(MACHINES)["clients"] == ["nightly-report", "signing-agent"]


def test_several_agents_are_retired_after_one_question(signed_in: Page) -> None:
    browser, address = signed_in("administrator"), "/console/authz/client/"
    chosen = list(Client.objects.filter(client_id__in=["posting-agent", "signing-agent"]).values_list("pk", flat=True))
    asked = browser.post(address, {"action": "retire_selected", "_selected_action": chosen, "post": "yes"})

    answered(browser, address, asked, "change")

    assert set(Client.objects.filter(pk__in=chosen).values_list("status", flat=True)) == {"retired"}
    assert definition(MACHINES)["clients"] == ["nightly-report"]


def test_an_approver_who_may_not_change_rules_sees_them_and_leaves_them(signed_in: Page) -> None:
    browser = signed_in("approver")
    address, asked = retire(browser, "posting-agent")
    assert MACHINES in asked.content.decode()
    assert "and change" not in asked.content.decode()

    answered(browser, address, asked, "change")

    assert Client.objects.get(client_id="posting-agent").status == "retired"
    assert "posting-agent" in definition(MACHINES)["clients"]


# --- Two at once


def signed_in_alice() -> Browser:
    browser = Browser()
    browser.force_login(User.objects.get(username="alice"), backend="authz.sign_in.password_backend.PasswordBackend")
    return browser


@pytest.mark.parametrize("turn", range(4))
def test_a_rule_that_is_saved_meanwhile_is_not_lost(committed_gatehouse: World, turn: int) -> None:
    browser, row = signed_in_alice(), ProtectedResource.objects.get(identifier=NOTES)
    asked = browser.post(page_of(row), server_form(row, identifier=NEW))

    def shorten() -> None:
        with rule_history.written_by("bob", "api"):
            rule = Rule.objects.select_for_update().get(name=MACHINES)
            rule.definition["max_lifetime"] = 60
            rule.save()

    at_once([lambda: answered(browser, page_of(row), asked, "change"), shorten])

    name = ProtectedResource.objects.get(pk=row.pk).identifier
    assert definition(MACHINES)["max_lifetime"] == 60
    assert definition(MACHINES)["resources"] == definition(PEOPLE)["resources"] == [name]
