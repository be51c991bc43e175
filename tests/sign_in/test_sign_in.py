"""What the server knows of a sign-in is what allauth's session recorded of it."""

import time
from types import SimpleNamespace

import pytest
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from authz.models import AuditEvent, User
from authz.sign_in import session
from tests.support import world
from tests.support.clock import Clock
from tests.support.world import World

PASSWORD = "bobs-long-passphrase"


@pytest.fixture
def bobs_browser(db: None) -> Client:
    User.objects.create_user("bob", password=PASSWORD)
    browser = Client()
    browser.post(reverse("account_login"), {"login": "bob", "password": PASSWORD})
    return browser


def request_of(browser: Client) -> HttpRequest:
    return SimpleNamespace(user=User.objects.get(username="bob"), session=browser.session)


def test_a_password_sign_in_is_dated_and_named(bobs_browser: Client) -> None:
    found = session.current(request_of(bobs_browser))
    assert abs(found.auth_time - time.time()) < 60
    assert found.amr == ("pwd",)
    assert found.session_digest


def test_a_second_factor_is_named_by_its_type(bobs_browser: Client) -> None:
    request = request_of(bobs_browser)
    records = request.session["account_authentication_methods"]
    request.session["account_authentication_methods"] = [*records, {"method": "mfa", "type": "totp", "at": time.time()}]
    assert session.current(request).amr == ("pwd", "otp", "mfa")


def test_another_persons_records_in_the_same_browser_do_not_count(bobs_browser: Client) -> None:
    charlie = User.objects.create_user("charlie", password=PASSWORD)
    request = SimpleNamespace(user=charlie, session=bobs_browser.session)
    assert session.current(request).amr == ()


def test_a_session_that_does_not_say_when_it_began_must_sign_in_again(gatehouse: World) -> None:
    gatehouse.browser.force_login(world.person("bob"))
    response = gatehouse.browser.get(gatehouse.authorize_url())
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/reauthenticate/")


def test_signing_in_out_and_failing_to_leave_events(gatehouse: World) -> None:
    subject = str(world.person("bob").subject)
    gatehouse.browser.post("/accounts/login/", {"login": "bob", "password": "not-bobs-password"})
    failed = AuditEvent.objects.get(event="person:session:refused")
    assert failed.reason == "credentials_wrong"
    assert failed.address == "127.0.0.1"
    assert "bob" not in str(failed.detail)

    gatehouse.sign_in("bob")
    gatehouse.browser.post("/accounts/logout/")

    events = AuditEvent.objects.filter(subject=subject).order_by("id").values_list("event", flat=True)
    assert "person:session:started" in events
    assert "person:session:ended" in events


def test_prompt_login_asks_once_more_and_then_goes_on(gatehouse: World, clock: Clock) -> None:
    gatehouse.authorize()
    url = gatehouse.authorize_url(prompt="login")
    clock.ahead += 1.1  # auth_time is in whole seconds
    asked = gatehouse.browser.get(url)
    assert asked["Location"].startswith(reverse("account_reauthenticate"))
    assert gatehouse.browser.get(url)["Location"] == asked["Location"], "asking is repeatable"
    back = gatehouse.browser.post(asked["Location"], {"password": "bob-password", "next": url})
    assert back["Location"] == url
    assert "code" in world.redirect_parameters(gatehouse.browser.get(url))


def test_a_wrong_password_does_not_answer_prompt_login(gatehouse: World, clock: Clock) -> None:
    gatehouse.authorize()
    url = gatehouse.authorize_url(prompt="login")
    clock.ahead += 1.1
    asked = gatehouse.browser.get(url)
    gatehouse.browser.post(asked["Location"], {"password": "charlie-password", "next": url})
    assert gatehouse.browser.get(url)["Location"] == asked["Location"]


def test_a_login_hint_fills_in_the_name_and_nothing_else(gatehouse: World) -> None:
    hint = 'bob"><script>'
    page = gatehouse.browser.get(gatehouse.authorize_url(login_hint=hint), follow=True).content.decode()
    assert 'value="bob&quot;&gt;&lt;script&gt;"' in page
    assert hint not in page
    assert page.count("<form") == 1
