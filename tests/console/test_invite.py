"""Inviting a person in the console and through the API."""

import re
from datetime import UTC, datetime

import pytest
from django.core import mail
from django.test import Client as Browser
from django.test import override_settings
from django.urls import reverse

from authz.configuration import apply
from authz.models import AuditEvent, Invitation, Notification, User
from authz.notifications import delivery
from tests.console.conftest import Page
from tests.sign_in.test_invitations import GIVEN, invite
from tests.support import world

WITHOUT_MAIL = override_settings(EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend")


def address(username: str) -> str:
    return reverse("admin:authz_user_invite", args=[User.objects.get(username=username).pk])


def test_who_invited_a_person_is_in_the_audit(signed_in: Page) -> None:
    browser = signed_in("administrator")
    apply("users: [{username: nora}]")
    nora = User.objects.get(username="nora")
    page = browser.post(reverse("admin:authz_user_invite", args=[nora.pk])).content.decode()
    assert "/account/invitation/" in page
    event = AuditEvent.objects.get(event="person:invitation:made")
    assert (event.subject, event.detail["by"]) == (str(nora.subject), "alice")
    assert event.detail["by_subject"] == str(world.person("alice").subject)
    token = re.search(r"/account/invitation/([\w-]+)/", page)
    assert token is not None and not [row for row in AuditEvent.objects.all() if token[1] in str(row.detail)]
    assert b"/account/invitation/" not in browser.get(reverse("admin:authz_user_invite", args=[nora.pk])).content


@pytest.mark.parametrize("role", ["auditor", "approver"])
def test_a_reader_of_the_outbox_learns_no_link(signed_in: Page, role: str) -> None:
    invite(by_mail=True)
    row = Notification.objects.get(kind="person.invited")
    page = signed_in(role).get(reverse("admin:authz_notification_change", args=[row.pk])).content
    assert b"invites you" in page and b"/account/invitation/" not in page


def test_a_new_person_is_invited_by_mail_right_away(signed_in: Page) -> None:
    browser = signed_in("administrator")
    answer = browser.post(
        reverse("admin:authz_user_add"),
        {"username": "nora", "email": "nora@example.com", "is_active": "on", "role": "none"},
    )
    assert answer["Location"] == address("nora")
    page = browser.get(address("nora")).content.decode()
    assert "By mail to nora@example.com" in page
    browser.post(address("nora"), {"how": "mail"})
    assert b"/account/invitation/" not in browser.get(reverse("admin:authz_user_changelist")).content
    delivery.run()
    (message,) = mail.outbox
    assert message.to == ["nora@example.com"] and "alice invites you" in message.body
    link = re.search(r"/account/invitation/[\w-]+/", str(message.body))
    assert link is not None and Browser().post(link[0], GIVEN).status_code == 302


@WITHOUT_MAIL
def test_without_a_mail_server_the_link_is_shown_once(signed_in: Page) -> None:
    browser = signed_in("administrator")
    apply("users: [{username: nora, email: nora@example.com}]")
    assert b"No mail server is set up" in browser.get(address("nora")).content
    page = browser.post(address("nora"), {"how": "mail"}).content.decode()
    assert len(re.findall(r"/account/invitation/[\w-]+/", page)) == 1
    assert not Notification.objects.exclude(recipient=None).exists()
    again = browser.get(address("nora")).content.decode()
    assert "stops working" in again and "/account/invitation/" not in again


@pytest.mark.parametrize("role", ["approver", "auditor", "developer", "none"])
def test_other_roles_invite_no_one(signed_in: Page, role: str) -> None:
    browser = signed_in(role)
    apply("users: [{username: nora}]")
    for answer in (browser.get(address("nora")), browser.post(address("nora"))):
        assert answer.status_code in {302, 403} and b"/account/invitation/" not in answer.content
    answer = browser.post("/api/v1/people/nora/invitation", {}, content_type="application/json")
    assert answer.status_code == 403
    assert not Invitation.objects.exists()


def test_a_mail_that_was_given_up_is_not_tried_again_without_its_link(signed_in: Page) -> None:
    invite(by_mail=True)
    row = Notification.objects.get(kind="person.invited")
    Notification.objects.update(due=None, sealed=None, failure="The host did not accept a connection.")
    browser, again = signed_in("administrator"), reverse("admin:authz_notification_again", args=[row.pk])
    assert browser.post(again).status_code == 403
    row.refresh_from_db()
    assert row.due is None


def test_a_replaced_invitations_mail_is_not_sent(signed_in: Page) -> None:
    invite(by_mail=True)
    invite(by_mail=True)
    delivery.run()
    (message,) = mail.outbox
    link = re.search(r"/account/invitation/[\w-]+/", str(message.body))
    assert link is not None and Browser().post(link[0], GIVEN).status_code == 302


def test_the_api_invites(signed_in: Page) -> None:
    browser = signed_in("administrator")
    apply("users: [{username: nora, email: nora@example.com}]")
    answer = browser.post("/api/v1/people/nora/invitation", {}, content_type="application/json")
    assert answer.status_code == 201, answer.content
    given = answer.json()
    assert datetime.fromisoformat(given["expires"]) > datetime.now(UTC)
    mailed = browser.post("/api/v1/people/nora/invitation", {"mail": True}, content_type="application/json").json()
    assert mailed["mailed_to"] == "nora@example.com" and "link" not in mailed
    path = re.sub(r"https?://[^/]+", "", given["link"])
    assert Browser().post(path, GIVEN).status_code == 404  # replaced
    for name, wrong, status in (("ghost", {}, 404), ("nora", {"mail": "yes"}, 422), ("nora", {"x": 1}, 422)):
        found = browser.post(f"/api/v1/people/{name}/invitation", wrong, content_type="application/json")
        assert found.status_code == status
