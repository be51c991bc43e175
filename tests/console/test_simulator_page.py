"""The simulator, on its own page and beside a rule's form; and what a past decision and the access review say."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.models import AccessRequest, AuditEvent, Rule
from tests.console.conftest import Page
from tests.console.rule_forms import ASK, FORM, NOTES_RULE
from tests.support.world import NOTES, SECRET, World


@pytest.mark.parametrize(("change", "said"), [
    ({}, "<h2>Allowed</h2>"),
    ({"username": "charlie"}, "<h2>Denied</h2>"),
    ({"client_id": "pending-agent"}, "The agent is not approved"),
    ({"client_id": "nobody-knows"}, "No agent has this client_id"),
    ({"username": "mallory"}, "No person has this user name"),
])  # fmt: skip
def test_the_simulator_answers_as_the_grants_do(signed_in: Page, change: dict[str, str], said: str) -> None:
    page = signed_in("auditor").get("/console/simulator/", {**ASK, **change}).content.decode()

    assert said in page


def test_the_simulator_says_why_not(signed_in: Page) -> None:
    page = signed_in("auditor").get("/console/simulator/", {**ASK, "username": "charlie"}).content.decode()

    assert "Rules that nearly matched" in page
    assert "Engineers use agents on Notes" in page


def test_the_simulator_issues_and_records_nothing(signed_in: Page) -> None:
    browser = signed_in("auditor")
    before = AuditEvent.objects.count()

    browser.get("/console/simulator/", ASK)

    assert AuditEvent.objects.count() == before


ASKED = {"_simulate": "1"} | {f"ask-{name}": value for name, value in ASK.items()}


def simulated(browser: Browser, path: str, form: dict[str, object]) -> tuple[str, str, str]:
    """(the sentence above, the answer now, the answer with the draft), each "" where it is not shown."""
    page = browser.post(path, form).content.decode()
    _, _, shown = page.partition('id="simulated"')
    above, _, answers = shown.partition("As it is now:")
    now, _, draft = answers.partition("With this draft:")
    return above, now.partition("</section>")[0], draft.partition("</section>")[0]


def test_the_simulator_beside_a_form_says_how_it_is_and_how_it_would_be_with_the_draft(signed_in: Page) -> None:
    rules = list(Rule.objects.values())
    form = {**FORM, "clients": "desktop-app", "networks": "", **ASKED, "ask-username": "charlie"}

    above, now, draft = simulated(signed_in("administrator"), "/console/authz/rule/add/", form)

    assert "Saving this would change the answer." in above
    assert "Denied" in now
    assert "Allowed" in draft
    assert "300 s at most" in draft
    assert list(Rule.objects.values()) == rules


def test_a_draft_of_a_saved_rule_stands_in_for_it(signed_in: Page) -> None:
    row = Rule.objects.get(name="Agents read notes")
    address, browser = reverse("admin:authz_rule_change", args=[row.pk]), signed_in("administrator")
    asked = ASKED | {"ask-client_id": "nightly-report\n", "ask-username": "", "ask-grant_type": "client_credentials"}

    above, now, draft = simulated(browser, address, NOTES_RULE | asked)
    assert "would change the answer" in above
    assert "Allowed" in now
    assert "Denied" in draft

    above, now, draft = simulated(browser, address, NOTES_RULE | {"clients": "*", "max_lifetime": "300"} | asked)
    assert "would not change the answer" in above
    assert "Allowed" in now
    assert "Allowed" in draft

    unchanged = {"clients": "\n".join(row.definition["clients"]), "max_lifetime": "300"}
    above, now, draft = simulated(browser, address, NOTES_RULE | unchanged | asked)
    assert "Nothing in the form differs" in above
    assert "Allowed" in now
    assert not draft
    # What was asked stands in its form again, and so does the draft.
    page = browser.post(address, NOTES_RULE | asked).content.decode()
    assert re.search(r"nightly-report\s*</textarea>", page)
    assert "posting-agent</textarea>" in page


def test_of_a_draft_that_is_no_rule_yet_only_the_saved_rules_answer(signed_in: Page) -> None:
    form = {**FORM, "networks": "not-a-network", **ASKED}
    above, now, draft = simulated(signed_in("administrator"), "/console/authz/rule/add/", form)
    assert "The form has errors" in above
    assert "Allowed" in now
    assert not draft


def test_an_invalid_request_beside_a_form_is_refused_and_saves_nothing(signed_in: Page) -> None:
    form = {**FORM, **ASKED, "ask-client_id": "misspelt"}
    page = signed_in("administrator").post("/console/authz/rule/add/", form).content.decode()
    assert "No agent has this client_id." in page
    assert 'id="simulated"' not in page
    assert not Rule.objects.filter(name="Visitors read").exists()


def test_enter_in_an_ask_beside_a_form_does_not_save_the_rule(signed_in: Page) -> None:
    """It would press the form's first button; so no field of it is a line of text, in which Enter does."""
    page = signed_in("administrator").get("/console/authz/rule/add/").content.decode()
    fields = re.findall(r'<(\w+)[^>]* name="ask-\w+"[^>]*>', page)
    assert sorted(fields) == ["select"] * 3 + ["textarea"] * 6
    assert page.count('form="rule_form"') == len(fields) + 1


def test_who_may_not_change_rules_asks_the_saved_ones(signed_in: Page) -> None:
    row = Rule.objects.get(name="Agents read notes")
    address, browser = reverse("admin:authz_rule_change", args=[row.pk]), signed_in("auditor")
    page = browser.get(address).content.decode()
    assert 'action="/console/simulator/"' in page
    assert "_simulate" not in page
    assert browser.post(address, NOTES_RULE | ASKED).status_code == 403


def test_a_past_decision_is_told_from_its_event(signed_in: Page, gatehouse: World) -> None:
    gatehouse.machine_token()
    event = AuditEvent.objects.get(event="token:access:issued")
    Rule.objects.all().delete()
    browser = signed_in("auditor")

    address = reverse("admin:replay", args=[event.pk])
    assert address in browser.get(reverse("admin:authz_auditevent_change", args=[event.pk])).content.decode()
    page = browser.get(address).content.decode()

    assert "Allowed" in page
    assert "Agents read notes" in page
    assert signed_in("developer").get(address).status_code == 403


def test_the_simulator_counts_a_live_approval(signed_in: Page, gatehouse: World) -> None:
    asking = {"clients": ["nightly-report"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["mcp:write"]}
    Rule.objects.create(name="Ask first", effect="require_approval", definition=asking)
    gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials", scope="mcp:write")
    asked = (
        f"/console/simulator/?client_id=nightly-report&resource={NOTES}&grant_type=client_credentials&scope=mcp:write"
    )
    browser = signed_in("administrator")
    assert "An approval is needed" in browser.get(asked).content.decode()
    now = datetime.now(UTC)
    AccessRequest.objects.update(
        status="approved", approved_scopes=["mcp:write"], not_before=now, expires=now + timedelta(hours=1)
    )
    page = browser.get(asked).content.decode()
    assert "Allowed" in page
    assert "Answered" in page


def test_the_simulator_shows_what_is_switched_off(signed_in: Page) -> None:
    Rule.objects.filter(name="Agents read notes").update(enabled=False)
    page = signed_in("auditor").get(
        f"/console/simulator/?client_id=nightly-report&resource={NOTES}&grant_type=client_credentials"
    )
    assert "switched off" in page.content.decode()


def test_who_reaches_an_mcp_server_is_told(signed_in: Page) -> None:
    page = signed_in("auditor").get("/console/reach/", {"resource": NOTES}).content.decode()
    for name in ("nightly-report", "desktop-app", "alice", "bob"):
        assert f">{name}</bdi>" in page
    assert "charlie" not in page
    assert '<span class="chip good">now</span> <code>mcp:read mcp:write</code>' in page


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"client_id": "nightly-report"}, "<code>mcp:read</code>"),
        ({"username": "charlie"}, "Out of reach"),
        ({"username": "misspelt"}, "There is no &#x27;misspelt&#x27;"),
        ({"resource": "", "client_id": "", "username": ""}, "Name an MCP server, an agent or a person."),
    ],
)
def test_what_an_agent_or_a_person_reaches_is_told(signed_in: Page, asked: dict[str, str], said: str) -> None:
    assert said in signed_in("auditor").get("/console/reach/", asked).content.decode()
