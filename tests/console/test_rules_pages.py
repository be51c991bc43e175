"""Rules through the form, and the simulator."""

import pytest
from django.urls import reverse

from authz.models import AuditEvent, Rule
from authz.policy import Rule as PolicyRule
from tests.console.conftest import Page
from tests.support.world import NOTES, SECRET, World

FORM = {
    "name": "Visitors read", "effect": "allow", "enabled": "on", "clients": "host:*.example.com\nnightly-report",
    "grant_types": ["authorization_code"], "whom": "people", "groups": ["visitors"], "users": "",
    "resources": [NOTES], "scopes": ["mcp:read"], "max_lifetime": "300", "networks": "10.0.0.0/8",
}  # fmt: skip


def test_the_form_writes_what_the_policy_engine_reads(signed_in: Page) -> None:
    response = signed_in("administrator").post("/console/authz/rule/add/", FORM)

    assert response.status_code == 302, response.content.decode()
    row = Rule.objects.get(name="Visitors read")
    assert row.definition == {
        "clients": ["host:*.example.com", "nightly-report"],
        "groups": ["visitors"],
        "grant_types": ["authorization_code"],
        "resources": [NOTES],
        "scopes": ["mcp:read"],
        "conditions": {"networks": ["10.0.0.0/8"]},
        "max_lifetime": 300,
    }
    PolicyRule.from_mapping({"name": row.name, "effect": row.effect, **row.definition})


@pytest.mark.parametrize(("change", "sentence"), [
    ({"groups": []}, "an empty list would mean nobody"),
    ({"whom": "machine"}, "A rule for machines names no people"),
    ({"clients": "*.example.com"}, "host:*.example.com"),
    ({"networks": "not-a-network"}, "network"),
    ({"effect": "deny"}, "has no meaning in a deny"),
    ({"name": "Agents read notes"}, "already exists"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(signed_in: Page, change: dict[str, object], sentence: str) -> None:
    before = Rule.objects.count()

    page = signed_in("administrator").post("/console/authz/rule/add/", {**FORM, **change}).content.decode()

    assert sentence in page
    assert Rule.objects.count() == before


def test_opening_and_saving_a_rule_changes_nothing(signed_in: Page) -> None:
    row = Rule.objects.get(name="Agents read notes")
    address = reverse("admin:authz_rule_change", args=[row.pk])
    browser = signed_in("administrator")
    form = browser.get(address).context["adminform"].form
    sent = {name: form[name].value() for name in form.fields if form[name].value() not in (None, "", False)}

    response = browser.post(address, sent)

    assert response.status_code == 302, response.context["adminform"].form.errors
    assert Rule.objects.get(pk=row.pk).definition == row.definition


def test_switching_a_rule_off_takes_effect_with_the_next_request_and_is_recorded(
    signed_in: Page, gatehouse: World
) -> None:
    row = Rule.objects.get(name="Agents read notes")
    definition = row.definition
    form = {
        "name": row.name, "effect": row.effect, "clients": "\n".join(definition["clients"]), "whom": "machine",
        "grant_types": definition["grant_types"], "resources": definition["resources"], "scopes": definition["scopes"],
    }  # fmt: skip
    gatehouse.machine_token()

    signed_in("administrator").post(reverse("admin:authz_rule_change", args=[row.pk]), form)

    assert gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code == 400
    assert AuditEvent.objects.filter(event="configuration:object:changed", detail__name=row.name).exists()


def test_a_list_reads_as_sentences(signed_in: Page) -> None:
    page = signed_in("auditor").get("/console/authz/rule/").content.decode()

    assert "Members of engineering may get" in page


ASK = {
    "client_id": "desktop-app",
    "username": "bob",
    "resource": NOTES,
    "grant_type": "authorization_code",
    "scope": "mcp:read",
}


@pytest.mark.parametrize(("change", "said"), [
    ({}, "<h2>Allowed</h2>"),
    ({"username": "charlie"}, "<h2>Denied</h2>"),
    ({"client_id": "pending-agent"}, "The agent is not approved"),
    ({"client_id": "nobody-knows"}, "No agent has this client_id"),
    ({"username": "mallory"}, "Nobody has this user name"),
])  # fmt: skip
def test_the_simulator_answers_as_the_grants_do(signed_in: Page, change: dict[str, str], said: str) -> None:
    page = signed_in("auditor").get("/console/simulator/", {**ASK, **change}).content.decode()

    assert said in page


def test_the_simulator_says_why_not(signed_in: Page) -> None:
    page = signed_in("auditor").get("/console/simulator/", {**ASK, "username": "charlie"}).content.decode()

    assert "Rules that came close" in page
    assert "Engineers use agents on Notes" in page


def test_the_simulator_issues_and_records_nothing(signed_in: Page) -> None:
    browser = signed_in("auditor")
    before = AuditEvent.objects.count()

    browser.get("/console/simulator/", ASK)

    assert AuditEvent.objects.count() == before
