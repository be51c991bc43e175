"""Plans in the console: read, approved by another administrator, applied, compared; forms bound to what they showed."""

import json
import re
from datetime import UTC, datetime

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.configuration import By, apply, plans
from authz.models import ConfigurationPlan, Rule, User
from tests.console.conftest import Page
from tests.support.world import NOTES, person

RULE = {"name": "No writes at night", "effect": "deny", "clients": ["*"], "resources": [NOTES], "scopes": ["mcp:write"]}


@pytest.fixture
def plan(gatehouse: object) -> ConfigurationPlan:
    file = json.dumps({"rules": [RULE], "users": [{"username": "zoe", "password": "a-planned-password"}]})
    by = By("pipeline")
    made = plans.make(file, prune=False, note="Ticket 7", by=by, client_id="pipeline", now=datetime.now(UTC))
    assert made is not None
    return made


def page(browser: Browser, name: str, plan: ConfigurationPlan, query: str = "") -> str:
    response = browser.get(reverse(f"admin:authz_configurationplan_{name}", args=[plan.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def post(browser: Browser, name: str, plan: ConfigurationPlan, shown: str, **fields: str) -> str:
    given = re.search(r'name="shown" value="(\w+)"', shown)
    assert given is not None
    address = reverse(f"admin:authz_configurationplan_{name}", args=[plan.pk])
    return browser.post(address, {"shown": given[1], **fields}, follow=True).content.decode()


def test_a_plan_is_read_approved_applied_and_compared(signed_in: Page, plan: ConfigurationPlan) -> None:
    browser = signed_in("administrator")
    listed = browser.get(reverse("admin:authz_configurationplan_changelist")).content.decode()
    assert "Ticket 7" in listed and "Waits for approval" in listed and ">Decide<" in listed
    decide = page(browser, "decide", plan)
    assert "No writes at night" in decide and "2 changes" in decide
    assert "a-planned-password" not in decide and "password: (hidden)" in decide
    assert "Approved: it can be applied." in post(browser, "decide", plan, decide, decision="approve", comment="Read.")
    asked = page(browser, "apply", plan)
    assert "Applied." in post(browser, "apply", plan, asked)
    assert Rule.objects.filter(name=RULE["name"]).exists()
    assert "Nothing: everything is as this file says." in page(browser, "change", plan, "?drift=1")
    Rule.objects.filter(name=RULE["name"]).delete()
    assert "What differs from the file today" in page(browser, "change", plan, "?drift=1")
    # The form once more: the plan is applied, and its status is another one than was shown.
    assert "Nothing was done" in post(browser, "apply", plan, asked)
    assert not Rule.objects.filter(name=RULE["name"]).exists()


def test_ones_own_plan_can_be_withdrawn_and_not_approved(signed_in: Page, plan: ConfigurationPlan) -> None:
    browser, alice = signed_in("administrator"), person("alice")
    ConfigurationPlan.objects.update(planned_by="alice", planned_by_subject=str(alice.subject))
    decide = page(browser, "decide", plan)
    assert "Another person has to approve your plan." in decide and 'value="approve"' not in decide
    forced = browser.post(
        reverse("admin:authz_configurationplan_decide", args=[plan.pk]),
        {"shown": re.findall(r'name="shown" value="(\w+)"', decide)[0], "decision": "approve"},
    )
    assert forced.status_code == 403
    assert "Declined." in post(browser, "decide", plan, decide, decision="decline", comment="Mistyped.")


def test_an_outdated_plan_says_so_before_it_is_approved(signed_in: Page, plan: ConfigurationPlan) -> None:
    browser = signed_in("administrator")
    apply("users: [{username: zoe}]")
    assert "has changed since in what this plan changes" in page(browser, "decide", plan)


def test_a_form_for_another_plan_approves_nothing(signed_in: Page, plan: ConfigurationPlan) -> None:
    browser = signed_in("administrator")
    other = plans.make("users: [{username: yves}]", prune=False, note="", by=By("x"), now=datetime.now(UTC))
    assert other is not None
    assert "Nothing was done" in post(browser, "decide", other, page(browser, "decide", plan), decision="approve")
    other.refresh_from_db()
    assert other.status == "waiting" and not User.objects.filter(username="yves").exists()
