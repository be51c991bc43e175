"""Attack 37: who undoes a cut-off, and what the console and the command say of one that is void."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from authz.authorizations import cut_off
from authz.models import Client, CutOff, ProtectedResource, User
from tests.console.conftest import Page
from tests.support import world
from tests.support.world import NOTES, World

DESKTOP = Client.objects.filter(client_id="desktop-app")
BOB = User.objects.filter(username="bob")
SERVER = ProtectedResource.objects.filter(identifier=NOTES)


def used(browser: Any, kind: str, identifier: str = "") -> CutOff:
    address = f"{reverse('admin:switch', args=[kind])}?id={identifier}"
    world.submit(browser, address, {"sure": "end everything"})
    return CutOff.objects.get()


def is_undone(browser: Any, row: CutOff) -> bool:
    address = reverse("admin:switch_undo", args=[row.pk])
    world.submit(browser, address)
    row.refresh_from_db()
    return row.undone is not None


def is_stopped(kind: str) -> bool:
    return not SERVER.get().is_active if kind == "resource" else DESKTOP.get().status != "approved"


@pytest.mark.parametrize(
    ("kind", "by", "undoes", "may"),
    [
        ("client", "administrator", "administrator", True),
        ("client", "approver", "approver", True),
        ("client", "approver", "administrator", True),
        ("client", "administrator", "approver", False),
        ("client", "approver", "auditor", False),
        # Who owns a server may cut it off, and may not switch a server on.
        ("resource", "approver", "approver", False),
        ("resource", "approver", "administrator", True),
        ("everything", "administrator", "approver", False),
    ],
)
def test_who_could_make_it_so(signed_in: Page, kind: str, by: str, undoes: str, may: bool) -> None:
    SERVER.update(owner=world.person("bob"))
    row = used(signed_in(by), kind, {"client": "desktop-app", "resource": NOTES}.get(kind, ""))
    assert is_undone(signed_in(undoes), row) is may
    assert is_stopped(kind) is not may


@pytest.mark.parametrize("name", ["terminal", "bob", "alice2", ""])
def test_a_name_is_no_person(signed_in: Page, name: str) -> None:
    """A person called “terminal”, or with the name of a former person, undoes nothing of theirs."""
    found = cut_off.target("client", "desktop-app")
    browser = signed_in("approver")
    if name:
        BOB.update(username=name)
    row = cut_off.cut_off(found, kind="client", identifier="desktop-app", reason="", by=name, now=datetime.now(UTC))
    assert not is_undone(browser, row)


def test_the_console_says_so_and_offers_no_button(signed_in: Page) -> None:
    browser = signed_in("administrator")
    row = used(browser, "client", "desktop-app")
    DESKTOP.update(scope=["mcp:read"])
    assert (
        b"it was changed, or its access was ended again"
        in browser.get(reverse("admin:switch_done", args=[row.pk])).content
    )
    assert b"Changed since" in browser.get(reverse("admin:switch_overview")).content
    address = reverse("admin:switch_undo", args=[row.pk])
    assert b"was changed, or its access was ended again" in world.submit(browser, address).content
    assert is_stopped("client")


def test_the_command_says_so(gatehouse: World) -> None:
    call_command("revoke", "client", "desktop-app", stdout=StringIO())
    DESKTOP.update(scope=["mcp:read"])
    with pytest.raises(CommandError, match="was changed, or its access was ended again"):
        call_command("revoke", "client", "desktop-app", "--undo", stdout=StringIO())
