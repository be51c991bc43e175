"""Rules that name what does not exist, as their authors are told in the console."""

import pytest
from django.http import HttpResponse
from django.urls import reverse

from authz.models import Rule
from tests.console.conftest import Page
from tests.support.world import NOTES, World

MISTYPED = {
    "name": "No writing", "effect": "deny", "enabled": "on", "clients": "nightly-reprot", "grant_types": ["*"],
    "acts_for": "machine", "groups": [], "users": "", "resources": [NOTES], "scopes": ["*"],
}  # fmt: skip
SENTENCE = "Agents: “nightly-reprot”. There is no agent of this client_id. Did you mean “nightly-report”?"


@pytest.fixture
def rule(signed_in: Page) -> Rule:
    response = signed_in("administrator").post("/console/authz/rule/add/", MISTYPED)
    assert response.status_code == 302, response.context["adminform"].form.errors
    return Rule.objects.get(name="No writing")


def test_saving_a_mistyped_rule_says_so(signed_in: Page) -> None:
    page = signed_in("administrator").post("/console/authz/rule/add/", MISTYPED, follow=True).content.decode()
    assert SENTENCE in page


def test_the_rule_s_own_page_says_so_too(signed_in: Page, rule: Rule) -> None:
    browser = signed_in("administrator")
    browser.get("/console/authz/rule/")  # the message of the save is shown once
    assert SENTENCE in browser.get(reverse("admin:authz_rule_change", args=[rule.pk])).content.decode()


def test_a_trial_of_the_form_says_so_before_anything_is_saved(signed_in: Page) -> None:
    page = signed_in("administrator").post("/console/authz/rule/add/", {**MISTYPED, "_effect": "30"}).content.decode()
    assert SENTENCE in page
    assert not Rule.objects.filter(name="No writing").exists()


@pytest.mark.parametrize(
    ("clients", "mark"),
    [("nightly-reprot", "Matches nothing"), ("nightly-report\nnightly-reprot", "Unknown name"), ("nightly-report", "")],
)
def test_the_list_marks_the_rule(signed_in: Page, clients: str, mark: str) -> None:
    browser = signed_in("administrator")
    browser.post("/console/authz/rule/add/", {**MISTYPED, "clients": clients})
    browser.get("/console/")
    page = browser.get("/console/authz/rule/").content.decode()
    assert [word for word in ("Matches nothing", "Unknown name") if word in page] == ([mark] if mark else [])


def test_a_rule_that_is_switched_off_has_no_mark(signed_in: Page, rule: Rule, gatehouse: World) -> None:
    Rule.objects.filter(pk=rule.pk).update(enabled=False)
    browser = signed_in("administrator")
    browser.get("/console/")
    assert "Matches nothing" not in browser.get("/console/authz/rule/").content.decode()


# --- While it is written


def preview(signed_in: Page, role: str, form: dict[str, object]) -> HttpResponse:
    answer: HttpResponse = signed_in(role).post("/console/rule_preview/", form)
    return answer


def test_the_form_is_told_in_words_while_it_is_written(signed_in: Page) -> None:
    page = preview(signed_in, "administrator", {**MISTYPED, "clients": "nightly-report"}).content.decode()
    assert "Machines may not get" not in page
    assert "nightly-report may not get any scope at" in page
    assert "warning" not in page
    assert not Rule.objects.filter(name="No writing").exists()


def test_what_it_names_in_vain_is_told_beside_it(signed_in: Page) -> None:
    assert SENTENCE in preview(signed_in, "administrator", MISTYPED).content.decode()


def test_a_form_that_is_no_rule_yet_names_what_is_missing(signed_in: Page) -> None:
    page = preview(signed_in, "administrator", {**MISTYPED, "name": "", "clients": ""}).content.decode()
    assert "Not a rule yet." in page and "Agents" in page


@pytest.mark.parametrize("role", ["auditor", "approver", "developer"])
def test_only_authors_of_rules_are_told(signed_in: Page, role: str) -> None:
    assert preview(signed_in, role, MISTYPED).status_code == 403


def test_a_saved_rule_is_not_in_its_own_way(signed_in: Page, rule: Rule) -> None:
    answer = signed_in("administrator").post(f"/console/rule_preview/?rule={rule.pk}", MISTYPED)
    assert SENTENCE in answer.content.decode()
