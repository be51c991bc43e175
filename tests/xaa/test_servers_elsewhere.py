"""The console's forms offer what stands behind other authorization servers, and the simulator answers for it."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from authz.console.widgets import servers
from authz.models import Client, ProtectedResource, Rule, User
from tests.support.world import NOTES
from tests.xaa.company import AGENT, CHARLIES_AGENT, CHAT, CHAT_MCP, TOKEN_EXCHANGE, Company
from tests.xaa.test_admin import browser_of
from xaa.models import ResourceAuthorizationServer, TargetResource

ASK = {"client_id": AGENT[0], "username": "bob", "resource": CHAT_MCP, "grant_type": TOKEN_EXCHANGE, "scope": ""}


@pytest.fixture
def alice(company: Company) -> Browser:
    return browser_of("alice", User.Role.ADMINISTRATOR)


def another(name: str, *identifiers: str, issuer: str = "https://auth.travel.example/") -> None:
    row = ResourceAuthorizationServer.objects.create(name=name, issuer=issuer)
    TargetResource.objects.bulk_create(
        [TargetResource(server=row, identifier=identifier, scopes=["trips"]) for identifier in identifiers]
    )


def offered(page: str, field: str) -> dict[str, str]:
    """value → what a field to choose from, or to tick in, says of it."""
    ticks = re.findall(rf'name="{field}" value="([^"]*)"[^>]*>\s*(.*?)</label>', page, re.DOTALL)
    _, _, select = page.partition(f'<select name="{field}"')
    options = re.findall(r'<option value="([^"]*)"[^>]*>(.*?)</option>', select.partition("</select>")[0])
    return {value: " ".join(re.sub(r"<[^>]+>", " ", text).split()) for value, text in [*ticks, *options]}


def test_the_rules_form_offers_them_with_their_scopes_and_names_their_issuer(alice: Browser) -> None:
    another("", "https://mcp.travel.example/")
    page = alice.get("/console/authz/rule/add/").content.decode()

    found = offered(page, "resources")
    assert found[NOTES] == f"Notes {NOTES}"
    assert found[CHAT_MCP] == f"{CHAT_MCP} behind Chat"
    assert found["https://mcp.travel.example/"] == "https://mcp.travel.example/ behind https://auth.travel.example/"
    assert {"mcp:read", "chat.read", "chat.history", "trips"} <= offered(page, "scopes").keys()
    assert offered(page, "ask-resource")[CHAT_MCP] == f"{CHAT_MCP} behind Chat"


def test_a_rule_about_them_is_written_with_the_form(alice: Browser, company: Company) -> None:
    Rule.objects.filter(name="Engineers reach Chat").delete()
    assert company.exchange(company.login()["id_token"]).status_code == 400
    form = {
        "name": "Bob reaches Chat", "effect": "allow", "enabled": "on", "clients": "*", "grant_types": TOKEN_EXCHANGE,
        "acts_for": "people", "users": "bob", "resources": CHAT_MCP, "scopes": "chat.read",
    }  # fmt: skip

    response = alice.post("/console/authz/rule/add/", form)

    assert response.status_code == 302, response.content.decode()
    assert company.exchange(company.login()["id_token"]).status_code == 200


@pytest.mark.parametrize(("names", "told"), [
    (("Chat", "Travel"), "behind Chat and Travel"),
    (("Chat", "Chat"), f"behind Chat ({CHAT}) and Chat (https://auth.travel.example/)"),
    (("", "Travel"), f"behind {CHAT} and Travel"),
])  # fmt: skip
def test_one_behind_two_is_one_choice_that_names_both(company: Company, names: tuple[str, str], told: str) -> None:
    ResourceAuthorizationServer.objects.update(name=names[0])
    another(names[1], CHAT_MCP)

    assert [(row.behind, row.scopes) for row in servers.elsewhere()] == [(told, ("chat.read", "chat.history", "trips"))]


def test_one_of_ours_that_stands_behind_another_as_well_is_one_choice(company: Company) -> None:
    another("Travel", NOTES)

    assert dict(servers.choices())[NOTES] == "Notes and behind Travel"


def test_two_of_ours_with_one_name_are_told_apart(company: Company) -> None:
    ProtectedResource.objects.update(name="Notes")

    found = dict(servers.choices())

    assert found[NOTES] == f"Notes ({NOTES})"
    assert found[CHAT_MCP] == f"{CHAT_MCP} behind Chat"


def test_what_is_switched_off_is_not_offered(alice: Browser) -> None:
    ResourceAuthorizationServer.objects.update(enabled=False)

    assert CHAT_MCP not in offered(alice.get("/console/simulator/").content.decode(), "resource")
    # A rule that names it already keeps it.
    row = Rule.objects.get(name="Engineers reach Chat")
    page = alice.get(f"/console/authz/rule/{row.pk}/change/").content.decode()
    assert offered(page, "resources")[CHAT_MCP] == CHAT_MCP


def test_they_are_suggested_to_readers_of_rules(alice: Browser) -> None:
    for text in ("mcp.chat", "behind chat"):
        told = alice.get("/console/suggest/", {"of": "resources", "q": text}).json()["found"]
        assert told == [{"value": CHAT_MCP, "name": "behind Chat"}]
    erin = browser_of("charlie", User.Role.DEVELOPER)
    assert erin.get("/console/suggest/", {"of": "resources", "q": "mcp.chat"}).status_code == 403


# --- The simulator ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "outcome", "said"), [
    ({}, "Allowed", "Rules allow all of it."),
    ({"scope": "chat.read"}, "Allowed", "<dt>Granted</dt><dd><code>chat.read</code>"),
    ({"scope": "chat.read chat.admin"}, "Allowed", "<dt>Left out</dt><dd><code>chat.admin</code>"),
    ({"username": "charlie"}, "Denied", "No rule allows it"),
    ({"client_id": CHARLIES_AGENT[0]}, "", "The agent cannot reach it"),
    ({"client_id": "public-agent"}, "", "The agent cannot reach it"),
    ({"username": ""}, "", "In this way an agent asks for a person only."),
    ({"grant_type": "authorization_code"}, "", "No request can reach it in this way"),
    ({"resource": NOTES}, "", "This way leads only to MCP servers behind other authorization servers."),
    ({"resource": "https://mcp.unknown.example/"}, "", "Select a valid choice."),
])  # fmt: skip
def test_the_simulator_answers_as_the_exchange_does(
    alice: Browser, change: Mapping[str, str], outcome: str, said: str
) -> None:
    page = alice.get("/console/simulator/", {**ASK, **change}).content.decode()

    assert said in page
    assert re.findall("<h2>(Allowed|Denied)</h2>", page) == ([outcome] if outcome else [])


def test_it_knows_no_sensitivity_there_as_the_exchange_knows_none(alice: Browser, company: Company) -> None:
    row = Rule.objects.get(name="Engineers reach Chat")
    row.definition = row.definition | {"sensitivities": ["low"]}
    row.save()

    assert "<h2>Denied</h2>" in alice.get("/console/simulator/", ASK).content.decode()
    assert company.exchange(company.login()["id_token"]).status_code == 400


def test_a_draft_about_them_is_tried(alice: Browser) -> None:
    form: dict[str, Any] = {
        "name": "No reading of Chat's past", "effect": "deny", "enabled": "on", "clients": "*", "grant_types": "*",
        "acts_for": "people", "groups": "*", "resources": CHAT_MCP, "scopes": "chat.history", "_simulate": "1",
    }  # fmt: skip
    page = alice.post("/console/authz/rule/add/", form | {f"ask-{name}": value for name, value in ASK.items()})

    _, _, shown = page.content.decode().partition("With this draft:")
    assert "<dt>Left out</dt><dd><code>chat.history</code>" in shown


def test_an_answer_costs_as_much_with_many_agents_people_and_servers(alice: Browser) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert "<h2>Allowed</h2>" in alice.get("/console/simulator/", ASK).content.decode()
            assert alice.get("/console/authz/rule/add/").status_code == 200
            assert alice.get("/console/suggest/", {"of": "resources", "q": "mcp"}).status_code == 200
        return len(captured)

    cost()
    few = cost()
    Client.objects.bulk_create([Client(client_id=f"many-{i}") for i in range(200)])
    User.objects.bulk_create([User(username=f"many-{i}") for i in range(200)])
    another("Travel", *(f"https://mcp-{i}.travel.example/" for i in range(200)))
    cost()

    assert cost() == few <= 40
