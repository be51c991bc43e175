"""Webhooks and notifications in the console: who configures, who looks, and what did not arrive is tried again."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse

from authz.models import AuditEvent, Notification, WebhookEndpoint
from authz.notifications import delivery as notification_delivery
from authz.notifications import webhook_secrets
from authz.protocol.standard_webhooks import key
from tests.console.conftest import Page
from tests.support.document_host import reply
from tests.support.webhook_receiver import Receiver, webhook_receiver
from tests.support.world import World

LIST = reverse("admin:authz_webhookendpoint_changelist")
ADD = reverse("admin:authz_webhookendpoint_add")
NOTIFICATIONS = reverse("admin:authz_notification_changelist")
GIVEN = {
    "name": "Chat",
    "url": "https://chat.example/hook",
    "events": "access_request.opened\nagent.waits",
    "enabled": "on",
}


@pytest.fixture
def receiver(gatehouse: World) -> Iterator[Receiver]:
    with webhook_receiver() as found:
        yield found


def page(row: Any, what: str = "change") -> str:
    return reverse(f"admin:authz_{row._meta.model_name}_{what}", args=[row.pk])


def test_an_administrator_adds_one_and_sees_its_secret_once(signed_in: Page) -> None:
    browser = signed_in("administrator")
    answer = browser.post(ADD, GIVEN)
    row = WebhookEndpoint.objects.get()
    assert row.events == ["access_request.opened", "agent.waits"]
    assert answer["Location"] == page(row, "secret")
    assert b"whsec_" not in browser.get(page(row, "secret")).content
    shown = re.search(r"whsec_[A-Za-z0-9+/=]+", browser.post(page(row, "secret")).content.decode())
    assert shown is not None
    row.refresh_from_db()
    assert webhook_secrets.key_of(row) == key(shown[0])
    for path in (LIST, page(row), page(row, "secret")):
        assert b"whsec_" not in browser.get(path).content
    assert AuditEvent.objects.filter(event="configuration:object:changed", detail__changed=["secret"]).exists()
    assert not [event for event in AuditEvent.objects.all() if "whsec_" in str(event.detail)]


@pytest.mark.parametrize(
    "url", ["http://chat.example/", "https://10.0.0.1:70000/", "javascript:alert(1)", "file:///etc/passwd"]
)
def test_a_url_that_is_not_called_is_refused(signed_in: Page, url: str) -> None:
    assert signed_in("administrator").post(ADD, {**GIVEN, "url": url}).status_code == 200
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.parametrize("role", ["approver", "auditor", "developer", "none"])
def test_other_roles_cannot_change_a_webhook_or_read_its_secret(signed_in: Page, receiver: Receiver, role: str) -> None:
    browser, row = signed_in(role), receiver.endpoint
    before = bytes(WebhookEndpoint.objects.get().secret)
    for path in (ADD, page(row), page(row, "secret"), page(row, "test"), page(row, "delete")):
        answer = browser.post(path, {**GIVEN, "post": "yes"})
        assert answer.status_code in {302, 403}
        assert b"whsec_" not in answer.content
    row.refresh_from_db()
    assert (row.name, bytes(row.secret)) == ("Receiver", before)
    assert not Notification.objects.exists()


def test_a_test_arrives_signed(signed_in: Page, receiver: Receiver) -> None:
    WebhookEndpoint.objects.update(events=[])
    browser = signed_in("administrator")
    assert browser.get(page(receiver.endpoint, "test")).status_code == 200
    browser.post(page(receiver.endpoint, "test"))
    notification_delivery.run()
    (delivery,) = receiver.deliveries()
    assert (delivery["body"]["type"], delivery["body"]["data"]) == ("webhook.test", {"by": "alice"})


def test_what_fails_is_seen_and_tried_again(signed_in: Page, receiver: Receiver) -> None:
    browser = signed_in("administrator")
    receiver.answers(reply(b"", status="500 Oops"))
    webhook_secrets.send_test(receiver.endpoint, by="alice", now=datetime.now(UTC))
    notification_delivery.run()
    assert "Fails" in browser.get(LIST).content.decode()
    row = Notification.objects.get()
    Notification.objects.update(due=None)
    assert "1 notification did not arrive" in browser.get(reverse("admin:index")).content.decode()
    assert "Given up" in browser.get(f"{NOTIFICATIONS}?state=failed").content.decode()
    assert "status other than 200" in browser.get(page(row)).content.decode()
    receiver.answers(reply(b""))
    assert browser.get(page(row, "again")).status_code == 200
    assert Notification.objects.get().due is None, "looking changes nothing"
    browser.post(page(row, "again"))
    notification_delivery.run()
    assert Notification.objects.get().state == "sent"
    browser.post(page(row, "again"))
    assert Notification.objects.get().due is None, "what has arrived is not sent again"
    assert "Works" in browser.get(LIST).content.decode()


@pytest.mark.parametrize("role", ["approver", "auditor"])
def test_who_reads_everything_reads_what_was_told_and_changes_nothing(
    signed_in: Page, receiver: Receiver, role: str
) -> None:
    webhook_secrets.send_test(receiver.endpoint, by="alice", now=datetime.now(UTC))
    row, browser = Notification.objects.get(), signed_in(role)
    assert browser.get(page(row)).status_code == 200
    assert browser.post(page(row, "again")).status_code == 403
    assert browser.post(page(row, "delete"), {"post": "yes"}).status_code == 403
    assert Notification.objects.exists()


@pytest.mark.parametrize("state", ["sent", "waiting", "failed"])
def test_the_list_is_filtered_by_state(signed_in: Page, receiver: Receiver, state: str) -> None:
    now = datetime.now(UTC)
    for wanted, changes in (("sent", {"due": None, "delivered": now}), ("waiting", {}), ("failed", {"due": None})):
        webhook_secrets.send_test(receiver.endpoint, by=wanted, now=now)
        Notification.objects.filter(subject=f"A test by {wanted}").update(**changes)
    shown = signed_in("auditor").get(f"{NOTIFICATIONS}?state={state}").content.decode()
    assert re.findall(r"A test by (\w+)", shown) == [state]
