"""For everybody who signs in: what acts for me, and ending it."""

from urllib.parse import urlencode

from django.test import Client as Browser

from authz.models import AuditEvent, Authorization, Consent, Rule
from tests.support.world import NOTES, PAYROLL, World, client, person, redirect_parameters


def sign_in(username: str) -> Browser:
    browser = Browser()
    browser.force_login(person(username), backend="authz.sign_in.password_backend.PasswordBackend")
    return browser


def test_a_stranger_signs_in_first(gatehouse: World) -> None:
    assert gatehouse.browser.get("/account/")["Location"] == "/accounts/login/?next=/account/"


def test_it_shows_only_the_persons_own_agents(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()

    mine = sign_in("bob").get("/account/").content.decode()
    theirs = sign_in("charlie").get("/account/").content.decode()

    assert "Desktop app" in mine
    assert "Read notes" in mine
    assert "Desktop app" not in theirs
    assert "No agent acts for you" in theirs


def test_ending_it_ends_the_tokens_and_it_must_ask_again(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens()
    agent = client("desktop-app")
    browser = sign_in("bob")

    assert "End access?" in browser.get(f"/account/agents/{agent.pk}/end/").content.decode()
    assert gatehouse.introspect(tokens["access_token"])["active"] is True
    browser.post(f"/account/agents/{agent.pk}/end/")

    assert gatehouse.introspect(tokens["access_token"]) == {"active": False}
    assert gatehouse.refresh(tokens["refresh_token"]).status_code == 400
    assert not Consent.objects.filter(user=person("bob")).exists()
    assert AuditEvent.objects.filter(event="token:authorization:revoked").count() == 1
    assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 200


def test_it_ends_at_one_server_and_goes_on_at_the_other(gatehouse: World) -> None:
    rule = Rule.objects.get(name="Engineers use agents on Notes")
    rule.definition = rule.definition | {"resources": [NOTES, PAYROLL], "scopes": ["*"]}
    rule.save()
    notes = gatehouse.signed_in_tokens()
    payroll = gatehouse.signed_in_tokens(resource=PAYROLL, scope=None)
    browser, at_notes = (
        sign_in("bob"),
        f"/account/agents/{client('desktop-app').pk}/end/?{urlencode({'server': NOTES})}",
    )

    assert at_notes.partition("?")[2] in browser.get("/account/").content.decode()
    assert "<bdi>Notes</bdi>" in browser.get(at_notes).content.decode()
    browser.post(at_notes)

    assert gatehouse.refresh(notes["refresh_token"]).status_code == 400
    assert gatehouse.refresh(payroll["refresh_token"]).status_code == 200
    assert [row.resource.identifier for row in Consent.objects.filter(user=person("bob")) if row.resource] == [PAYROLL]
    assert AuditEvent.objects.get(event="authorize:consent:withdrawn").resource == NOTES


def test_a_server_that_there_is_not_ends_nothing(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()
    answer = sign_in("bob").post(f"/account/agents/{client('desktop-app').pk}/end/?server=nothing")
    assert answer.status_code == 404
    assert Authorization.objects.get(user=person("bob")).revoked is None


def test_a_person_cannot_end_another_persons_authorizations(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()

    sign_in("charlie").post(f"/account/agents/{client('desktop-app').pk}/end/")

    assert Authorization.objects.get(user=person("bob")).revoked is None
    assert Consent.objects.filter(user=person("bob")).exists()


def test_ending_needs_the_forms_token(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(person("bob"), backend="authz.sign_in.password_backend.PasswordBackend")

    response = browser.post(f"/account/agents/{client('desktop-app').pk}/end/")

    assert response.status_code == 403
    assert "This form is too old" in response.content.decode()
    assert Authorization.objects.get(user=person("bob")).revoked is None


def test_remembered_consent_asks_nothing_until_it_is_ended(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()

    again = gatehouse.browser.get(gatehouse.authorize_url())

    assert "code" in redirect_parameters(again)
