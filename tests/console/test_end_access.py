"""Ending access in the console: who sees it, who may use it, what it says before and after, and the undo."""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.models import AuditEvent, Authorization, Client, CutOff, ProtectedResource, User
from tests.console.conftest import Page
from tests.support.world import NOTES, World, client, person, submit


def address(kind: str, identifier: str = "") -> str:
    return f"{reverse('admin:switch', args=[kind])}?id={identifier}"


TARGETS = {
    "client": "desktop-app",
    "person": "charlie",
    "resource": NOTES,
    "everything": "",
}
# role → what it may cut off
MAY = {
    "administrator": {"client", "person", "resource", "everything", "authorization", "session"},
    "approver": {"client", "authorization", "session"},
    "auditor": set(),
    "developer": set(),
    "none": set(),
}


def targets(gatehouse: World) -> dict[str, str]:
    gatehouse.signed_in_tokens()
    row = Authorization.objects.get()
    return TARGETS | {"authorization": str(row.pk), "session": row.session_digest}


@pytest.mark.parametrize("role", MAY)
def test_who_may_use_it_and_who_only_sees(gatehouse: World, signed_in: Page, role: str) -> None:
    known = targets(gatehouse)
    browser = signed_in(role)
    for kind, identifier in known.items():
        data = {"reason": "why", "sure": "end everything"}
        page = browser.get(address(kind, identifier))
        sees = role in {"administrator", "approver", "auditor"}
        assert (page.status_code == 200) is sees, kind
        assert (b"End access</button>" in page.content or b"End everything</button>" in page.content) is (
            kind in MAY[role]
        ), kind
        before = CutOff.objects.count()
        submit(browser, address(kind, identifier), data)
        assert CutOff.objects.count() - before == (kind in MAY[role]), kind


def test_an_approver_cuts_off_the_server_he_owns(signed_in: Page) -> None:
    browser = signed_in("approver")
    assert browser.post(address("resource", NOTES)).status_code == 403
    ProtectedResource.objects.filter(identifier=NOTES).update(owner=person("bob"))
    assert submit(browser, address("resource", NOTES)).status_code == 302
    assert ProtectedResource.objects.get(identifier=NOTES).is_active is False


def cut(browser: Browser, kind: str, identifier: str = "", **data: str) -> Any:
    return submit(browser, address(kind, identifier), dict(data), follow=True)


def test_from_the_agents_page_to_its_end_and_back(gatehouse: World, signed_in: Page) -> None:
    tokens = gatehouse.signed_in_tokens()
    browser = signed_in("administrator")
    page = browser.get(reverse("admin:authz_client_change", args=[client("desktop-app").pk])).content.decode()
    assert address("client", "desktop-app") in page

    preview = browser.get(address("client", "desktop-app")).content.decode()
    assert "Desktop app for bob at Notes" in preview
    assert client("desktop-app").status == "approved"

    told = cut(browser, "client", "desktop-app", reason="a stolen laptop").content.decode()
    assert "Access has ended" in told and "a stolen laptop" in told
    assert gatehouse.introspect(tokens["access_token"]) == {"active": False}
    event = AuditEvent.objects.get(event="policy:access:cut_off")
    assert (event.detail["by"], event.detail["before"], event.detail["after"]) == (
        "alice", {"status": "approved"}, {"status": "suspended"},
    )  # fmt: skip

    row = CutOff.objects.get()
    back = browser.post(reverse("admin:switch_undo", args=[row.pk]), follow=True).content.decode()
    assert "Access can be requested again" in back and "never come back" in back
    assert client("desktop-app").status == "approved"
    assert gatehouse.introspect(tokens["access_token"]) == {"active": False}


def test_looking_changes_nothing(gatehouse: World, signed_in: Page) -> None:
    known = targets(gatehouse)
    browser = signed_in("administrator")
    for kind, identifier in known.items():
        browser.get(address(kind, identifier))
    browser.get(reverse("admin:switch_overview"))
    assert CutOff.objects.count() == 0
    assert Authorization.objects.filter(revoked=None).count() == 1


@pytest.mark.parametrize("sure", ["", "yes", "everything"])
def test_everything_has_to_be_meant(gatehouse: World, signed_in: Page, sure: str) -> None:
    told = cut(signed_in("administrator"), "everything", sure=sure)
    assert CutOff.objects.count() == 0
    assert told.status_code == 200
    assert Client.objects.filter(status="approved").exists()


def test_a_person_cannot_end_their_own_accounts_access(signed_in: Page) -> None:
    browser = signed_in("administrator")
    page = cut(browser, "person", "alice").content.decode()
    assert "your own account" in page
    assert User.objects.get(username="alice").is_active


@pytest.mark.parametrize("role", ["approver", "auditor", "developer", "none"])
def test_only_an_administrator_undoes_what_an_administrator_ended(signed_in: Page, role: str) -> None:
    ProtectedResource.objects.filter(identifier=NOTES).update(owner=person("bob"))
    cut(signed_in("administrator"), "resource", NOTES)
    row = CutOff.objects.get()
    signed_in(role).post(reverse("admin:switch_undo", args=[row.pk]))
    row.refresh_from_db()
    assert row.undone is None
    assert ProtectedResource.objects.get(identifier=NOTES).is_active is False


def test_undoing_twice_says_so(signed_in: Page) -> None:
    browser = signed_in("administrator")
    cut(browser, "client", "desktop-app")
    url = reverse("admin:switch_undo", args=[CutOff.objects.get().pk])
    browser.post(url)
    assert b"nothing to give back" in browser.post(url).content


@pytest.mark.parametrize(("kind", "identifier"), [("client", "nobody"), ("nothing", "x"), ("everything", "x")])
def test_what_is_not_there_is_not_found(signed_in: Page, kind: str, identifier: str) -> None:
    browser = signed_in("administrator")
    assert browser.get(address(kind, identifier)).status_code == 404
    assert browser.post(address(kind, identifier), {"sure": "end everything"}).status_code == 404


def test_a_strangers_words_are_shown_as_text(gatehouse: World, signed_in: Page) -> None:
    """Attack 11: an agent's name on the page of the switch."""
    Client.objects.filter(client_id="desktop-app").update(name="<script>alert(1)</script>")
    gatehouse.signed_in_tokens()
    page = signed_in("administrator").get(address("client", "desktop-app")).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;" in page


def test_it_needs_our_own_form(gatehouse: World, signed_in: Page) -> None:
    """A forged form from another origin has no token."""
    signed_in("administrator")
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(person("alice"), backend="authz.sign_in.password_backend.PasswordBackend")
    assert strict.post(address("everything"), {"sure": "end everything"}).status_code == 403
    assert CutOff.objects.count() == 0
