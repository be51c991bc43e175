"""Attack 31: between the page and its button something changes. What was shown is given, or nothing is."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.test import override_settings

from authz.models import AccessRequest, AuditEvent, AuthorizationCode, Consent, Notification, ProtectedResource, Rule
from authz.models import Client as Agent
from tests.support import world
from tests.support.world import LOOPBACK_REDIRECT, NOTES, PAYROLL, World

DESKTOP = Agent.objects.filter(client_id="desktop-app")
ALL = "mcp:read mcp:write"


def nothing_was_given() -> bool:
    return not Consent.objects.exists() and not AuthorizationCode.objects.exists()


def widen_document() -> None:
    """As `cimd.admission` and `PUT /register` leave the row of an agent that has changed what it says."""
    DESKTOP.update(metadata_digest="of another document", consent_digest="another")


def narrow_rules() -> None:
    Rule.objects.create(
        name="No writes",
        effect="deny",
        definition={
            "clients": ["*"],
            "groups": ["*"],
            "grant_types": ["*"],
            "resources": [NOTES],
            "scopes": ["mcp:write"],
        },
    )


def redescribe_scope() -> None:
    resource = ProtectedResource.objects.get(identifier=NOTES)
    resource.scopes.filter(name="mcp:read").update(description="Read a single note")


def widen_scopes() -> None:
    """A rule, or a registration, that allows more of the request than the page showed."""
    Rule.objects.filter(name="No writes").delete()


@pytest.mark.parametrize(
    "change",
    [
        widen_document,
        narrow_rules,
        redescribe_scope,
        lambda: DESKTOP.update(name="Payroll"),
        lambda: DESKTOP.update(redirect_uris=f"{world.REDIRECT}\nhttps://elsewhere.example/callback"),
        lambda: DESKTOP.update(grant_types=["authorization_code"]),
        lambda: DESKTOP.update(client_jwks_uri="https://elsewhere.example/jwks"),
        lambda: DESKTOP.update(scope=["mcp:read"]),
        lambda: DESKTOP.update(token_endpoint_auth_method="client_secret_post"),
        lambda: ProtectedResource.objects.filter(identifier=NOTES).update(name="Other notes"),
    ],
)
def test_a_changed_page_is_shown_again(gatehouse: World, change: Callable[[], Any]) -> None:
    gatehouse.sign_in("bob")
    url = gatehouse.authorize_url(scope=ALL)
    page = gatehouse.browser.get(url)
    change()
    again = gatehouse.press(url, page, allow="true")
    assert again.status_code == 200
    assert b"Nothing was allowed." in again.content
    assert nothing_was_given()
    event = AuditEvent.objects.get(event="authorize:request:refused")
    assert (event.reason, event.client_id) == ("consent_not_as_shown", "desktop-app")
    # The page that is shown now gives what it shows.
    assert "code" in world.redirect_parameters(gatehouse.press(url, again, allow="true"))


def test_a_rule_that_gives_more_than_the_page_said(gatehouse: World) -> None:
    gatehouse.sign_in("bob")
    narrow_rules()
    url = gatehouse.authorize_url(scope=ALL)
    page = gatehouse.browser.get(url)
    assert b"Change notes" not in page.content
    widen_scopes()
    assert b"Change notes" in gatehouse.press(url, page, allow="true").content
    assert nothing_was_given()


OTHERS: list[dict[str, Any]] = [
    {"scope": ALL},
    {"state": "another"},
    {"nonce": "another"},
    {"code_challenge": "a" * 43},
    {"redirect_uri": LOOPBACK_REDIRECT},
    {"client_id": "web-app"},
    {"resource": None},
    {"scope": "openid mcp:read"},
    {"login_hint": "bob"},
]


@pytest.mark.parametrize("other", OTHERS)
def test_one_requests_form_allows_no_other_request(gatehouse: World, other: dict[str, Any]) -> None:
    """The form posts to its own address, and a page elsewhere may have opened another request in the same browser."""
    gatehouse.sign_in("bob")
    page = gatehouse.browser.get(gatehouse.authorize_url(scope="mcp:read"))
    answer = gatehouse.press(gatehouse.authorize_url(**{"scope": "mcp:read", **other}), page, allow="true")
    assert answer.status_code == 200
    assert nothing_was_given()


@pytest.mark.parametrize("shown", [None, "", "x", "0" * 64, "é", "0" * 100_000])
def test_a_form_that_we_did_not_draw_allows_nothing(gatehouse: World, shown: str | None) -> None:
    gatehouse.sign_in("bob")
    form = {"allow": "true"} if shown is None else {"allow": "true", "shown": shown}
    assert gatehouse.browser.post(gatehouse.authorize_url(), form).status_code == 200
    assert nothing_was_given()


def test_a_form_is_one_persons_in_one_session(gatehouse: World) -> None:
    gatehouse.sign_in("bob")
    url = gatehouse.authorize_url()
    page = gatehouse.browser.get(url)
    elsewhere, alice = World(), World()
    elsewhere.sign_in("bob")
    alice.sign_in("alice")
    for other in (elsewhere, alice):
        assert other.press(url, page, allow="true").status_code == 200
    assert nothing_was_given()


def test_denying_needs_no_matching_page(gatehouse: World) -> None:
    gatehouse.sign_in("bob")
    url = gatehouse.authorize_url()
    page = gatehouse.browser.get(url)
    widen_document()
    assert world.redirect_parameters(gatehouse.press(url, page, deny="true"))["error"] == "access_denied"


def test_a_form_outlives_a_change_of_the_secret(gatehouse: World) -> None:
    gatehouse.sign_in("bob")
    url = gatehouse.authorize_url()
    page = gatehouse.browser.get(url)
    # Sessions of the old secret are read while it is a fallback, too.
    with override_settings(
        SECRET_KEY="another-secret-0123456789-0123456789", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]
    ):
        assert "code" in world.redirect_parameters(gatehouse.press(url, page, allow="true"))


class TestRemembered:
    """RFC 8252 §8.6: nothing proves who a public client is that is answered on the person's own machine."""

    @pytest.mark.parametrize(
        ("client", "redirect_uri", "asks_again"),
        [
            ("desktop-app", world.REDIRECT, False),
            ("desktop-app", LOOPBACK_REDIRECT, True),
            ("desktop-app", "http://127.0.0.1:5123/callback", True),
            ("desktop-app", "http://localhost/callback", True),
            ("desktop-app", "com.example.app:/callback", True),
            ("web-app", world.REDIRECT, False),
            ("web-app", LOOPBACK_REDIRECT, False),
        ],
    )
    def test_who_is_asked_again(self, gatehouse: World, client: str, redirect_uri: str, asks_again: bool) -> None:
        row = Agent.objects.get(client_id=client)
        row.redirect_uris = "\n".join(
            (world.REDIRECT, LOOPBACK_REDIRECT, "http://localhost/callback", "com.example.app:/callback")
        )
        row.save()
        given = {"client_id": client, "redirect_uri": redirect_uri}
        assert "code" in gatehouse.authorize(**given)
        again = gatehouse.browser.get(gatehouse.authorize_url(**given))
        assert (again.status_code == 200) is asks_again
        silent = world.redirect_parameters(gatehouse.browser.get(gatehouse.authorize_url(**given, prompt="none")))
        assert (silent.get("error") == "consent_required") is asks_again


class TestAsking:
    """A page elsewhere sends a person's browser to GET /authorize: approvers are not asked in the person's name."""

    @pytest.fixture
    def waits(self, gatehouse: World) -> World:
        definition = {"clients": ["*"], "groups": ["*"], "grant_types": ["*"], "resources": [NOTES, PAYROLL]}
        Rule.objects.create(name="Ask first", effect="require_approval", definition={**definition, "scopes": ["*"]})
        gatehouse.sign_in("bob")
        return gatehouse

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"scope": "mcp:write"},
            {"scope": ALL},
            {"resource": PAYROLL, "scope": "payroll:read"},
            {"prompt": "consent"},
            {"ask": "true", "reason": "Because."},
            {"client_id": "web-app"},
        ],
    )
    def test_get_opens_no_access_request(self, waits: World, changes: dict[str, str]) -> None:
        for _ in range(2):
            page = waits.browser.get(waits.authorize_url(**changes))
            assert page.status_code == 403
            assert b"Ask for access" in page.content
        assert not AccessRequest.objects.exists()
        assert not Notification.objects.exists()

    def test_get_for_a_waiting_agent_notifies_no_one(self, gatehouse: World) -> None:
        DESKTOP.update(status="pending")
        gatehouse.sign_in("bob")
        assert b"Ask for access" in gatehouse.browser.get(gatehouse.authorize_url()).content
        assert not Notification.objects.exists()
        gatehouse.ask()
        assert Notification.objects.get().recipient == world.person("alice")

    @pytest.mark.parametrize("pending", [False, True])
    def test_the_button_needs_the_pages_own_token(self, waits: World, pending: bool) -> None:
        if pending:
            DESKTOP.update(status="pending")
        url = waits.authorize_url()
        form = world.hidden_fields(waits.browser.get(url)) | {"ask": "true"}
        strict = Browser(enforce_csrf_checks=True)
        strict.cookies = waits.browser.cookies
        del form["csrfmiddlewaretoken"]
        assert strict.post(url, form).status_code == 403
        assert not AccessRequest.objects.exists()
        assert not Notification.objects.exists()

    def test_the_button_asks_with_a_reason_and_the_page_then_shows_it(self, waits: World) -> None:
        url = waits.authorize_url()
        assert waits.press(url, ask="true", reason="The board wants notes.")["Location"] == url
        row = AccessRequest.objects.get()
        assert (row.user, row.scopes, row.reason) == (world.person("bob"), ["mcp:read"], "The board wants notes.")
        shown = waits.browser.get(url)
        assert shown.status_code == 403
        assert str(row.pk) in shown.content.decode()
        assert b"Ask for access" not in shown.content

    def test_looking_at_what_waits_changes_nothing_of_it(self, waits: World) -> None:
        waits.ask()
        before = AccessRequest.objects.values().get()
        waits.browser.get(waits.authorize_url())
        assert AccessRequest.objects.values().get() == before

    @pytest.mark.parametrize(
        "change",
        [
            lambda: DESKTOP.update(name="Payroll"),
            widen_document,
            lambda: DESKTOP.update(redirect_uris=f"{world.REDIRECT}\nhttps://elsewhere.example/callback"),
            lambda: DESKTOP.update(scope=["mcp:read"]),
        ],
    )
    def test_a_changed_request_is_not_opened(self, waits: World, change: Callable[[], Any]) -> None:
        url = waits.authorize_url(scope=ALL)
        page = waits.browser.get(url)
        change()
        again = waits.press(url, page, ask="true")
        assert again.status_code == 403
        assert b"Nothing was asked for." in again.content
        assert not AccessRequest.objects.exists()

    def test_one_requests_button_asks_for_no_other(self, waits: World) -> None:
        page = waits.browser.get(waits.authorize_url())
        waits.press(waits.authorize_url(scope=ALL), page, ask="true")
        waits.press(waits.authorize_url(resource=PAYROLL, scope="payroll:read"), page, ask="true")
        assert not AccessRequest.objects.exists()

    def test_scopes_allowed_meanwhile_need_consent_on_a_new_page(self, waits: World) -> None:
        url = waits.authorize_url()
        page = waits.browser.get(url)
        Rule.objects.filter(name="Ask first").delete()
        assert waits.press(url, page, ask="true")["Location"] == url
        assert nothing_was_given()
        assert waits.browser.get(url).status_code == 200
