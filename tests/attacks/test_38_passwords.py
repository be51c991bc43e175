"""Attack 38: a stolen password after a new one was set, and passwords that are too weak."""

import io
import json
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from authz.configuration import ConfigurationError, apply
from authz.models import AuditEvent, Authorization, AuthorizationCode, BrowserSession, Consent, User
from authz.sign_in import account_mails
from authz.sign_in import session as sign_in
from tests.attacks.signing_in import NEW, by_code, signs_in
from tests.support.races import at_once
from tests.support.world import World, person, redirect_parameters
from xaa.models import Session


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


def test_rows_stay_for_later_review(gatehouse: World) -> None:
    """Ended, not removed (invariant 10)."""
    gatehouse.signed_in_tokens()
    by_code()
    assert Authorization.objects.get().revoked_reason == "password_changed"
    assert AuthorizationCode.objects.exists()
