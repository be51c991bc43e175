"""Emergency accounts: loud, an hour long, and nothing that lasts."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from django.urls import reverse

from authz.configuration import ConfigurationError, apply
from authz.models import AuditEvent, BrowserSession, Notification, User
from authz.sign_in import account_mails, emergency
from tests.support.races import at_once
from tests.support.world import World, person, redirect_parameters

NAME = "break-glass"


def run(*arguments: str) -> str:
    said = StringIO()
    call_command("emergency_account", *arguments, stdout=said)
    return said.getvalue()


@pytest.fixture
def password(gatehouse: World, settings: Any) -> str:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "SECOND_FACTOR_ROLES": ["administrator"]}
    return run("make", NAME).split()[1]


def signed_in(password: str) -> Browser:
    browser = Browser()
    browser.post("/accounts/login/", {"login": NAME, "password": password})
    return browser


def is_in(browser: Browser) -> bool:
    return SESSION_KEY in browser.session and browser.get(reverse("admin:index")).status_code == 200


def over() -> None:
    User.objects.filter(username=NAME).update(emergency_until=datetime.now(UTC) - timedelta(seconds=1))


def test_it_opens_the_console_without_a_factor_and_all_are_told(password: str) -> None:
    browser = signed_in(password)
    assert is_in(browser)
    assert AuditEvent.objects.filter(event="person:emergency_account:signed_in").count() == 1
    told = Notification.objects.filter(kind="person.emergency_sign_in").exclude(recipient=None)
    assert {row.recipient.username for row in told if row.recipient} == {"alice"}
    user = person(NAME)
    assert user.emergency_until is not None
    assert timedelta(minutes=59) < user.emergency_until - datetime.now(UTC) <= emergency.WINDOW
    row = BrowserSession.objects.get(user=user)
    assert row.expire_date <= user.emergency_until


def test_the_banner_stays_until_it_is_renewed(password: str, gatehouse: World, settings: Any) -> None:
    signed_in(password)
    settings.GATEHOUSE = {**settings.GATEHOUSE, "SECOND_FACTOR_ROLES": []}
    gatehouse.sign_in("alice")
    over()
    page = gatehouse.browser.get(reverse("admin:index")).content.decode()
    assert "The emergency account" in page
    assert NAME in page
    run("renew", NAME)
    assert "The emergency account" not in gatehouse.browser.get(reverse("admin:index")).content.decode()


def test_after_its_hour_nothing_of_it_works(password: str) -> None:
    browser = signed_in(password)
    over()
    assert browser.get(reverse("admin:index")).status_code == 302
    assert SESSION_KEY not in signed_in(password).session
    assert AuditEvent.objects.filter(event="person:session:refused", reason="emergency_over").exists()
    new = run("renew", NAME).split()[1]
    assert SESSION_KEY not in signed_in(password).session
    assert is_in(signed_in(new))
    assert AuditEvent.objects.filter(event="person:emergency_account:signed_in").count() == 2


def test_it_gives_an_agent_nothing(password: str, gatehouse: World) -> None:
    gatehouse.browser = signed_in(password)
    told = redirect_parameters(gatehouse.browser.get(gatehouse.authorize_url()))
    assert told["error"] == "access_denied"
    assert AuditEvent.objects.filter(reason="emergency_without_agents").exists()


@pytest.mark.parametrize("name", ["mfa_add_webauthn", "mfa_activate_totp", "account_change_password"])
def test_it_gets_no_other_way_in(password: str, name: str) -> None:
    browser = signed_in(password)
    assert browser.get(reverse(name)).status_code == 403
    assert browser.post(reverse(name), {}).status_code == 403


def test_neither_a_mail_nor_a_file_gives_it_a_password(password: str) -> None:
    User.objects.filter(username=NAME).update(email="safe@example.com", email_key="safe@example.com")
    Browser().post("/accounts/password/reset/", {"email": "safe@example.com"})
    account_mails.wait()
    assert mail.outbox == []
    with pytest.raises(ConfigurationError):
        apply(json.dumps({"users": [{"username": NAME, "password": "quite-another-passphrase"}]}))
    assert is_in(signed_in(password))


def test_there_are_two_at_most_and_none_takes_a_name(password: str) -> None:
    with pytest.raises(CommandError, match="is a person already"):
        run("make", "alice")
    run("make", "second")
    with pytest.raises(CommandError, match="2 emergency accounts already"):
        run("make", "third")
    run("remove", "second")
    assert run("list").split() == [f"{NAME}:", "not", "used"]
    assert not person("second").is_active
    with pytest.raises(CommandError, match="is no emergency account"):
        run("renew", "alice")


@pytest.mark.django_db(transaction=True)
def test_several_sign_ins_at_once_share_one_hour(password: str) -> None:
    at_once([lambda: signed_in(password) and None] * 3)
    events = AuditEvent.objects.filter(event="person:emergency_account:signed_in")
    assert len({event.detail["until"] for event in events}) == 1
