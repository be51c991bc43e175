"""Attack 38: sessions and sign-in. Factors that go stale, addresses that are not verified or only look the same,
people of an issuer that is gone, Host in mails, time that tells.
"""

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth import SESSION_KEY, hashers
from django.core import mail
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from django.urls import NoReverseMatch, reverse

from authz.configuration import ConfigurationError, apply
from authz.keys.second_factors import Adapter
from authz.limits import rate_limits
from authz.models import AuditEvent, Authorization, AuthorizationCode, BrowserSession, Consent, User
from authz.sign_in import account_mails, account_pages, people
from authz.sign_in import session as sign_in
from tests.protocol.test_email_addresses import OTHERS
from tests.support.races import at_once
from tests.support.world import World, hidden_fields, person, redirect_parameters
from xaa.models import Session

TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NEW = "quite-another-passphrase"


def signs_in(login: str, password: str) -> bool:
    browser = Browser()
    browser.post("/accounts/login/", {"login": login, "password": password})
    return SESSION_KEY in browser.session


# --- Addresses ------------------------------------------------------------------------------------------------------


class TestAnAddressIsGiven:
    def test_each_page_of_allauth_that_is_not_named_is_closed(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        closed = []
        for name in account_pages.names():
            if not name or name in account_pages.OPEN | account_pages.FRESH:
                continue
            try:
                address = reverse(name)
            except NoReverseMatch:
                address = reverse(name, kwargs={"key": "MQ:1abc:def"})
            assert gatehouse.browser.get(address).status_code == 404, name
            assert gatehouse.browser.post(address, {"email": "ceo@example.com"}).status_code == 404, name
            closed.append(name)
        assert {"account_email", "account_signup", "account_set_password", "socialaccount_connections"} <= set(closed)

    @pytest.mark.parametrize("action", ["action_add", "action_primary", "action_send", "action_remove"])
    def test_people_cannot_add_an_address_themselves(self, gatehouse: World, action: str) -> None:
        gatehouse.sign_in("bob")
        gatehouse.browser.post("/accounts/email/", {"email": "ceo@example.com", action: ""})
        assert person("bob").email == "bob@example.com"
        assert not EmailAddress.objects.exists()

    def test_an_unverified_address_from_before_does_not_count(self, gatehouse: World) -> None:
        """As an earlier version let people do."""
        bob = person("bob")
        User.objects.filter(pk=bob.pk).update(email="ceo@example.com", email_key="ceo@example.com")
        EmailAddress.objects.create(user=bob, email="ceo@example.com", verified=False, primary=True)
        assert people.with_address("ceo@example.com") == []
        assert not signs_in("ceo@example.com", "bob-password")
        apply("users: [{username: bob, email: ceo@example.com, groups: [engineering]}]")
        assert people.with_address("ceo@example.com") == [bob], "an administrator has given it"

    @pytest.mark.parametrize(("typed", "theirs"), OTHERS[:-1])
    def test_what_only_looks_the_same_is_another(self, gatehouse: World, typed: str, theirs: str) -> None:
        User.objects.create_user("victim", email=theirs, password="victim-password")
        assert people.with_address(typed) == []
        assert people.with_address(theirs) == [person("victim")]
        Browser().post("/accounts/password/reset/", {"email": typed})
        account_mails.wait()
        # The form drops white space around what was typed.
        assert mail.outbox == [] or typed.strip() == theirs
        assert typed.strip() == theirs or not signs_in(typed, "victim-password")
        assert signs_in(theirs, "victim-password")

    def test_letters_in_another_case_are_the_same(self, gatehouse: World) -> None:
        assert signs_in("BOB@Example.com", "bob-password")
        assert signs_in("BOB", "bob-password")

    def test_a_shared_address_signs_no_one_in(self, gatehouse: World) -> None:
        User.objects.create_user("bobs-other", email="bob@example.com", password="bobs-other-password")
        assert people.named("bob@example.com") is None
        assert people.named("bob") == person("bob")

    def test_a_user_name_that_is_another_persons_address(self, gatehouse: World) -> None:
        other = User.objects.create_user("bob@example.com", password="another-password")
        assert people.named("bob@example.com") == other, "a name is one person's; an address may be several people's"


# --- Passwords ------------------------------------------------------------------------------------------------------


def by_apply() -> None:
    apply(f"users: [{{username: bob, password: {NEW}, email: bob@example.com, groups: [engineering]}}]")


def by_command() -> None:
    from django.contrib.auth.management.commands import changepassword

    command = changepassword.Command
    typed, command._get_pass = command._get_pass, lambda *_: NEW  # type: ignore[method-assign]
    try:
        call_command("changepassword", "bob", stdout=io.StringIO())
    finally:
        command._get_pass = typed  # type: ignore[method-assign]


def by_code() -> None:
    bob = person("bob")
    bob.set_password(NEW)
    bob.save()


def taken_away() -> None:
    bob = person("bob")
    bob.set_unusable_password()
    bob.save()


def by_mail() -> None:
    browser = Browser()
    browser.post("/accounts/password/reset/", {"email": "bob@example.com"})
    account_mails.wait()
    link = next(word for word in str(mail.outbox[-1].body).split() if "/password/reset/key/" in word)
    form: Any = browser.get(link.removeprefix("http://127.0.0.1:8000"))
    browser.post(form["Location"], {"password1": NEW, "password2": NEW})


class TestANewPassword:
    @pytest.mark.parametrize("replace", [by_apply, by_command, by_code, taken_away, by_mail])
    def test_ends_all_that_rested_on_the_old_one(self, gatehouse: World, replace: Any) -> None:
        tokens = gatehouse.signed_in_tokens()
        unused = redirect_parameters(gatehouse.browser.get(gatehouse.authorize_url()))["code"]
        assert Session.objects.exists()

        replace()

        assert not BrowserSession.objects.filter(user=person("bob")).exists()
        assert not Session.objects.exists()
        assert gatehouse.browser.get("/account/").status_code == 302
        assert gatehouse.redeem(unused).status_code == 400
        assert gatehouse.refresh(tokens["refresh_token"]).status_code == 400
        assert gatehouse.introspect(tokens["access_token"]) == {"active": False}
        assert not Consent.objects.exists()
        event = AuditEvent.objects.get(event="person:password:changed")
        assert event.subject == str(person("bob").subject)
        assert signs_in("bob", NEW) is (replace is not taken_away)
        assert not signs_in("bob", "bob-password")

    def test_of_ones_own_ends_other_sign_ins_and_keeps_the_agents(self, gatehouse: World) -> None:
        tokens = gatehouse.signed_in_tokens()
        elsewhere = Browser()
        elsewhere.post("/accounts/login/", {"login": "bob", "password": "bob-password"})
        unused = redirect_parameters(elsewhere.get(gatehouse.authorize_url()))["code"]

        form = {"oldpassword": "bob-password", "password1": NEW, "password2": NEW}
        gatehouse.browser.post("/accounts/password/change/", form)

        assert elsewhere.get("/account/").status_code == 302
        assert gatehouse.redeem(unused).status_code == 400
        assert gatehouse.browser.get("/account/").status_code == 200
        here = sign_in.session_digest(gatehouse.browser.session.session_key or "")
        assert [row.digest for row in Session.objects.all()] == [here], "its ID tokens can be exchanged"
        assert gatehouse.refresh(tokens["refresh_token"]).status_code == 200

    def test_guesses_at_the_old_one_are_counted(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        form = {"oldpassword": "wrong", "password1": NEW, "password2": NEW}
        answers = [gatehouse.browser.post("/accounts/password/change/", form).status_code for _ in range(12)]
        assert answers[-1] == 429
        assert gatehouse.browser.post("/accounts/password/change/", form | {"oldpassword": "bob-password"}).status_code
        assert person("bob").check_password("bob-password")

    def test_hashing_the_same_password_again_ends_nothing(self, gatehouse: World, settings: Any) -> None:
        tokens = gatehouse.signed_in_tokens()
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
        assert signs_in("bob", "bob-password")
        assert person("bob").password.startswith("pbkdf2")
        assert gatehouse.refresh(tokens["refresh_token"]).status_code == 200

    def test_applying_the_same_file_again_ends_nothing(self, gatehouse: World) -> None:
        by_apply()
        gatehouse.browser.post("/accounts/login/", {"login": "bob", "password": NEW})
        by_apply()
        assert gatehouse.browser.get("/account/").status_code == 200


class TestANewPasswordAtTheSameMoment:
    """In either order, nothing from the old password is live."""

    @pytest.mark.parametrize("attempt", range(3))
    def test_as_a_code_is_asked_for(self, committed_gatehouse: World, attempt: int) -> None:
        committed_gatehouse.authorize()
        url = committed_gatehouse.authorize_url()
        answers = at_once([lambda: committed_gatehouse.browser.get(url), by_code])
        # Where the new password has ended the consent and not yet the session, it is asked for on a page again.
        is_sent_on = answers[0] is not None and "Location" in answers[0]
        given = redirect_parameters(answers[0]).get("code") if is_sent_on else None
        if given is not None:
            assert committed_gatehouse.redeem(given).status_code == 400
        assert not BrowserSession.objects.filter(user=person("bob")).exists()
        assert not Authorization.objects.filter(revoked=None, user=person("bob")).exists()

    @pytest.mark.parametrize("attempt", range(3))
    def test_as_a_code_is_redeemed(self, committed_gatehouse: World, attempt: int) -> None:
        code = committed_gatehouse.authorize()["code"]
        answers = at_once([lambda: World().redeem(code), by_code])
        assert answers[0] is not None
        if answers[0].status_code == 200:
            tokens = json.loads(answers[0].content)
            assert committed_gatehouse.introspect(tokens["access_token"]) == {"active": False}
            assert committed_gatehouse.refresh(tokens["refresh_token"]).status_code == 400
        assert not Authorization.objects.filter(revoked=None, user=person("bob")).exists()


TOO_WEAK = ["short", "x", "elevenchars", "administrator", "ADMINISTRATOR", "12345678901"]


class TestPasswordsMeetTheValidators:
    @pytest.mark.parametrize("password", TOO_WEAK)
    def test_of_apply(self, gatehouse: World, password: str) -> None:
        text = f"users:\n  - username: dora\n    password: '{password}'\n"
        with pytest.raises(ConfigurationError, match="password") as error:
            apply(text)
        assert error.value.path == ("users", 0, "password")
        assert error.value.line == 3
        assert not User.objects.filter(username="dora").exists()

    @pytest.mark.parametrize("password", ["short", "x", "elevenchars"])
    def test_of_createsuperuser(self, db: None, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
        with pytest.raises(CommandError, match="password"):
            call_command("createsuperuser", username="root", email="r@example.com", interactive=False)
        assert not User.objects.exists()

    def test_the_one_of_the_contract_is_good(self, db: None) -> None:
        apply("users: [{username: alice, password: alice-password, email: alice@example.com, role: administrator}]")
        assert person("alice").check_password("alice-password")


# --- Factors --------------------------------------------------------------------------------------------------------


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


# --- Time -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The calls of the hasher."""
    calls: list[str] = []
    hasher = hashers.MD5PasswordHasher
    encode = hasher.encode

    def counted(self: Any, password: str, salt: str) -> Any:
        calls.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(hasher, "encode", counted)
    yield calls


@pytest.mark.parametrize(
    "login",
    [
        "bob", "bob@example.com", "BOB@EXAMPLE.COM", "nobody", "nobody@example.com", "switched-off",
        "off@example.com", "without", "without@example.com", "shared@example.com", "linked@example.com", "a" * 200,
    ],
)  # fmt: skip
def test_a_sign_in_takes_the_same_work_for_each_account(gatehouse: World, hashed: list[str], login: str) -> None:
    from xaa.models import SignInClient, SubjectLink, TrustedIssuer

    User.objects.create_user("switched-off", email="off@example.com", password=NEW, is_active=False)
    User.objects.create_user("without", email="without@example.com")
    for name in ("one", "two"):
        User.objects.create_user(name, email="shared@example.com", password=NEW)
    linked = User.objects.create_user("linked", email="linked@example.com", password=NEW)
    issuer = TrustedIssuer.objects.create(issuer="https://idp.example", name="IdP", accepts=["id_token"])
    SignInClient.objects.create(issuer=issuer, client_id="gatehouse")
    SubjectLink.objects.create(issuer=issuer, subject="linked", user=linked)
    hashed.clear()
    answer: Any = gatehouse.browser.post("/accounts/login/", {"login": login, "password": "not-the-password"})
    assert len(hashed) == 1
    assert answer.status_code == 200


# --- Mails ----------------------------------------------------------------------------------------------------------


class TestMails:
    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9999", "localhost:1", "[::1]", "127.0.0.1", "LOCALHOST"])
    def test_are_built_from_the_issuer(self, gatehouse: World, host: str) -> None:
        gatehouse.browser.post("/accounts/password/reset/", {"email": "bob@example.com"}, headers={"host": host})
        account_mails.wait()
        body = str(mail.outbox[0].body)
        links = [word for word in body.split() if "://" in word]
        assert links[0].startswith("http://127.0.0.1:8000/accounts/password/reset/key/")
        assert all(link.startswith("http://127.0.0.1:8000") for link in links)
        assert host == "127.0.0.1" or host not in body

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000"])
    def test_another_host_gets_none(self, gatehouse: World, host: str) -> None:
        answer = gatehouse.browser.post(
            "/accounts/password/reset/", {"email": "bob@example.com"}, headers={"host": host}
        )
        account_mails.wait()
        assert (answer.status_code, mail.outbox) == (400, [])

    @pytest.mark.parametrize(
        "address",
        ["nobody@example.com", "off@example.com", "elsewhere@example.com", "bob@example.com", "vıctim@example.com"],
    )
    def test_the_page_does_not_tell_who_has_an_account(self, gatehouse: World, address: str) -> None:
        User.objects.create_user("off", email="off@example.com", password=NEW, is_active=False)
        User.objects.create_user("elsewhere", email="elsewhere@example.com", is_from_elsewhere=True)
        answer: Any = gatehouse.browser.post("/accounts/password/reset/", {"email": address}, follow=True)
        account_mails.wait()
        assert [message.to for message in mail.outbox] == ([[address]] if address == "bob@example.com" else [])
        assert answer.redirect_chain == [("/accounts/password/reset/done/", 302)]
        assert address not in answer.content.decode()

    def test_goes_to_the_address_that_is_known(self, gatehouse: World) -> None:
        gatehouse.browser.post("/accounts/password/reset/", {"email": "BOB@example.COM"})
        account_mails.wait()
        assert [message.to for message in mail.outbox] == [["bob@example.com"]]

    def test_many_of_them_wait_known_or_not(self, gatehouse: World) -> None:
        for address in ("bob@example.com", "nobody@example.com"):
            rate_limits.reset()
            answers = [
                gatehouse.browser.post("/accounts/password/reset/", {"email": address}).status_code for _ in range(7)
            ]
            assert answers == [302] * 5 + [429] * 2
        account_mails.wait()
        assert len(mail.outbox) == 5

    def test_a_mail_server_that_is_away_shows_nothing(
        self, gatehouse: World, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_PORT = 1
        answer = gatehouse.browser.post("/accounts/password/reset/", {"email": "bob@example.com"})
        account_mails.wait()
        assert answer.status_code == 302
        assert "mail about an account was not sent" in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        "//localhost/",
        "http://localhost/",
        "http://127.0.0.1:9999/",
        "https://evil.example/",
        "//evil.example",
        "http:///x",
    ],
)
def test_a_sign_in_leads_to_no_other_origin(gatehouse: World, address: str) -> None:
    form = {"login": "bob", "password": "bob-password", "next": address}
    answer = gatehouse.browser.post("/accounts/login/", form, headers={"host": "localhost"})
    assert answer["Location"] == "/account/"


def test_rows_stay_for_later_review(gatehouse: World) -> None:
    """Ended, not removed (invariant 10)."""
    gatehouse.signed_in_tokens()
    by_code()
    assert Authorization.objects.get().revoked_reason == "password_changed"
    assert AuthorizationCode.objects.exists()
