"""Approving shows what is decided on and takes a reason; rejecting says why, to the audit and the owner."""

from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.urls import reverse

from authz.approvals import agent_lifecycle
from authz.models import AuditEvent, Client, Notification
from tests.console.conftest import Page
from tests.console.test_add_agent import APP, added
from tests.console.test_agents import act, terms
from tests.support.world import client, person, submit

WHY = {"reason": "It asks for more than it needs."}


def page_of(agent: Client) -> str:
    return reverse("admin:authz_client_reject", args=[agent.pk])


@pytest.mark.any_database
def test_the_page_of_an_approval_shows_what_is_decided_on(signed_in: Page) -> None:
    added(signed_in("developer"), "app", {**APP, "redirect_uris": "http://127.0.0.1/one\nhttp://127.0.0.1/two"})

    page = signed_in("approver").get(act("approved", Client.objects.get(name=APP["name"]))).content.decode()

    for fact in ("http://127.0.0.1/one", "http://127.0.0.1/two", "authorization_code", "it proves nothing", ">erin<"):
        assert fact in page, fact


def test_the_reason_of_an_approval_is_in_the_audit(signed_in: Page) -> None:
    submit(signed_in("approver"), act("approved", client("pending-agent")), terms(reason="Ticket 4711"))

    assert AuditEvent.objects.get(event="agent:status:approved").detail["because"] == "Ticket 4711"


@pytest.mark.any_database
def test_a_rejected_agent_no_longer_waits_and_its_owner_is_told_why(signed_in: Page) -> None:
    owner = person("charlie")
    owner.email = "charlie@example.com"
    owner.save()
    Client.objects.filter(client_id="pending-agent").update(owner=owner)

    submit(signed_in("approver"), page_of(client("pending-agent")), WHY)

    assert client("pending-agent").status == "retired"
    event = AuditEvent.objects.get(event="agent:status:rejected")
    assert (event.client_id, event.detail["because"], event.detail["by"]) == ("pending-agent", WHY["reason"], "bob")
    notice = Notification.objects.get(kind="agent.rejected", recipient=owner)
    assert WHY["reason"] in notice.body


def test_a_rejection_without_a_reason_is_none(signed_in: Page) -> None:
    page = submit(signed_in("approver"), page_of(client("pending-agent")), {"reason": " "})

    assert "This field is required." in page.content.decode()
    assert client("pending-agent").status == "pending"


def test_an_approved_agent_is_not_rejected(signed_in: Page) -> None:
    page = submit(signed_in("approver"), page_of(client("nightly-report")), WHY, follow=True)

    assert "It no longer waits for an approval." in page.content.decode()
    assert client("nightly-report").status == "approved"
    assert not AuditEvent.objects.filter(event="agent:status:rejected").exists()


@pytest.mark.parametrize("role", ["auditor", "developer"])
def test_who_may_not_approve_may_not_reject(signed_in: Page, role: str) -> None:
    agent = client("pending-agent")

    assert signed_in(role).post(page_of(agent), WHY).status_code == 403
    assert client("pending-agent").status == "pending"


@pytest.mark.any_database
@pytest.mark.usefixtures("committed_gatehouse")
def test_of_two_who_reject_at_once_one_does() -> None:
    agent, by, barrier, moved = client("pending-agent"), person("alice"), Barrier(2), []

    def decide() -> None:
        barrier.wait()
        moved.append(agent_lifecycle.reject(agent, by=by, now=datetime.now(UTC), reason="No."))
        connection.close()

    threads = [Thread(target=decide) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(moved) == [False, True]
    assert AuditEvent.objects.filter(event="agent:status:rejected").count() == 1
