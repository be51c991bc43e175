"""An MCP server's page: what is next, what reaches it, its rules, events, refusals, tokens and requests."""

from typing import Any

import pytest
from django.urls import reverse

from authz.configuration import apply
from authz.models import ProtectedResource, Rule
from tests.console.conftest import Page
from tests.console.test_protection import McpServer, page_of, said, server
from tests.support.world import NOTES, PAYROLL, SECRET, World

__all__ = ["server"]

ADD = "/console/authz/protectedresource/add/"
FORM = {
    "name": "Tasks", "identifier": "https://tasks.example.com/mcp", "is_active": "on", "access_token_lifetime": "600",
    "access_token_signing_alg": "RS256", "pending_answer": "always", "scopes-TOTAL_FORMS": "2",
    "scopes-INITIAL_FORMS": "0", "scopes-0-name": "tasks:read", "scopes-0-description": "Read tasks",
    "scopes-0-sensitivity": "low", "scopes-1-name": "tasks:write", "scopes-1-sensitivity": "high",
}  # fmt: skip


def shown(signed_in: Page, role: str = "administrator", identifier: str = NOTES) -> Any:
    row = ProtectedResource.objects.get(identifier=identifier)
    return signed_in(role).get(f"/console/authz/protectedresource/{row.pk}/change/")


def steps(response: Any) -> list[tuple[bool, str]]:
    return [(step.is_done, step.action) for step in response.context["steps"]]


def test_a_new_server_leads_to_its_page_with_the_next_step(signed_in: Page) -> None:
    response: Any = signed_in("administrator").post(ADD, FORM, follow=True)

    row = ProtectedResource.objects.get(name="Tasks")
    assert response.redirect_chain[-1][0] == f"/console/authz/protectedresource/{row.pk}/change/"
    assert steps(response) == [(False, "Protect it"), (False, "Allow it"), (False, "Connect an agent"), (False, "")]
    assert [step.is_next for step in response.context["steps"]] == [True, False, False, False]
    page = response.content.decode()
    assert "Read tasks" in page and "No approved agent." in page


def test_the_rule_of_the_next_step_is_filled_in_without_what_is_sensitive(signed_in: Page) -> None:
    browser = signed_in("administrator")
    response: Any = browser.post(ADD, FORM, follow=True)
    [address] = [step.url for step in response.context["steps"] if step.action == "Allow it"]

    form = browser.get(address).context["adminform"].form

    assert form["resources"].value() == ["https://tasks.example.com/mcp"]
    assert form["scopes"].value() == ["tasks:read"]
    assert form["name"].value() == "Agents use Tasks"


def test_a_server_without_scopes_is_told_first(signed_in: Page) -> None:
    form = {**FORM, "scopes-TOTAL_FORMS": "0"}

    response = signed_in("administrator").post(ADD, form, follow=True)

    assert steps(response)[0] == (False, "Add scopes")


def test_a_rule_leads_to_the_agent(signed_in: Page) -> None:
    rule = Rule.objects.get(name="Agents read notes")

    page = signed_in("administrator").get(f"/console/authz/rule/{rule.pk}/change/")

    assert [words for words, _ in page.context["next_steps"]] == [
        "Connect Nightly report",
        "Connect posting-agent",
        "Connect signing-agent",
        "See Notes",
    ]


def test_who_reaches_it_and_by_which_rules(signed_in: Page) -> None:
    response = shown(signed_in)

    reaching = {row.client_id: [part.subject for part in row.parts] for row in response.context["reaching"]}
    assert reaching["nightly-report"] == ["itself"]
    assert reaching["web-app"] == ["group engineering"]
    assert [rule.name for rule, _ in response.context["rules"]] == [
        "Agents read notes",
        "Engineers use agents on Notes",
    ]
    assert shown(signed_in, identifier=PAYROLL).context["reaching"] == []


def test_its_tokens_events_and_refusals(signed_in: Page, gatehouse: World) -> None:
    for _ in range(3):
        gatehouse.machine_token(resource=NOTES)
    gatehouse.token(
        basic=("nightly-report", SECRET), grant_type="client_credentials", scope="mcp:write", resource=NOTES
    )

    response = shown(signed_in)

    assert response.context["tokens"]["total"] == 3
    assert sum(n for _, n, _, _ in response.context["tokens"]["bars"]) == 3
    events = response.context["recent_events"][0]
    assert (events.event.event, len(events.events)) == ("token:access:issued", 3)
    [refusal] = response.context["refusals"]
    assert refusal.event.reason
    assert shown(signed_in, identifier=PAYROLL).context["refusals"] == []


def test_a_request_that_waits_stands_there(signed_in: Page, gatehouse: World) -> None:
    apply(f"""
rules:
  - {{name: Asks, effect: require_approval, clients: [nightly-report], grant_types: ["*"], resources: ["{NOTES}"],
     scopes: ["mcp:read"]}}
""")
    gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials", resource=NOTES)

    [waiting] = shown(signed_in).context["waiting"]

    assert waiting.client.client_id == "nightly-report"


def test_all_owners_are_named(signed_in: Page) -> None:
    apply(f"resources:\n  - {{identifier: '{NOTES}', default: true, owner: bob, owners: [charlie]}}\n")

    assert shown(signed_in).context["owners"] == ["bob", "charlie"]


@pytest.mark.parametrize(
    ("role", "sees_rules", "sees_events"),
    [("administrator", True, True), ("approver", True, True), ("auditor", True, True), ("developer", False, False)],
)
def test_attack_each_role_sees_what_it_may_see_elsewhere(
    signed_in: Page, gatehouse: World, role: str, sees_rules: bool, sees_events: bool
) -> None:
    gatehouse.machine_token(resource=NOTES)

    response = shown(signed_in, role)

    assert ("rules" in response.context) is sees_rules
    assert ("recent_events" in response.context) is sees_events
    assert ("Agents read notes" in response.content.decode()) is sees_rules


# --- Protection


def test_a_check_is_remembered_on_the_page(signed_in: Page, server: McpServer) -> None:
    server.without = 200
    said(signed_in, server)

    page = shown(signed_in, identifier=server.identifier).content.decode()

    assert "Not protected" in page
    assert "It answers anybody" in page


def test_a_server_that_is_protected_leads_to_the_rule(signed_in: Page, server: McpServer) -> None:
    browser = signed_in("administrator")
    before = browser.get(page_of(server)).content.decode()
    server.document = {
        "resource": server.identifier, "authorization_servers": ["http://127.0.0.1:8000/o"],
        "scopes_supported": ["mcp:read", "mcp:write"],
    }  # fmt: skip

    response: Any = browser.post(page_of(server))

    assert response.context["is_protected"], response.context["findings"]
    assert "Allow it" in response.content.decode() and "Allow it" not in before
    latest = shown(signed_in, identifier=server.identifier).context["protection"]
    assert (latest.by, latest.is_good) == ("alice", True)


def test_one_that_is_checked_again_is_what_it_is_now(signed_in: Page, server: McpServer) -> None:
    server.without = 200
    said(signed_in, server)
    server.without = 401
    found = said(signed_in, server)

    latest = shown(signed_in, identifier=server.identifier).context["protection"]
    assert latest.level == "error"  # it has no metadata
    assert not any("anybody" in problem for problem in latest.problems), found


def test_labels_and_tools_are_written_and_kept(signed_in: Page) -> None:
    browser, row = signed_in("administrator"), ProtectedResource.objects.get(identifier=NOTES)
    address = reverse("admin:authz_protectedresource_change", args=[row.pk])
    page = browser.get(address)
    forms = [page.context["adminform"].form, *page.context["inline_admin_formsets"][0].formset.forms]
    management = page.context["inline_admin_formsets"][0].formset.management_form
    sent = {
        bound.html_name: bound.value()
        for form in (*forms, management)
        for bound in form
        if bound.value() not in (None, "", False)
    }
    sent |= {"labels": "internal", "tools": "list_notes\npayroll_* payroll pii | Pay slips", "scopes-0-labels": "pii"}
    assert browser.post(address, sent).status_code == 302
    row.refresh_from_db()
    tools = [
        {"name": "list_notes", "labels": [], "description": ""},
        {"name": "payroll_*", "labels": ["payroll", "pii"], "description": "Pay slips"},
    ]
    assert (row.labels, row.tools) == (["internal"], tools)
    assert row.scopes.order_by("id")[0].labels == ["pii"]

    form = browser.get(address).context["adminform"].form
    assert form["tools"].value() == sent["tools"]
    for wrong, told in (("*_all", "only at its end"), ("pay PII", "is not a label"), ("pay\npay", "Named twice: pay")):
        assert told in browser.post(address, {**sent, "tools": wrong}).content.decode()
