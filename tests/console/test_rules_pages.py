"""Rules through the form, and the simulator."""

import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from authz.models import AccessRequest, AuditEvent, ProtectedResource, Rule, RuleChange
from authz.policy import Rule as PolicyRule
from tests.console.conftest import Page
from tests.support.world import NOTES, PAYROLL, SECRET, World, client, submit

FORM = {
    "name": "Visitors read", "effect": "allow", "enabled": "on", "clients": "host:*.example.com\nnightly-report",
    "grant_types": ["authorization_code"], "acts_for": "people", "groups": ["visitors"], "users": "",
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
    ({"groups": []}, "Name a group or a person."),
    ({"acts_for": "machine"}, "A rule for machines names no people"),
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
        "name": row.name, "effect": row.effect, "clients": "\n".join(definition["clients"]), "acts_for": "machine",
        "grant_types": definition["grant_types"], "resources": definition["resources"], "scopes": definition["scopes"],
    }  # fmt: skip
    gatehouse.machine_token()

    signed_in("administrator").post(reverse("admin:authz_rule_change", args=[row.pk]), form)

    assert gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code == 400
    assert AuditEvent.objects.filter(event="configuration:object:changed", detail__name=row.name).exists()


def test_a_list_reads_as_sentences(signed_in: Page) -> None:
    page = signed_in("auditor").get("/console/authz/rule/").content.decode()

    assert "Members of engineering may get" in page


def test_a_server_without_a_name_stands_as_it_is(signed_in: Page) -> None:
    ProtectedResource.objects.update(name="")
    rule = Rule.objects.get(name="Agents read notes")
    rule.definition |= {"resources": [NOTES, "https://unknown.example.com/mcp", PAYROLL]}
    rule.save()

    page = signed_in("auditor").get("/console/authz/rule/").content.decode()

    listed = f"<bdi>{NOTES}</bdi>, <bdi>https://unknown.example.com/mcp</bdi> or <bdi>{PAYROLL}</bdi><bdi> for"
    assert listed in page


def test_mismatches_and_effects_show_names(signed_in: Page, gatehouse: World) -> None:
    gatehouse.machine_token()
    browser = signed_in("administrator")
    asked = {**ASK, "resource": PAYROLL, "scope": ""}

    missed = browser.get("/console/simulator/", asked).content.decode()
    row = Rule.objects.get(name="Agents read notes")
    effect = browser.get(reverse("admin:authz_rule_delete", args=[row.pk]), {"days": "30"}).content.decode()
    reached = browser.get("/console/reach/", {"client_id": "nightly-report"}).content.decode()

    payroll, notes = f'<bdi title="{PAYROLL}">Payroll</bdi>', f'<bdi title="{NOTES}">Notes</bdi>'
    assert f"MCP server: asked {payroll}; it wants {notes}." in missed
    assert f"for itself at {notes}" in effect
    assert f"at {notes} by client_credentials" in reached


def test_what_is_text_keeps_the_identifiers(signed_in: Page) -> None:
    history = signed_in("auditor").get("/api/v1/policy/history").content.decode()
    terminal = StringIO()
    call_command("policy", "history", stdout=terminal)

    for text in (history, terminal.getvalue()):
        assert f"at {NOTES} " in text
        assert "at Notes" not in text


def test_the_names_in_a_long_list_cost_one_query_and_what_is_unknown_one_more(signed_in: Page) -> None:
    definition = Rule.objects.all()[0].definition
    rows = [
        ProtectedResource(identifier=f"https://server-{i}.example.com/mcp", name=f"Server {i % 7}") for i in range(40)
    ]
    ProtectedResource.objects.bulk_create(rows)
    Rule.objects.bulk_create(
        [
            Rule(name=f"Rule {i}", effect="allow", definition=definition | {"resources": [row.identifier]})
            for i, row in enumerate(rows)
        ]
    )
    with CaptureQueriesContext(connection) as captured:
        page = signed_in("auditor").get("/console/authz/rule/").content.decode()

    assert "Server 6 (https://server-6.example.com/mcp)" in page
    assert len([query for query in captured if '"authz_protectedresource"' in query["sql"]]) == 2


WIKI = "https://wiki.example.com/mcp"
NAMED = f'at </bdi><bdi title="{NOTES}">Notes</bdi><bdi> '
TOLD_APART = f'at </bdi><bdi title="{NOTES}">Notes ({NOTES})</bdi><bdi> '


SAYING = (
    "/console/authz/rule/",
    "/console/authz/rule/{rule}/change/",
    "/console/authz/rule/history/?rule={rule}",
    "/console/authz/client/{agent}/change/",
    "/console/authz/client/{agent}/switch/approved/",
    f"/console/simulator/?client_id=nightly-report&resource={NOTES}&grant_type=client_credentials",
    "/console/replay/{event}/",
    "/console/authz/rule/history/{version}/restore/",
)


@pytest.mark.parametrize("page", SAYING)
def test_rules_call_mcp_servers_by_their_names(signed_in: Page, gatehouse: World, page: str) -> None:
    gatehouse.machine_token()
    version = RuleChange.objects.latest("pk").pk
    rule = Rule.objects.get(name="Agents read notes")
    rule.definition |= {"max_lifetime": 299}
    rule.save()
    path = page.format(
        rule=rule.pk,
        agent=client("posting-agent").pk,
        event=AuditEvent.objects.get(event="token:access:issued").pk,
        version=version,
    )
    browser = signed_in("administrator")

    assert NAMED in browser.get(path).content.decode()

    # Where another has the same name it says which.
    ProtectedResource.objects.create(identifier=WIKI, name="Notes")
    assert TOLD_APART in browser.get(path).content.decode()


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


# --- Trying a change, the history, going back, and past decisions ---------------------------------------------------

NOTES_RULE = {
    "name": "Agents read notes", "effect": "allow", "enabled": "on", "clients": "posting-agent", "acts_for": "machine",
    "grant_types": ["client_credentials"], "resources": [NOTES], "scopes": ["mcp:read"],
}  # fmt: skip


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
    assert sorted(fields) == ["select", "select", "textarea", "textarea", "textarea"]
    assert page.count('form="rule_form"') == len(fields) + 1


def test_who_may_not_change_rules_asks_the_saved_ones(signed_in: Page) -> None:
    row = Rule.objects.get(name="Agents read notes")
    address, browser = reverse("admin:authz_rule_change", args=[row.pk]), signed_in("auditor")
    page = browser.get(address).content.decode()
    assert 'action="/console/simulator/"' in page
    assert "_simulate" not in page
    assert browser.post(address, NOTES_RULE | ASKED).status_code == 403


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
