"""Adding an agent by what it is: the short forms, what they fill in, and the page that connects it."""

import re
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.models import AuditEvent, Client, Rule
from tests.console.conftest import Page
from tests.console.test_agents import terms
from tests.support.world import NOTES, World, basic_header, hidden_fields, submit

pytestmark = pytest.mark.any_database

SCRIPT = {"name": "Nightly sync", "token_endpoint_auth_method": "client_secret_basic", "server": NOTES}
APP = {
    "name": "Notes for the desktop",
    "token_endpoint_auth_method": "none",
    "redirect_uris": "http://127.0.0.1/callback",
    "server": NOTES,
}


def page_of(kind: str) -> str:
    return reverse("admin:add_agent_as", args=[kind])


def added(browser: Browser, kind: str, form: dict[str, Any]) -> Any:
    return browser.post(page_of(kind), hidden_fields(browser.get(page_of(kind))) | form, follow=True)


def test_a_script_gets_its_secret_once_with_lines_to_copy(signed_in: Page) -> None:
    browser = signed_in("administrator")
    page = added(browser, "script", {**SCRIPT, "owner": "charlie"}).content.decode()

    agent = Client.objects.get(name="Nightly sync")
    assert (agent.status, agent.owner.username, agent.grant_types) == ("pending", "charlie", ["client_credentials"])
    found = re.search(r"OAUTH_CLIENT_SECRET=(\S+)", page)
    assert found and agent.has_secret(found[1])
    assert f"{agent.client_id}:{found[1]}" in page
    later = browser.get(reverse("admin:authz_client_connect", args=[agent.pk])).content.decode()
    assert found[1] not in later
    assert agent.client_id in later
    assert [*AuditEvent.objects.filter(event="agent:secret:made").values_list("client_id", flat=True)] == [
        agent.client_id
    ]


def test_the_next_steps_lead_to_a_first_token(signed_in: Page, gatehouse: World) -> None:
    browser = signed_in("administrator")
    page = added(browser, "script", {**SCRIPT, "owner": "charlie"}).content.decode()
    agent = Client.objects.get(name="Nightly sync")
    secret = re.findall(r"OAUTH_CLIENT_SECRET=(\S+)", page)[0]
    rule_form = re.findall(r'href="(/console/authz/rule/add/[^"]+)"', page)[0].replace("&amp;", "&")

    submit(browser, reverse("admin:authz_client_switch", args=[agent.pk, "approved"]), terms())
    form = browser.get(rule_form).context["adminform"].form
    filled = {
        name: form.initial[name] for name in ("name", "clients", "grant_types", "acts_for", "resources", "scopes")
    }
    saved = browser.post(rule_form, filled | {"effect": "allow", "enabled": "on"})

    assert saved.status_code == 302, saved.content
    assert Rule.objects.get(name="Nightly sync uses Notes").definition["clients"] == [agent.client_id]
    answer = gatehouse.post(
        "token",
        {"grant_type": "client_credentials", "resource": NOTES},
        authorization=basic_header(agent.client_id, secret),
    )
    assert answer.status_code == 200, answer.content


def test_a_form_that_is_sent_twice_registers_one_agent(signed_in: Page) -> None:
    browser = signed_in("administrator")
    form = hidden_fields(browser.get(page_of("script"))) | SCRIPT

    browser.post(page_of("script"), form)
    again = browser.post(page_of("script"), form)

    assert "already exists" in again.content.decode()
    assert Client.objects.filter(name="Nightly sync").count() == 1


def test_an_app_has_its_grants_and_no_secret(signed_in: Page) -> None:
    page = added(signed_in("administrator"), "app", APP).content.decode()

    agent = Client.objects.get(name=APP["name"])
    assert agent.grant_types == ["authorization_code", "refresh_token"]
    assert (agent.token_endpoint_auth_method, agent.secret_digest) == ("none", "")
    assert "OAUTH_REDIRECT_URI=http://127.0.0.1/callback" in page
    assert "OAUTH_CLIENT_SECRET" not in page


def test_a_developers_agent_is_their_own_and_waits(signed_in: Page) -> None:
    page = added(signed_in("developer"), "script", {**SCRIPT, "owner": "charlie"}).content.decode()

    agent = Client.objects.get(name="Nightly sync")
    assert (agent.owner.username, agent.status) == ("erin", "pending")
    assert "/console/authz/rule/add/" not in page
    assert "Approve it" not in page


@pytest.mark.parametrize(("kind", "change", "told"), [
    ("script", {"token_endpoint_auth_method": "private_key_jwt"}, "private_key_jwt needs either keys or a JWKS URL."),
    ("script", {"token_endpoint_auth_method": "none"}, "Select a valid choice."),
    ("script", {"name": ""}, "This field is required."),
    ("script", {"server": "https://nothing.example.com/mcp"}, "Select a valid choice."),
    ("script", {"client_id": "https://notes.example.com/agent"}, "only."),
    ("script", {"client_id": "nightly-report"}, "already exists"),
    ("app", {"redirect_uris": ""}, "The authorization code grant needs at least one."),
    ("app", {"redirect_uris": "http://notes.example.com/callback"}, "http://notes.example.com/callback: "),
    ("app", {"owner": "nothing"}, "No person has this user name."),
])  # fmt: skip
def test_the_short_form_refuses_what_the_whole_form_refuses(
    signed_in: Page, kind: str, change: dict[str, str], told: str
) -> None:
    before = Client.objects.count()
    page = added(signed_in("administrator"), kind, (SCRIPT if kind == "script" else APP) | change).content.decode()

    assert told in page
    assert Client.objects.count() == before


@pytest.mark.parametrize("role", ["approver", "auditor"])
@pytest.mark.parametrize("path", ["/console/authz/client/new/", "/console/authz/client/new/script/"])
def test_who_may_not_add_agents_is_refused(signed_in: Page, role: str, path: str) -> None:
    assert signed_in(role).get(path).status_code == 403


def test_a_kind_that_is_not_offered_has_no_page(signed_in: Page) -> None:
    assert signed_in("administrator").get(page_of("teapot")).status_code == 404
