"""On the pages from which a person asks for access, what extensions ask for is read and refused as everywhere.

By MCP: tests/mcp/test_extension_fields.py; by AuthZEN: tests/decision_point/test_request_fields.py.
"""

import json
from collections.abc import Callable

import pytest

from authz.configuration import apply
from authz.database import configuration_cache
from authz.extensions import switches
from authz.models import AccessRequest, AuditEvent
from tests.approvals.test_approvers import hold
from tests.extensions.test_request_fields import PAYMENT, SOURCE
from tests.support.extension_packages import Install
from tests.support.world import NOTES, World

pytestmark = pytest.mark.django_db
AMOUNT, IBAN = f"{PAYMENT}:amount", f"{PAYMENT}:iban"
RIGHT = {PAYMENT: {"amount": 5, "iban": "DE12"}}
# What a form has, and what it then says.
WRONG: dict[str, tuple[dict[str, str], str]] = {
    "missing": ({}, "It lacks what has to be said: Amount."),
    "no number": ({AMOUNT: "many"}, "Amount: is a number."),
    "a negative number": ({AMOUNT: "-5"}, "Amount: is a number from 0"),
    "against the pattern": ({AMOUNT: "5", IBAN: "<script>"}, "Account: is not written as it should be. An IBAN."),
    "too long": ({AMOUNT: "5", IBAN: "DE" + "1" * 300}, "Account: is a line of text"),
}


def switch_on(install: Install, source: str = SOURCE) -> None:
    install(PAYMENT, source)
    limit = {"limit": 100} if "limit" in source else {}
    apply(json.dumps({"extensions": {PAYMENT: {"enabled": True, "resources": [NOTES], **limit}}}))
    configuration_cache.begin()


def waiting(gatehouse: World) -> str:
    hold()
    gatehouse.sign_in("bob")
    return gatehouse.authorize_url(scope="mcp:read")


def not_allowed(gatehouse: World) -> str:
    apply(json.dumps({"rules": [{"name": "None of it", "effect": "deny", "clients": ["*"], "groups": ["*"],
                                 "grant_types": ["*"], "resources": [NOTES], "scopes": ["*"]}]}))  # fmt: skip
    gatehouse.sign_in("bob")
    return gatehouse.authorize_url(scope="mcp:read")


PAGES = {"the waiting page": waiting, "the page where no rule allows it": not_allowed}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize(("given", "says"), WRONG.values(), ids=WRONG)
def test_a_page_asks_nothing_with_what_does_not_fit(
    gatehouse: World, install: Install, page: Callable[[World], str], given: dict[str, str], says: str
) -> None:
    url = page(gatehouse)
    switch_on(install)
    shown = gatehouse.browser.get(url)
    assert f'name="{AMOUNT}" maxlength="200" value="" required' in shown.content.decode()
    answer = gatehouse.press(url, shown, ask="true", reason="rent", **given)
    assert answer.status_code == 403
    told = answer.content.decode()
    assert says in told
    assert "not what you were shown" not in told
    assert "<script>" not in told.partition("<main")[2]
    assert f'value="{given.get(AMOUNT, "")}"' in told, "what was typed is still there"
    assert not AccessRequest.objects.exists()


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_takes_what_fits(gatehouse: World, install: Install, page: Callable[[World], str]) -> None:
    url = page(gatehouse)
    switch_on(install)
    shown = gatehouse.browser.get(url)
    assert gatehouse.press(url, shown, ask="true", reason="rent", **{AMOUNT: "5", IBAN: "DE12"}).status_code == 302
    request = AccessRequest.objects.get()
    assert (request.extension_fields, request.reason) == (RIGHT, "rent")
    event = AuditEvent.objects.filter(event="policy:access_request:explained").earliest("id")
    assert event.detail["fields"] == RIGHT
    # They may still say otherwise.
    shown = gatehouse.browser.get(url)
    assert 'value="DE12"' in shown.content.decode()
    gatehouse.press(url, shown, reason="more", explain="true", **{AMOUNT: "6", IBAN: ""})
    request.refresh_from_db()
    assert (request.extension_fields, request.reason) == ({PAYMENT: {"amount": 6}}, "more")


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_what_is_demanded_since_the_page_was_shown_is_shown_first(
    gatehouse: World, install: Install, page: Callable[[World], str]
) -> None:
    url = page(gatehouse)
    shown = gatehouse.browser.get(url)
    switch_on(install)
    answer = gatehouse.press(url, shown, ask="true")
    assert AMOUNT in answer.content.decode()
    assert not AccessRequest.objects.exists()


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_attack_a_broken_one_opens_no_request_that_no_one_could_approve(
    gatehouse: World, install: Install, page: Callable[[World], str]
) -> None:
    url = page(gatehouse)
    install(PAYMENT, "TITLE = 'x'\n")
    apply(json.dumps({"extensions": {PAYMENT: {"enabled": True, "resources": [NOTES]}}}))
    switches._loaded[PAYMENT] = "RuntimeError: upgraded badly"
    configuration_cache.begin()
    answer = gatehouse.press(url, gatehouse.browser.get(url), ask="true")
    assert "It can&#x27;t be asked at present" in answer.content.decode()
    assert not AccessRequest.objects.exists()
