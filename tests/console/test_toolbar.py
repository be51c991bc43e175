"""The buttons above a page: one primary, at most three beside it, the rest in a menu."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.console.widgets.toolbar import MAX_BESIDE, Tool, arranged
from authz.models import Client
from tests.console.conftest import Page


def titles(*tools: Tool) -> tuple[str, list[str], list[str]]:
    bar = arranged(tools)
    return bar.primary.title if bar.primary else "", [t.title for t in bar.beside], [t.title for t in bar.menu]


PLAIN = [Tool(name, "/") for name in "abcde"]


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ([], ("", [], [])),
        ([Tool("Save", "/", "")], ("Save", [], [])),
        ([Tool("One", "/", ""), Tool("Two", "/", "")], ("One", ["Two"], [])),
        (PLAIN, ("", ["a", "b", "c"], ["d", "e"])),
        ([Tool("x", "/", in_menu=True), *PLAIN[:2]], ("", ["a", "b"], ["x"])),
        ([Tool("x", "/", "", in_menu=True)], ("", [], ["x"])),
    ],
)
def test_how_tools_are_arranged(tools: list[Tool], expected: tuple[str, list[str], list[str]]) -> None:
    assert titles(*tools) == expected


def buttons(browser: Browser, client_id: str) -> tuple[str, list[str], list[str]]:
    agent = Client.objects.get(client_id=client_id)
    return titles(*browser.get(reverse("admin:authz_client_change", args=[agent.pk])).context["tools"])


def test_of_an_approved_agent_suspend_and_end_access_are_in_sight(signed_in: Page) -> None:
    Client.objects.filter(client_id="desktop-app").update(owner=None)
    primary, beside, menu = buttons(signed_in("approver"), "desktop-app")

    assert primary == ""
    assert beside == ["Renew", "Suspend", "End access"]
    assert "Retire" in menu


def test_of_a_pending_agent_approve_is_primary(signed_in: Page) -> None:
    Client.objects.filter(client_id="desktop-app").update(owner=None, status="pending")
    primary, beside, _ = buttons(signed_in("approver"), "desktop-app")

    assert primary == "Approve"
    assert len(beside) <= MAX_BESIDE


def test_a_page_has_one_primary_button(signed_in: Page) -> None:
    Client.objects.filter(client_id="desktop-app").update(owner=None, status="pending")
    browser = signed_in("administrator")
    agent = Client.objects.get(client_id="desktop-app")
    for address in (
        reverse("admin:authz_client_change", args=[agent.pk]),
        reverse("admin:authz_client_changelist"),
        reverse("admin:authz_rule_changelist"),
    ):
        page = browser.get(address).content.decode()
        primary = page.count('class="button small"') + page.count('class="button" type="submit"')
        assert primary + page.count('<button type="submit" class="button" name') == 1, address
