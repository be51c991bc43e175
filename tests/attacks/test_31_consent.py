"""Attack 31: consent given by another site, under another page, twice, or for something else than was shown."""

from urllib.parse import urlencode

import pytest
from django.test import Client as Browser

from authz.models import AuditEvent, Authorization, AuthorizationCode, Consent
from tests.support import world
from tests.support.races import at_once
from tests.support.world import World


@pytest.fixture
def guarded(gatehouse: World) -> World:
    """Bob is signed in, with CSRF checks as in production."""
    gatehouse.browser = Browser(enforce_csrf_checks=True)
    token = gatehouse.browser.get("/accounts/login/").cookies["gatehouse-csrf"].value
    response = gatehouse.browser.post(
        "/accounts/login/", {"login": "bob", "password": "bob-password", "csrfmiddlewaretoken": token}
    )
    assert response.status_code == 302
    return gatehouse


class TestForgery:
    def test_another_site_cannot_consent(self, guarded: World) -> None:
        response = guarded.browser.post(guarded.authorize_url(), {"allow": "true"})
        assert response.status_code == 403
        assert Consent.objects.count() == AuthorizationCode.objects.count() == 0

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999"])
    def test_not_even_with_a_token_it_has_guessed(self, guarded: World, origin: str) -> None:
        token = guarded.browser.cookies["gatehouse-csrf"].value
        response = guarded.browser.post(
            guarded.authorize_url(), {"allow": "true", "csrfmiddlewaretoken": token}, headers={"origin": origin}
        )
        assert response.status_code == 403
        assert AuthorizationCode.objects.count() == 0

    def test_the_page_itself_can(self, guarded: World) -> None:
        page = guarded.browser.get(guarded.authorize_url())
        assert page.status_code == 200
        token = guarded.browser.cookies["gatehouse-csrf"].value
        form = world.hidden_fields(page) | {"allow": "true", "csrfmiddlewaretoken": token}
        response = guarded.browser.post(guarded.authorize_url(), form)
        assert world.redirect_parameters(response)["code"]

    def test_a_link_consents_to_nothing(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        for more in ("&allow=true", "&allow=true&csrfmiddlewaretoken=x", "&consent=granted", "&prompt=none"):
            response = gatehouse.browser.get(gatehouse.authorize_url() + more)
            assert "code=" not in response.get("Location", "")
        assert Consent.objects.count() == AuthorizationCode.objects.count() == 0

    def test_looking_changes_nothing(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        before = AuditEvent.objects.count()
        for _ in range(3):
            assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 200
        assert AuditEvent.objects.count() == before
        assert Consent.objects.count() == AuthorizationCode.objects.count() == 0

    def test_the_session_cookie_stays_out_of_scripts_and_other_sites(self, guarded: World) -> None:
        cookie = guarded.browser.cookies["gatehouse-session"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"

    def test_machine_endpoints_take_no_cookies(self, guarded: World) -> None:
        guarded.browser.get(guarded.authorize_url())
        assert guarded.post("token", {"grant_type": "client_credentials"}).status_code == 401


class TestFraming:
    def test_no_page_can_be_framed(self, gatehouse: World) -> None:
        pages = [
            gatehouse.browser.get(gatehouse.authorize_url(client_id="nobody")),
            gatehouse.browser.get("/accounts/login/"),
        ]
        gatehouse.sign_in("bob")
        pages.append(gatehouse.browser.get(gatehouse.authorize_url()))
        for page in pages:
            assert page["X-Frame-Options"] == "DENY"
            assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
            assert "unsafe-inline" not in page["Content-Security-Policy"]

    def test_the_consent_form_can_go_to_the_client_and_to_us_only(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        policy = gatehouse.browser.get(gatehouse.authorize_url())["Content-Security-Policy"]
        assert "form-action 'self' https://app.example.com" in policy
        assert "*" not in policy

    def test_the_page_says_who_asks_and_where_the_answer_goes(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        page = gatehouse.browser.get(gatehouse.authorize_url(scope="mcp:write")).content.decode()
        for shown in ("Desktop app", "app.example.com", "Notes", "Change notes"):
            assert shown in page
        assert "Read notes" not in page


class TestTwice:
    def test_a_double_submit_gives_two_codes_of_one_consent_each_good_once(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        url = gatehouse.authorize_url()
        page = gatehouse.browser.get(url)
        codes = [world.redirect_parameters(gatehouse.press(url, page, allow="true"))["code"] for _ in range(2)]
        assert len(set(codes)) == 2
        assert Consent.objects.count() == 1
        assert [gatehouse.redeem(code).status_code for code in codes] == [200, 200]
        assert gatehouse.redeem(codes[0]).status_code == 400

    def test_submits_at_once_never_crash(self, committed_gatehouse: World) -> None:
        committed_gatehouse.sign_in("bob")
        cookies = committed_gatehouse.browser.cookies
        url = committed_gatehouse.authorize_url()
        form = world.hidden_fields(committed_gatehouse.browser.get(url)) | {"allow": "true"}

        def submit() -> int:
            browser = Browser()
            browser.cookies = cookies
            return browser.post(url, form).status_code

        assert set(at_once([submit] * 6)) == {302}
        assert Consent.objects.count() == 1
        assert AuthorizationCode.objects.count() == 6

    def test_changing_ones_mind_later_is_possible(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        url = gatehouse.authorize_url(prompt="consent")
        gatehouse.press(url, allow="true")
        answer = world.redirect_parameters(gatehouse.browser.post(url, {"deny": "true"}))
        assert answer["error"] == "access_denied"
        assert Authorization.objects.count() == 0


class TestSomethingElse:
    def test_hidden_fields_cannot_widen_what_the_url_says(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        hidden = {
            "allow": "true",
            "client_id": "web-app",
            "redirect_uri": "https://evil.example/",
            "resource": world.PAYROLL,
        }
        response = gatehouse.press(gatehouse.authorize_url(scope="mcp:read"), **hidden)
        assert response["Location"].startswith(world.REDIRECT)
        assert AuthorizationCode.objects.get().scopes == ["mcp:read"]
        assert AuthorizationCode.objects.get().client.client_id == "desktop-app"

    def test_the_wrong_person_cannot_use_a_right_ones_consent(self, gatehouse: World) -> None:
        gatehouse.authorize(username="bob")
        gatehouse.browser = Browser()
        gatehouse.sign_in("alice")
        assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 200

    def test_consent_does_not_outlive_the_client_it_was_given_to(self, gatehouse: World) -> None:
        gatehouse.authorize()
        row = world.client("desktop-app")
        row.consent_digest = "changed"
        row.save()
        assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 200

    def test_charlie_cannot_consent_past_the_rules(self, gatehouse: World) -> None:
        gatehouse.sign_in("charlie")
        response = gatehouse.browser.post(gatehouse.authorize_url(), {"allow": "true"})
        assert world.redirect_parameters(response)["error"] == "access_denied"
        assert Consent.objects.count() == AuthorizationCode.objects.count() == 0

    def test_consent_needs_a_sign_in(self, gatehouse: World) -> None:
        response = gatehouse.browser.post(gatehouse.authorize_url(), {"allow": "true"})
        assert response["Location"].startswith("/accounts/login/")
        assert urlencode({"next": "/o/authorize"}, safe="/") in response["Location"]
        assert AuthorizationCode.objects.count() == 0
