"""What a change of a rule would have done, its history, and going back."""

import pytest
from django.urls import reverse

from authz.models import AuditEvent, Rule, RuleChange
from tests.console.conftest import Page
from tests.console.rule_forms import FORM, NOTES_RULE
from tests.support.world import World, submit


def test_the_effect_of_a_change_on_past_asks_is_shown_and_nothing_is_saved(signed_in: Page, gatehouse: World) -> None:
    gatehouse.machine_token()
    row = Rule.objects.get(name="Agents read notes")
    form = {**NOTES_RULE, "_effect": "7"}

    page = signed_in("administrator").post(reverse("admin:authz_rule_change", args=[row.pk]), form).content.decode()

    assert "Effect on past requests" in page
    assert "nightly-report" in page
    assert "granted mcp:read, 300 s at most → refused (no rule allows)" in page
    assert "of the last 7 days" in page
    assert Rule.objects.get(pk=row.pk).definition == row.definition
    # What was typed is still in the form, to be saved or not.
    assert "posting-agent</textarea>" in page
    assert not AuditEvent.objects.filter(event="configuration:object:changed").exists()


def test_the_effect_of_a_new_rule_is_shown(signed_in: Page, gatehouse: World) -> None:
    gatehouse.sign_in("charlie")
    gatehouse.browser.get(gatehouse.authorize_url())
    form = {**FORM, "networks": "", "clients": "*", "_effect": "30"}
    page = signed_in("administrator").post("/console/authz/rule/add/", form).content.decode()
    assert "charlie" in page
    assert "gains" in page
    assert not Rule.objects.filter(name="Visitors read").exists()


def test_a_mistake_is_said_before_any_effect(signed_in: Page) -> None:
    page = signed_in("administrator").post(
        "/console/authz/rule/add/", {**FORM, "networks": "not-a-network", "_effect": "30"}
    )
    assert "network" in page.content.decode()
    assert 'id="effect"' not in page.content.decode()


def test_what_removing_a_rule_would_have_changed_is_shown(signed_in: Page, gatehouse: World) -> None:
    gatehouse.machine_token()
    row = Rule.objects.get(name="Agents read notes")
    browser, address = signed_in("administrator"), reverse("admin:authz_rule_delete", args=[row.pk])

    assert "?days=30" in browser.get(address).content.decode()
    assert "refused (no rule allows)" in browser.get(address, {"days": "30"}).content.decode()
    assert Rule.objects.filter(pk=row.pk).exists()


def test_the_history_shows_who_changed_what_before_and_after(signed_in: Page) -> None:
    row = Rule.objects.get(name="Agents read notes")
    signed_in("administrator").post(reverse("admin:authz_rule_change", args=[row.pk]), NOTES_RULE)

    browser = signed_in("auditor")
    page = browser.get(reverse("admin:authz_rule_history", args=[row.pk]), follow=True).content.decode()

    assert "alice" in page
    assert "in the console" in page
    assert "clients: posting-agent" in page
    assert "Before:" in page
    assert "Undo" not in page  # an auditor changes nothing


def test_a_rule_is_restored_by_a_post_after_a_page_that_says_what_follows(signed_in: Page) -> None:
    row, version = Rule.objects.get(name="Agents read notes"), RuleChange.objects.latest("id").pk
    browser = signed_in("administrator")
    browser.post(reverse("admin:authz_rule_change", args=[row.pk]), NOTES_RULE)
    address = f"{reverse('admin:authz_rule_restore', args=[version])}?rule={row.pk}"

    page = browser.get(address).content.decode()
    assert "Posting-agent" in page or "posting-agent" in page
    assert Rule.objects.get(pk=row.pk).definition["clients"] == ["posting-agent"]

    submit(browser, address)
    assert Rule.objects.get(pk=row.pk).definition == row.definition
    event = AuditEvent.objects.filter(detail__restored=version).get()
    assert event.detail["by"] == "alice"
    assert RuleChange.objects.latest("id").author == "alice"


@pytest.mark.parametrize("role", ["auditor", "approver", "developer", "none"])
def test_who_may_not_change_rules_does_not_go_back(signed_in: Page, role: str) -> None:
    version = RuleChange.objects.latest("id").pk
    Rule.objects.filter(name="Agents read notes").delete()
    answer = submit(signed_in(role), reverse("admin:authz_rule_restore", args=[version]))
    assert answer.status_code in (302, 403)
    assert not Rule.objects.filter(name="Agents read notes").exists()
