"""All time conditions of an authorization request are judged at one moment: its arrival."""

import json
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import signing

from authz.configuration import apply
from authz.endpoints import arrivals, authorize
from authz.models import BrowserSession
from tests.support.clock import Clock
from tests.support.world import NOTES, World, hidden_fields, redirect_parameters

READING = 2.2


def sign_in_again(gatehouse: World, asked: Any, username: str = "bob") -> Any:
    """Follow the redirect to the password, give it, and come back."""
    address = asked["Location"]
    assert urlsplit(address).path in {"/accounts/login/", "/accounts/reauthenticate/"}, address
    form = hidden_fields(gatehouse.browser.get(address)) | {"login": username, "password": f"{username}-password"}
    back = gatehouse.browser.post(address, form)
    assert back.status_code == 302, back.content
    return gatehouse.browser.get(back["Location"])


def allow(gatehouse: World, url: str, page: Any) -> dict[str, str]:
    assert page.status_code == 200, (page.status_code, page.headers)
    answer = gatehouse.press(url, page, allow="true")
    assert answer.status_code == 302, answer.content
    return redirect_parameters(answer)


def rule_wants(seconds: int) -> None:
    definition = {
        "name": "Engineers use agents on Notes", "effect": "allow", "clients": ["*"], "groups": ["engineering"],
        "grant_types": ["authorization_code"], "resources": [NOTES], "scopes": ["mcp:read", "mcp:write"],
        "conditions": {"max_auth_age": seconds},
    }  # fmt: skip
    apply(json.dumps({"rules": [definition]}))


CONDITIONS: list[tuple[str, dict[str, str], int]] = [
    ("max_age=0", {"max_age": "0"}, 0),
    ("max_age=1", {"max_age": "1"}, 0),
    ("max_age=2", {"max_age": "2"}, 0),
    ("prompt=login", {"prompt": "login"}, 0),
    ("prompt=login consent", {"prompt": "login consent"}, 0),
    ("prompt=login and max_age=0", {"prompt": "login", "max_age": "0"}, 0),
    ("a rule's max_auth_age", {}, 1),
    ("a rule's, and max_age=0", {"max_age": "0"}, 1),
    ("a rule's, and prompt=login", {"prompt": "login"}, 1),
    ("a long request", {"max_age": "0", "state": "s" * 2000}, 0),
]
IDS = [row[0] for row in CONDITIONS]


@pytest.mark.parametrize(("changes", "rule"), [row[1:] for row in CONDITIONS], ids=IDS)
def test_a_sign_in_after_the_arrival_is_new_however_long_the_person_reads(
    gatehouse: World, clock: Clock, changes: dict[str, str], rule: int
) -> None:
    if rule:
        rule_wants(rule)
    gatehouse.sign_in("bob")
    clock.ahead += READING
    url = gatehouse.authorize_url(**changes)
    asked = gatehouse.browser.get(url)
    assert asked.status_code == 302, "the sign-in is older than the request wants it"
    assert gatehouse.browser.get(url)["Location"] == asked["Location"], "asking is repeatable"
    page = sign_in_again(gatehouse, asked)
    clock.ahead += READING
    given = allow(gatehouse, url, page)
    clock.ahead += 0.5
    tokens = gatehouse.redeem(given["code"])
    assert tokens.status_code == 200, tokens.content
    assert gatehouse.introspect(json.loads(tokens.content)["access_token"])["active"] is True


@pytest.mark.parametrize(("changes", "rule"), [row[1:] for row in CONDITIONS], ids=IDS)
def test_who_was_not_signed_in_signs_in_once(
    gatehouse: World, clock: Clock, changes: dict[str, str], rule: int
) -> None:
    if rule:
        rule_wants(rule)
    url = gatehouse.authorize_url(**changes)
    page = sign_in_again(gatehouse, gatehouse.browser.get(url))
    clock.ahead += READING
    assert "code" in allow(gatehouse, url, page)


def test_the_next_request_wants_its_own_sign_in(gatehouse: World, clock: Clock) -> None:
    url = gatehouse.authorize_url(max_age="0")
    allow(gatehouse, url, sign_in_again(gatehouse, gatehouse.browser.get(url)))
    clock.ahead += 1.1
    assert gatehouse.browser.get(url).status_code == 302, "the same address, once it was answered, arrives anew"


FORGED: dict[str, Any] = {
    "not signed": json.dumps({"x": 1}),
    "junk": "x" * 500,
    "of another purpose": signing.dumps({"x": 1}, salt="another"),
    "of another key": signing.Signer(key="k" * 50, salt="authz.endpoints.arrivals").sign_object({"x": 1}),
    "of another request": signing.dumps({"0" * 32: 1.0}, salt="authz.endpoints.arrivals"),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("changes", [{"max_age": "0"}, {"prompt": "login"}])
def test_a_forged_moment_makes_no_old_sign_in_new(
    gatehouse: World, clock: Clock, forged: str, changes: dict[str, str]
) -> None:
    gatehouse.sign_in("bob")
    clock.ahead += 1.1
    gatehouse.browser.cookies[arrivals.COOKIE] = forged
    assert gatehouse.browser.get(gatehouse.authorize_url(**changes)).status_code == 302


@pytest.mark.parametrize("later", [arrivals.LIFETIME + 1, 86_400, -5])
@pytest.mark.parametrize("changes", [{"max_age": "0"}, {"prompt": "login"}])
def test_an_old_moment_makes_no_old_sign_in_new(
    gatehouse: World, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], later: int
) -> None:
    url = gatehouse.authorize_url(**changes)
    asked = gatehouse.browser.get(url)
    assert sign_in_again(gatehouse, asked).status_code == 200
    monkeypatch.setattr(authorize, "now", lambda: time.time() + later)
    assert gatehouse.browser.get(url).status_code == (302 if later > 0 or "prompt" in changes else 200)


def test_a_moment_of_one_request_is_none_of_another(gatehouse: World, clock: Clock) -> None:
    gatehouse.browser.get(gatehouse.authorize_url(max_age="0", state="one"))
    gatehouse.sign_in("bob")
    clock.ahead += 1.1
    assert gatehouse.browser.get(gatehouse.authorize_url(max_age="0", state="two")).status_code == 302


def test_strangers_leave_nothing_here(gatehouse: World) -> None:
    before = BrowserSession.objects.count()
    for number in range(20):
        gatehouse.browser.get(gatehouse.authorize_url(max_age="0", prompt="login", state=str(number)))
    assert BrowserSession.objects.count() == before
    assert len(gatehouse.browser.cookies[arrivals.COOKIE].value) < 1000


def test_an_old_sign_in_is_still_refused_without_a_page(gatehouse: World, clock: Clock) -> None:
    gatehouse.authorize()
    clock.ahead += 1.1
    answer = redirect_parameters(gatehouse.browser.get(gatehouse.authorize_url(prompt="none", max_age="0")))
    assert answer["error"] == "login_required"
