"""Rules as a form, and as sentences in lists."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from authz.models import AuditEvent, ProtectedResource, Rule, RuleChange
from authz.policy import Rule as PolicyRule
from tests.console.conftest import Page
from tests.console.rule_forms import ASK, FORM
from tests.support.world import NOTES, PAYROLL, SECRET, World, client


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


def test_the_simulator_and_the_replay_name_the_rule_of_each_scope(signed_in: Page, gatehouse: World) -> None:
    gatehouse.machine_token()
    event = AuditEvent.objects.get(event="token:access:issued")
    browser = signed_in("administrator")

    asked = {"client_id": "nightly-report", "resource": NOTES, "grant_type": "client_credentials"}
    answer = browser.get("/console/simulator/", asked).content.decode()
    part = browser.get("/console/simulator/", {**asked, "scope": "mcp:read"}).content.decode()
    why = browser.get(reverse("admin:replay", args=[event.pk])).content.decode()

    for page in (answer, part, why):
        assert "<code>mcp:read</code><br><bdi>Permitted by “Agents read notes”.</bdi>" in page
    assert "<code>mcp:write</code><br><bdi>Not granted: no rule permits it.</bdi>" in answer
    assert "<dd>all scopes</dd>" in answer and "<dd>all scopes</dd>" not in part


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


CALLS = {
    "labels": "pii payroll",
    "tools": "pay\nget_*",
    "arguments": 'amount below 99.5\namount at_least 10\nto.country one_of DE, AT\nkind equals "7"\nreason present',
}


def test_tools_labels_and_arguments_are_written_and_kept(signed_in: Page) -> None:
    browser = signed_in("administrator")
    response = browser.post("/console/authz/rule/add/", {**FORM, "networks": "", **CALLS})
    assert response.status_code == 302, response.content.decode()
    row = Rule.objects.get(name="Visitors read")
    written = row.definition
    assert (written["labels"], written["tools"]) == (["pii", "payroll"], ["pay", "get_*"])
    assert written["conditions"] == {
        "arguments": {
            "amount": {"below": 99.5, "at_least": 10},
            "to.country": {"one_of": ["DE", "AT"]},
            "kind": {"equals": "7"},
            "reason": {"present": True},
        }
    }

    # Opening and saving it must not make a rule for everything out of one for a few calls.
    address = reverse("admin:authz_rule_change", args=[row.pk])
    form = browser.get(address).context["adminform"].form
    sent = {name: form[name].value() for name in form.fields if form[name].value() not in (None, "", False)}
    assert browser.post(address, sent).status_code == 302
    row.refresh_from_db()
    assert row.definition == written


@pytest.mark.parametrize(("change", "sentence"), [
    ({"tools": "*_all"}, "only at its end"),
    ({"labels": "PII"}, "is not a label"),
    ({"arguments": "amount under 5"}, "is not a member, one of equals"),
    ({"arguments": "amount below"}, "is not a member, one of equals"),
    ({"arguments": "amount below five"}, "must be a number"),
    ({"arguments": "amount below 5\namount below 6"}, "asks for the same twice"),
])  # fmt: skip
def test_a_call_that_cannot_be_meant_is_refused(signed_in: Page, change: dict[str, str], sentence: str) -> None:
    page = signed_in("administrator").post("/console/authz/rule/add/", {**FORM, **change}).content.decode()
    assert sentence in page


def test_the_simulator_decides_a_call(signed_in: Page) -> None:
    browser = signed_in("administrator")
    definition = {"clients": ["*"], "groups": ["*"], "grant_types": ["*"], "resources": ["*"], "scopes": ["*"]}
    conditions = {"arguments": {"amount": {"at_least": 100}}}
    Rule.objects.create(
        name="No large sums", effect="deny", definition={**definition, "tools": ["pay"], "conditions": conditions}
    )
    asked = {**ASK, "tool": "pay"}
    for arguments, told in (('{"amount": 100}', "A rule denies it."), ('{"amount": 99}', "Rules allow all of it.")):
        page = browser.get("/console/simulator/", {**asked, "arguments": arguments}).content.decode()
        assert told in page
    assert "A rule denies it." in browser.get("/console/simulator/", asked).content.decode()
    assert "no JSON object" in browser.get("/console/simulator/", {**asked, "arguments": "{"}).content.decode()
