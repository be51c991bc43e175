"""Second factors that a role or a rule demands: set up at the next sign-in, shown by each, and not talked away."""

import json
import re
import time
from typing import Any

import pytest
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY
from django.test import Client as Browser
from django.urls import reverse

from authz.conf import conf
from authz.configuration import apply
from authz.keys.second_factors import Adapter
from authz.models import AuditEvent, BrowserSession, Notification
from authz.sign_in import session as sign_in
from tests.attacks.signing_in import TOTP_SECRET
from tests.support.races import at_once
from tests.support.soft_passkey import USER_PRESENT, SoftPasskey
from tests.support.world import World, person, redirect_parameters

PAGE = "/account/second-factor/"


@pytest.fixture(autouse=True)
def _demanded(settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "SECOND_FACTOR_ROLES": ["administrator", "approver"]}
    settings.MFA_TOTP_TOLERANCE = 1


@pytest.fixture
def alice(gatehouse: World) -> Browser:
    """An administrator after the password."""
    gatehouse.sign_in("alice")
    return gatehouse.browser


def passkey() -> SoftPasskey:
    return SoftPasskey("127.0.0.1", conf.origin)


def options(page: Any, name: str) -> dict[str, Any]:
    found = re.search(r'<script id="js_data" type="application/json">(.*?)</script>', page.content.decode(), re.DOTALL)
    assert found, page.status_code
    told: dict[str, Any] = json.loads(found[1])[name]
    return told


def enrol(browser: Browser, key: SoftPasskey, **said: Any) -> Any:
    address = reverse("mfa_add_webauthn")
    wanted = options(browser.get(address), "creation_options")
    posted = {"name": "Key", "passwordless": "on", "credential": key.created(wanted, **said)}
    return browser.post(address, posted)


def with_app(username: str) -> Authenticator:
    secret = {"secret": Adapter().encrypt(TOTP_SECRET)}
    return Authenticator.objects.create(user=person(username), type="totp", data=secret)


def code(steps: int = 0) -> str:
    return format_hotp_value(hotp_value(TOTP_SECRET, int(time.time()) // 30 + steps))


def amr(browser: Browser) -> tuple[str, ...]:
    request: Any = browser.get(PAGE).wsgi_request
    return sign_in.current(request).amr


def sees(browser: Browser) -> bool:
    return browser.get(reverse("admin:index")).status_code == 200


def alone(key: SoftPasskey, username: str, **said: Any) -> Browser:
    """A browser that signs in with the passkey and no password."""
    browser = Browser()
    address = reverse("mfa_login_webauthn")
    asked = browser.get(address, headers={"accept": "application/json"}).json()["request_options"]
    browser.post(address, {"credential": key.got(asked, user_pk_to_url_str(person(username)), **said)})
    return browser


class TestDemandedByRole:
    def test_every_page_waits_and_leads_back(self, alice: Browser) -> None:
        for address in ("/console/", "/account/", "/account/sign-ins/", "/accounts/password/change/"):
            answer: Any = alice.get(address)
            assert answer.status_code == 302
            assert answer["Location"].startswith(PAGE), address
        assert "Set up a second factor" in alice.get("/console/", follow=True).content.decode()
        assert alice.post("/account/sign-ins/", {"id": "x"})["Location"] == PAGE

        answer = enrol(alice, passkey())
        assert answer["Location"] == reverse("mfa_view_recovery_codes")
        codes = alice.get(answer["Location"]).content.decode()
        assert len(re.findall(r"^\d{8}$", codes.replace(">", ">\n"), re.MULTILINE)) == 10
        assert alice.get(PAGE)["Location"] == "/console/"
        assert sees(alice)
        assert amr(alice) == ("pwd", "hwk", "mfa")
        assert AuditEvent.objects.filter(event="person:factor:added", detail__factor="webauthn").exists()
        assert Notification.objects.filter(kind="person.factor_changed", recipient=person("alice")).exists()

    def test_of_other_roles_it_is_not(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        assert gatehouse.browser.get("/account/").status_code == 200

    def test_a_role_that_comes_later_demands_it_at_once(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        bob = person("bob")
        bob.role = "approver"
        bob.save()
        assert gatehouse.browser.get("/account/")["Location"].startswith(PAGE)

    def test_agents_wait_too(self, alice: Browser, gatehouse: World) -> None:
        """A password alone must not give an agent what an administrator may."""
        url = gatehouse.authorize_url()
        leads = alice.get(url)["Location"]
        assert leads.startswith(PAGE)
        assert alice.get(leads).status_code == 200
        assert alice.post(url, {"allow": "true"})["Location"].startswith(PAGE)
        told = redirect_parameters(alice.get(gatehouse.authorize_url(prompt="none")))
        assert told["error"] == "login_required"
        assert AuditEvent.objects.filter(reason="second_factor_demanded").exists()
        enrol(alice, passkey())
        assert alice.get(PAGE)["Location"].startswith("/o/authorize?")

    def test_a_session_from_before_the_factor_shows_it(self, alice: Browser) -> None:
        with_app("alice")
        assert "Enter a code" in alice.get("/console/", follow=True).content.decode()
        add = reverse("mfa_add_webauthn")
        assert alice.get(add)["Location"].startswith(PAGE), "nor does it add another one"
        alice.post(reverse("mfa_reauthenticate"), {"code": code(), "next": PAGE})
        assert sees(alice)


class TestDemandedByARule:
    def rule(self, *wanted: str) -> None:
        item = {
            "name": "With a factor",
            "effect": "allow",
            "clients": ["*"],
            "groups": ["*"],
            "grant_types": ["*"],
            "resources": ["*"],
            "scopes": ["mcp:read"],
            "conditions": {"amr": list(wanted)},
        }
        apply(json.dumps({"rules": [item]}), prune=True)

    @pytest.mark.parametrize(
        ("wanted", "words"), [("hwk", "Add a passkey"), ("otp", "Use an app"), ("mfa", "Use an app")]
    )
    def test_the_person_sets_it_up_or_shows_it(self, gatehouse: World, wanted: str, words: str, settings: Any) -> None:
        self.rule(wanted)
        gatehouse.sign_in("bob")
        browser = gatehouse.browser
        url = gatehouse.authorize_url(scope="mcp:read")
        page: Any = browser.get(url, follow=True)
        assert page.redirect_chain[-1][0].startswith(PAGE)
        if wanted != "hwk":
            assert words in page.content.decode()
        if wanted == "otp":
            with_app("bob")
            browser.post(reverse("mfa_reauthenticate"), {"code": code(), "next": PAGE})
        else:
            enrol(browser, passkey())
        back = browser.get(PAGE)["Location"]
        assert browser.get(back).status_code == 200

    def test_no_page_is_shown_where_none_may_be(self, gatehouse: World) -> None:
        self.rule("hwk")
        gatehouse.sign_in("bob")
        told = redirect_parameters(gatehouse.browser.get(gatehouse.authorize_url(scope="mcp:read", prompt="none")))
        assert told["error"] == "login_required"

    def test_what_no_factor_here_can_show_is_refused(self, gatehouse: World) -> None:
        self.rule("face", "otp")
        gatehouse.sign_in("bob")
        told = redirect_parameters(gatehouse.browser.get(gatehouse.authorize_url(scope="mcp:read")))
        assert told["error"] == "unmet_authentication_requirements"


class TestDowngrade:
    """Attack 54: a demanded factor is talked away."""

    def shown(self, alice: Browser) -> SoftPasskey:
        key = passkey()
        enrol(alice, key)
        return key

    def test_the_last_one_stays(self, alice: Browser) -> None:
        self.shown(alice)
        row = Authenticator.objects.get(user=person("alice"), type="webauthn")
        remove = reverse("mfa_remove_webauthn", args=[row.pk])
        assert alice.post(remove)["Location"] == reverse("mfa_index")
        assert Authenticator.objects.filter(pk=row.pk).exists()
        assert AuditEvent.objects.filter(reason="second_factor_demanded").exists()
        with_app("alice")
        alice.post(remove)
        assert not Authenticator.objects.filter(pk=row.pk).exists()
        assert AuditEvent.objects.filter(event="person:factor:removed").exists()
        assert not sees(alice), "what the session has shown is gone: the other one is asked for"
        alice.post(reverse("mfa_reauthenticate"), {"code": code(), "next": PAGE})
        alice.post(reverse("mfa_deactivate_totp"))
        assert Authenticator.objects.filter(user=person("alice"), type="totp").exists()

    @pytest.mark.django_db(transaction=True)
    def test_of_the_last_two_that_go_at_once_one_stays(self, alice: Browser) -> None:
        self.shown(alice)
        enrol(alice, passkey())
        rows = Authenticator.objects.filter(user=person("alice"), type="webauthn")
        removals = [reverse("mfa_remove_webauthn", args=[row.pk]) for row in rows]
        cookies = alice.cookies

        def remove(address: str) -> Any:
            browser = Browser()
            browser.cookies[django_settings.SESSION_COOKIE_NAME] = cookies[django_settings.SESSION_COOKIE_NAME].value
            return browser.post(address)["Location"]

        leads = at_once([lambda address=address: remove(address) for address in removals])
        assert rows.all().count() == 1
        # The other one came too late: it is kept, or the session has nothing to show any more.
        assert set(leads) - {reverse("mfa_index"), PAGE} == {reverse("mfa_list_webauthn")}

    def test_another_persons_key_is_not_removed(self, alice: Browser, gatehouse: World) -> None:
        self.shown(alice)
        theirs = Authenticator.objects.create(user=person("bob"), type="webauthn", data={"name": "x"})
        assert alice.post(reverse("mfa_remove_webauthn", args=[theirs.pk])).status_code == 404

    def test_a_mail_replaces_the_password_and_no_factor(self, alice: Browser, gatehouse: World) -> None:
        self.shown(alice)
        user = person("alice")
        user.set_password("quite-another-passphrase")
        user.save()
        browser = Browser()
        answer: Any = browser.post("/accounts/login/", {"login": "alice", "password": "quite-another-passphrase"})
        assert answer["Location"].startswith("/accounts/2fa/authenticate/")
        assert SESSION_KEY not in browser.session

    def test_an_administrators_reset_demands_a_new_one(self, alice: Browser, gatehouse: World) -> None:
        Authenticator.objects.filter(user=person("alice")).delete()
        assert not sees(alice)
        assert alice.get("/console/")["Location"].startswith(PAGE)


class TestPasskeys:
    def test_one_signs_in_alone(self, alice: Browser) -> None:
        key = passkey()
        enrol(alice, key)
        browser = alone(key, "alice")
        assert sees(browser)
        assert amr(browser) == ("hwk", "mfa")
        fresh = reverse("mfa_list_webauthn")
        assert browser.get(fresh).status_code == 200
        data = browser.session
        for record in data["account_authentication_methods"]:
            record["at"] -= 3600
        data.save()
        assert browser.get(fresh)["Location"].startswith(reverse("mfa_reauthenticate_webauthn"))

    def test_as_the_second_factor_after_the_password(self, alice: Browser) -> None:
        key = passkey()
        enrol(alice, key)
        browser = Browser()
        browser.post("/accounts/login/", {"login": "alice", "password": "alice-password"})
        address = reverse("mfa_authenticate")
        asked = options(browser.get(address), "request_options")
        browser.post(address, {"credential": key.got(asked)})
        assert sees(browser)

    @pytest.mark.parametrize(
        "said",
        [
            {"origin": "https://evil.example"},
            {"origin": "http://127.0.0.1:9999"},
            {"crossOrigin": True},
            {"type": "webauthn.create"},
            {"challenge": "AAAA"},
        ],
    )
    def test_an_answer_to_another_site_or_question(self, alice: Browser, said: dict[str, Any]) -> None:
        key = passkey()
        enrol(alice, key)
        browser = alone(key, "alice", **said)
        assert SESSION_KEY not in browser.session
        assert AuditEvent.objects.filter(event="person:session:refused", reason="second_factor_wrong").exists()

    def test_none_is_set_up_for_another_site(self, alice: Browser) -> None:
        enrol(alice, passkey(), origin="https://evil.example")
        assert not Authenticator.objects.filter(user=person("alice")).exists()

    def test_alone_it_asks_for_a_finger_or_a_pin(self, alice: Browser) -> None:
        key = passkey()
        enrol(alice, key)
        key.flags = USER_PRESENT
        assert SESSION_KEY not in alone(key, "alice").session

    def test_another_persons_handle(self, alice: Browser, gatehouse: World) -> None:
        key = passkey()
        enrol(alice, key)
        assert SESSION_KEY not in alone(key, "bob").session

    @pytest.mark.parametrize("posted", ["", "{}", "[]", '{"response": {"clientDataJSON": "!"}}', "null", "7", "{"])
    def test_junk(self, gatehouse: World, posted: str) -> None:
        address = reverse("mfa_login_webauthn")
        assert Browser().post(address, {"credential": posted}).status_code == 302


class TestRecoveryCodes:
    @pytest.fixture
    def codes(self, gatehouse: World) -> list[str]:
        with_app("alice")
        return list(RecoveryCodes.activate(person("alice")).generate_codes())

    def after_password(self) -> Browser:
        browser = Browser()
        browser.post("/accounts/login/", {"login": "alice", "password": "alice-password"})
        return browser

    def use(self, browser: Browser, given: str) -> bool:
        browser.post(reverse("mfa_authenticate"), {"code": given})
        return SESSION_KEY in browser.session

    def test_each_is_good_once_and_told(self, codes: list[str]) -> None:
        browser = self.after_password()
        assert self.use(browser, codes[0])
        assert sees(browser)
        assert not self.use(self.after_password(), codes[0])
        assert AuditEvent.objects.get(event="person:recovery_code:used").detail["left"] == 9
        assert Notification.objects.filter(kind="person.factor_changed", recipient=person("alice")).count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_of_many_at_once_one_signs_in(self, codes: list[str]) -> None:
        browsers = [self.after_password() for _ in range(4)]
        used = at_once([lambda browser=browser: self.use(browser, codes[1]) for browser in browsers])
        assert sorted(used) == [False, False, False, True]
        assert AuditEvent.objects.filter(event="person:recovery_code:used").count() == 1

    def test_guesses_are_counted_for_all_processes(self, codes: list[str]) -> None:
        for _ in range(11):
            assert not self.use(self.after_password(), "00000000")
        assert not self.use(self.after_password(), codes[2]), "and the right one tells nothing now"

    def test_they_are_shown_once(self, codes: list[str]) -> None:
        browser = self.after_password()
        self.use(browser, codes[0])
        address = reverse("mfa_view_recovery_codes")
        assert codes[1] in browser.get(address).content.decode()
        assert codes[1] not in browser.get(address).content.decode()
        assert browser.get(reverse("mfa_download_recovery_codes")).status_code in {302, 403}

    def test_one_does_not_open_a_session_that_was_ended(self, codes: list[str]) -> None:
        browser = self.after_password()
        BrowserSession.objects.all().delete()
        assert not self.use(browser, codes[3])
