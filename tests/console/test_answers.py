"""What a developer sees of the answers to their own agents, and that it is nothing of the agents of others."""

from urllib.parse import urlsplit

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.models import AccessRequest, AuditEvent, Client, Rule, User
from tests.console.conftest import Page
from tests.support.world import NOTES, SECRET, World, client

CLIENT_CREDENTIALS = "client_credentials"


@pytest.fixture
def developer(gatehouse: World, signed_in: Page) -> Browser:
    """Erin, who owns nightly-report."""
    browser = signed_in("developer")
    Client.objects.filter(client_id="nightly-report").update(owner=User.objects.get(username="erin"))
    return browser


def refused(world: World, agent: str = "nightly-report", secret: str = SECRET, **params: str) -> dict[str, str]:
    answer = world.token(basic=(agent, secret), grant_type=CLIENT_CREDENTIALS, **params)
    assert answer.status_code >= 400, answer.content
    return answer.json() | {"request": answer["X-Request-Id"]}


def path_of(said: dict[str, str]) -> str:
    parts = urlsplit(said.get("error_uri", f"/console/find/?q={said['request']}"))
    return f"{parts.path}?{parts.query}"


def test_the_error_answer_leads_a_developer_to_the_reason_and_the_remedy(gatehouse: World, developer: Browser) -> None:
    said = refused(gatehouse, scope="mcp:nothing")

    page = developer.get(path_of(said), follow=True)

    event = AuditEvent.objects.get(request_id=said["request"])
    assert page.redirect_chain[-1][0] == reverse("admin:answer", args=[event.pk])
    assert event.reason in page.content.decode()


@pytest.mark.parametrize("attempt", [
    {"agent": "web-app"},
    {"agent": "nobody-knows-it"},
])  # fmt: skip
def test_the_reference_of_another_agent_finds_nothing(
    gatehouse: World, developer: Browser, attempt: dict[str, str]
) -> None:
    said = refused(gatehouse, **attempt)
    event = AuditEvent.objects.get(request_id=said["request"])

    page = developer.get(path_of(said))

    assert page.status_code == 200
    assert "/console/answers/" not in page.content.decode()
    assert developer.get(reverse("admin:answer", args=[event.pk])).status_code == 404


def test_a_stranger_with_a_reference_is_sent_to_sign_in(gatehouse: World) -> None:
    said = refused(gatehouse, scope="mcp:nothing")
    assert "/console/login/" in Browser().get(path_of(said))["Location"]


def test_the_reference_says_nothing_that_the_answer_did_not(gatehouse: World) -> None:
    """Right and wrong client ids get one answer, to the byte; the reference is in a header alone."""
    known, unknown = refused(gatehouse, secret="wrong"), refused(gatehouse, agent="nobody-knows-it", secret="wrong")
    assert known.pop("request") != unknown.pop("request")
    assert known == unknown == {"error": "invalid_client", "error_description": "Client authentication failed."}


def test_an_agent_s_page_shows_its_owner_the_last_answers(gatehouse: World, developer: Browser) -> None:
    gatehouse.machine_token()
    refused(gatehouse, scope="mcp:nothing")

    page = developer.get(reverse("admin:authz_client_change", args=[client("nightly-report").pk])).content.decode()

    answers = page.partition('id="answers"')[2].partition("</section>")[0]
    assert answers.index("Token refused") < answers.index("Token issued")
    assert "scope unknown" in answers


def test_an_answer_says_nothing_of_the_person_and_the_address(gatehouse: World, developer: Browser) -> None:
    gatehouse.signed_in_tokens()
    Client.objects.filter(client_id="desktop-app").update(owner=User.objects.get(username="erin"))
    event = AuditEvent.objects.filter(client_id="desktop-app", event="token:access:issued").latest("id")
    assert (event.subject, event.address) != ("", "")

    page = developer.get(reverse("admin:answer", args=[event.pk])).content.decode()

    assert event.subject not in page
    assert f">{event.address}<" not in page
    assert "bob" not in page


# --- The simulator


def simulated(browser: Browser, **changes: str) -> str:
    asked = {"client_id": "nightly-report", "resource": NOTES, "grant_type": CLIENT_CREDENTIALS, "scope": "mcp:read"}
    return browser.get(reverse("admin:simulator"), asked | changes).content.decode()


def test_a_developer_simulates_their_own_agent_without_reading_rules(gatehouse: World, developer: Browser) -> None:
    page = simulated(developer)
    assert "<h2>Allowed</h2>" in page
    assert not [rule.name for rule in Rule.objects.all() if rule.name in page]


def test_a_link_that_knows_the_agent_alone_fills_in_the_form(gatehouse: World, developer: Browser) -> None:
    page = developer.get(reverse("admin:simulator"), {"client_id": "nightly-report", "resource": NOTES})
    assert 'value="nightly-report"' in page.content.decode()
    assert b"This field is required." not in page.content


@pytest.mark.parametrize(("changes", "answer"), [
    ({"client_id": "desktop-app"}, "No agent of yours has this client_id."),
    ({"client_id": "nobody-knows-it"}, "No agent of yours has this client_id."),
    ({"username": "bob"}, "You can try it for yourself only."),
    ({"username": "nobody"}, "You can try it for yourself only."),
])  # fmt: skip
def test_a_developer_learns_nothing_of_other_agents_and_people(
    gatehouse: World, developer: Browser, changes: dict[str, str], answer: str
) -> None:
    page = simulated(developer, **changes)
    assert answer in page
    assert 'class="decision' not in page


# --- Asking for what was refused


def test_an_answer_leads_to_a_form_that_asks_for_what_was_refused(gatehouse: World, developer: Browser) -> None:
    said = refused(gatehouse, scope="mcp:write", resource=NOTES)
    page = developer.get(path_of(said), follow=True)
    assert page.context["ask"]

    form = developer.get(page.context["ask"]).context["form"]

    assert (form["resource"].value(), form["acts_for"].value()) == (NOTES, "agent")
    answer = developer.post(
        page.context["ask"],
        {"resource": NOTES, "scopes": "mcp:write", "acts_for": "agent", "reason": "It tidies up at night."},
    )
    assert answer.status_code == 302
    asked = AccessRequest.objects.get()
    assert (asked.needs_rule, asked.scopes, asked.reason) == (True, ["mcp:write"], "It tidies up at night.")


@pytest.mark.parametrize("query", ["resource=https://elsewhere.example/", "scopes=" + "x" * 2000, "acts_for=root"])
def test_a_made_up_address_fills_in_nothing_that_is_taken(gatehouse: World, developer: Browser, query: str) -> None:
    address = f"/console/authz/client/{client('nightly-report').pk}/ask/?{query}"
    assert developer.get(address).status_code == 200
    assert not AccessRequest.objects.exists()
