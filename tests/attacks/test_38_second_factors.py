"""Attack 38: factors that go stale, are guessed, or are used twice."""

import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth import SESSION_KEY
from django.core.cache import cache
from django.test import Client as Browser

from authz.keys.second_factors import Adapter
from authz.models import AuditEvent
from authz.sign_in import session as sign_in
from tests.attacks.signing_in import TOTP_SECRET
from tests.support.world import World, hidden_fields, person, redirect_parameters


@pytest.fixture
def with_totp(gatehouse: World, settings: Any) -> World:
    settings.MFA_TOTP_TOLERANCE = 1  # so that a test has a second code without waiting for it
    bob = person("bob")
    Authenticator.objects.create(user=bob, type="totp", data={"secret": Adapter().encrypt(TOTP_SECRET)})
    return gatehouse


def code(steps: int = 0) -> str:
    return format_hotp_value(hotp_value(TOTP_SECRET, int(time.time()) // 30 + steps))


def made_older(browser: Browser, **seconds: int) -> None:
    """As if the person had shown these, by method, so long ago."""
    session = browser.session
    for record in session["account_authentication_methods"]:
        record["at"] -= seconds.get(record["method"], 0)
    session.save()


class TestAStepUpIsMetByAllOfIt:
    def begin(self, world: World) -> None:
        world.browser.post("/accounts/login/", {"login": "bob", "password": "bob-password"})
        world.browser.post("/accounts/2fa/authenticate/", {"code": code()})
        assert SESSION_KEY in world.browser.session

    def known(self, browser: Browser) -> sign_in.BrowserSignIn:
        request: Any = browser.get("/account/").wsgi_request
        return sign_in.current(request)

    def test_a_password_alone_refreshes_nothing(self, with_totp: World) -> None:
        browser = with_totp.browser
        self.begin(with_totp)
        made_older(browser, password=3600, mfa=3600)
        url = with_totp.authorize_url(max_age="600")
        first = browser.get(url)
        assert first["Location"].startswith("/accounts/reauthenticate/")
        browser.post(first["Location"], {"password": "bob-password", "next": url})
        known = self.known(browser)
        assert known.amr == ("pwd", "otp", "mfa")
        assert time.time() - known.auth_time > 3500, "the second factor is an hour old"

        second = browser.get(url)
        assert second["Location"].startswith("/accounts/2fa/reauthenticate/")
        browser.post(second["Location"], {"code": code(1), "next": url})
        assert time.time() - self.known(browser).auth_time < 60
        assert browser.get(url).status_code == 200, "the consent page"

    def test_a_second_factor_alone_refreshes_nothing(self, with_totp: World) -> None:
        self.begin(with_totp)
        made_older(with_totp.browser, password=3600, mfa=3600)
        with_totp.browser.post("/accounts/2fa/reauthenticate/", {"code": code(1)})
        assert time.time() - self.known(with_totp.browser).auth_time > 3500

    def test_prompt_login_asks_for_both(self, with_totp: World) -> None:
        self.begin(with_totp)
        made_older(with_totp.browser, password=60, mfa=60)
        url = with_totp.authorize_url(prompt="login")
        seen = []
        for fields in ({"password": "bob-password"}, {"code": code(1)}):
            asked = with_totp.browser.get(url)["Location"]
            seen.append(asked.partition("?")[0])
            with_totp.browser.post(asked, {**fields, "next": url})
        assert seen == ["/accounts/reauthenticate/", "/accounts/2fa/reauthenticate/"]
        assert with_totp.browser.get(url).status_code == 200

    @pytest.mark.parametrize("state", ["short", "s" * 2048])
    def test_a_request_outlives_the_second_factor(self, with_totp: World, state: str) -> None:
        browser, url = with_totp.browser, with_totp.authorize_url(state=state, max_age="0")
        asked = browser.get(url)["Location"]
        form = hidden_fields(browser.get(asked)) | {"login": "bob", "password": "bob-password"}
        second = browser.post("/accounts/login/", form)["Location"]
        assert second.startswith("/accounts/2fa/authenticate/")
        back = browser.post(second, hidden_fields(browser.get(second)) | {"code": code()})["Location"]
        page = browser.get(back)
        given = redirect_parameters(browser.post(back, hidden_fields(page) | {"allow": "true"}))
        assert given["state"] == state

    def test_a_factor_that_was_taken_away_is_not_asked_for(self, with_totp: World) -> None:
        self.begin(with_totp)
        Authenticator.objects.all().delete()
        known = self.known(with_totp.browser)
        assert known.amr == ("pwd",)

    @pytest.mark.parametrize(
        "page", ["totp/deactivate/", "recovery-codes/", "recovery-codes/generate/", "recovery-codes/download/"]
    )
    def test_a_password_alone_does_not_take_the_second_factor_away(self, with_totp: World, page: str) -> None:
        browser, address = with_totp.browser, f"/accounts/2fa/{page}"
        self.begin(with_totp)
        made_older(browser, password=3600, mfa=3600)
        browser.post("/accounts/reauthenticate/", {"password": "bob-password"})
        assert browser.post(address)["Location"].startswith("/accounts/2fa/reauthenticate/")
        assert Authenticator.objects.filter(type="totp").exists()


class TestSecondFactorsAreCounted:
    def test_wrong_ones_wait_and_a_right_one_tells_nothing(self, with_totp: World) -> None:
        with_totp.browser.post("/accounts/login/", {"login": "bob", "password": "bob-password"})
        for _ in range(11):
            answer = with_totp.browser.post("/accounts/2fa/authenticate/", {"code": "000000"})
            assert answer.status_code == 200
        assert with_totp.browser.post("/accounts/2fa/authenticate/", {"code": code()}).status_code == 429
        assert SESSION_KEY not in with_totp.browser.session
        assert AuditEvent.objects.filter(event="person:session:refused", reason="rate_limited").exists()

    def test_another_browser_shares_the_count(self, with_totp: World) -> None:
        for _ in range(11):
            browser = Browser()
            browser.post("/accounts/login/", {"login": "bob", "password": "bob-password"})
            browser.post("/accounts/2fa/authenticate/", {"code": "000000"})
        browser = Browser()
        browser.post("/accounts/login/", {"login": "bob", "password": "bob-password"})
        assert browser.post("/accounts/2fa/authenticate/", {"code": code()}).status_code == 429

    def test_a_code_is_good_once_also_for_a_process_that_has_not_seen_it(self, with_totp: World) -> None:
        used = code()
        for expected in (True, False):
            browser = Browser()
            browser.post("/accounts/login/", {"login": "bob", "password": "bob-password"})
            browser.post("/accounts/2fa/authenticate/", {"code": used})
            assert (SESSION_KEY in browser.session) is expected
            cache.clear()  # what another process does not have
