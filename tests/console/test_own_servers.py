"""The owner of an MCP server, who has no role: sees who reaches it and what was refused, and words what people read."""

import json
from typing import Any

import pytest
from django.test import Client as Browser

from authz.configuration import apply
from authz.configuration.resources import as_item, rows
from authz.models import AuditEvent, ProtectedResource, Scope, User
from tests.support.world import NOTES, PAYROLL, World, hidden_fields, person

LIST = "/account/servers/"


def server(identifier: str = NOTES) -> ProtectedResource:
    return ProtectedResource.objects.get(identifier=identifier)


def own(identifier: str, *names: str) -> str:
    """The address of its page for its owners."""
    apply(json.dumps({"resources": [as_item(rows().get(identifier=identifier)) | {"owners": list(names)}]}))
    return f"{LIST}{server(identifier).pk}/"


@pytest.fixture
def charlie(gatehouse: World) -> Browser:
    """Signed in, without a role."""
    gatehouse.sign_in("charlie")
    return gatehouse.browser


def words(browser: Browser, address: str, **changes: str) -> Any:
    form = browser.get(address).context["form"]
    return browser.post(address, {name: form[name].value() for name in form.fields} | changes)


def test_an_owner_sees_their_servers_and_no_other(gatehouse: World, charlie: Browser) -> None:
    own(NOTES, "charlie")

    page = charlie.get(LIST).content.decode()

    assert NOTES in page and PAYROLL not in page
    assert LIST in charlie.get("/account/").content.decode()


def test_without_a_server_the_page_says_so(gatehouse: World, charlie: Browser) -> None:
    assert "You own no MCP server" in charlie.get(LIST).content.decode()
    assert LIST not in charlie.get("/account/").content.decode()


@pytest.mark.parametrize("username", ["bob", "alice"])
def test_another_person_does_not_learn_that_it_exists(gatehouse: World, username: str) -> None:
    """Administrators neither: they have the console."""
    address = own(NOTES, "charlie")
    gatehouse.sign_in(username)

    assert gatehouse.browser.get(address).status_code == 404
    assert gatehouse.browser.post(address, {"name": "Stolen"}).status_code == 404
    assert server().name == "Notes"


def test_a_stranger_is_sent_to_sign_in(gatehouse: World) -> None:
    address = own(NOTES, "charlie")
    assert gatehouse.browser.get(address)["Location"].startswith("/accounts/login/")


def test_who_was_an_owner_no_longer_is(gatehouse: World, charlie: Browser) -> None:
    address = own(NOTES, "charlie")
    own(NOTES, "bob")
    assert charlie.get(address).status_code == 404
    assert charlie.post(address, {"name": "Mine"}).status_code == 404


def test_it_shows_who_reaches_it_for_how_many_and_when_last(gatehouse: World) -> None:
    address = own(NOTES, "charlie")
    gatehouse.signed_in_tokens()
    gatehouse.machine_token()
    gatehouse.browser = Browser()
    gatehouse.sign_in("charlie")

    agents = {agent.client_id: agent for agent in gatehouse.browser.get(address).context["agents"]}

    assert [part.subject for part in agents["nightly-report"].parts] == ["itself"]
    assert agents["nightly-report"].last is not None
    assert "group engineering" in [part.subject for part in agents["desktop-app"].parts]
    assert len(agents["desktop-app"].people) == 1
    assert agents["web-app"].last is None
    assert "pending-agent" not in agents


def test_it_shows_what_was_refused_there_and_not_for_which_person(gatehouse: World) -> None:
    address = own(NOTES, "bob")
    assert gatehouse.authorize(username="charlie")["error"] == "access_denied"
    gatehouse.browser = Browser()
    gatehouse.sign_in("bob")

    page = gatehouse.browser.get(address)

    assert [event.client_id for event, _ in page.context["refusals"]] == ["desktop-app"]
    assert "charlie" not in page.content.decode()


def test_an_owner_words_the_scopes_and_the_name(gatehouse: World, charlie: Browser) -> None:
    address = own(NOTES, "charlie")
    scope = Scope.objects.get(resource=server(), name="mcp:read")

    answer = words(charlie, address, **{f"scope-{scope.pk}": "Read every note", "name": "Team notes"})

    assert answer.status_code == 302
    scope.refresh_from_db()
    assert (scope.description, server().name) == ("Read every note", "Team notes")
    event = AuditEvent.objects.filter(event="configuration:object:changed").latest("id")
    assert event.subject == str(person("charlie").subject)
    assert event.detail["words"] == {"mcp:read": ["Read notes", "Read every note"], "name": ["Notes", "Team notes"]}


def test_saving_what_is_there_changes_and_records_nothing(gatehouse: World, charlie: Browser) -> None:
    address = own(NOTES, "charlie")
    before = AuditEvent.objects.count()
    words(charlie, address)
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize(
    "forged",
    [
        {"identifier": "https://evil.example/mcp"},
        {"owner": "charlie", "owners": "charlie"},
        {"is_active": "", "is_default": "on"},
        {"access_token_lifetime": "86400", "access_token_signing_alg": "ES256"},
        {"introspection_clients": "posting-agent"},
        {"approvers": "user:charlie"},
        {"sensitivity": "low", "scopes-0-sensitivity": "low", "scopes-0-name": "mcp:admin"},
    ],
)
def test_an_owner_changes_nothing_but_words(gatehouse: World, charlie: Browser, forged: dict[str, str]) -> None:
    """Mass assignment: fields of other forms, sent along."""
    address = own(NOTES, "charlie")
    before = as_item(rows().get(identifier=NOTES))

    words(charlie, address, **forged)

    assert as_item(rows().get(identifier=NOTES)) == before


def test_an_owner_words_no_scope_of_another_server(gatehouse: World, charlie: Browser) -> None:
    address = own(NOTES, "charlie")
    other = Scope.objects.get(resource=server(PAYROLL))

    words(charlie, address, **{f"scope-{other.pk}": "Harmless"})

    other.refresh_from_db()
    assert other.description == "Read the payroll"


def test_another_site_words_nothing(gatehouse: World) -> None:
    address = own(NOTES, "charlie")
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(person("charlie"), backend="authz.sign_in.password_backend.PasswordBackend")

    assert browser.post(address, {"name": "Forged"}).status_code == 403
    assert server().name == "Notes"


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_name_of_no_use_is_refused(gatehouse: World, charlie: Browser, name: str) -> None:
    address = own(NOTES, "charlie")
    assert words(charlie, address, name=name).status_code == 200
    assert server().name == "Notes"


def test_an_owner_has_no_more_of_the_console_than_before(gatehouse: World, charlie: Browser) -> None:
    own(NOTES, "charlie")
    for path in ("/console/", f"/console/authz/protectedresource/{server().pk}/change/", "/console/reach/matrix/"):
        answer = charlie.get(path, follow=True)
        assert answer.status_code == 403, path


def test_a_403_about_a_server_names_its_owners(gatehouse: World) -> None:
    own(NOTES, "bob")
    erin = User.objects.create(username="erin", role="developer")
    browser = Browser()
    browser.force_login(erin, backend="authz.sign_in.password_backend.PasswordBackend")

    about = browser.get("/console/reach/", {"resource": NOTES})
    other = browser.get("/console/reach/")

    assert about.status_code == other.status_code == 403
    assert "<bdi>bob</bdi> answers for the MCP server" in about.content.decode()
    assert "answers for the MCP server" not in other.content.decode()


def test_its_form_has_the_token_of_the_session(gatehouse: World, charlie: Browser) -> None:
    assert "csrfmiddlewaretoken" in hidden_fields(charlie.get(own(NOTES, "charlie")))
