"""Unusual calls are told: to the owners, by webhook, and a flood of them as one message."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authz.database.transactions import unit_of_work
from authz.models import CallDay, Client, Notification, ProtectedResource, ToolUse, User, WebhookEndpoint
from authz.notifications import unusual_calls
from tests.support.races import at_once
from tests.support.world import NOTES, World, client, person

HOUR = timedelta(hours=1)


@pytest.fixture
def notes(gatehouse: World) -> ProtectedResource:
    ProtectedResource.objects.filter(identifier=NOTES).update(owner=person("charlie"))
    return ProtectedResource.objects.get(identifier=NOTES)


def first_use(server: ProtectedResource, tool: str, agent: Client | None = None, **changes: Any) -> ToolUse:
    now, agent = datetime.now(UTC), agent or client("desktop-app")
    facts = {"client": agent, "user": person("bob"), "resource": server, "first": now, "last": now.date()}
    return ToolUse.objects.create(**facts | {"holder": str(agent.pk), "tool": tool, "is_news": True} | changes)


def many_calls(server: ProtectedResource, **changes: Any) -> CallDay:
    now = datetime.now(UTC)
    facts = {"client": client("desktop-app"), "user": None, "resource": server, "day": now.date(), "n": 812}
    return CallDay.objects.create(**facts | {"holder": "h", "busiest": 40, "unusual_since": now} | changes)


def mails() -> list[Notification]:
    return list(Notification.objects.exclude(recipient=None).select_related("recipient").order_by("created"))


def test_the_owners_are_told_what_and_how_much(notes: ProtectedResource) -> None:
    WebhookEndpoint.objects.create(name="SIEM", url="https://siem.example.com/", events=["calls.unusual"], secret=b"x")
    use = first_use(notes, "pay_out")
    many_calls(notes, reported=True)
    unusual_calls.run()
    (mail,) = mails()
    assert mail.recipient == person("charlie")
    assert "makes unusual calls at" in mail.subject
    assert f"  pay_out, for bob, {use.first:%Y-%m-%d %H:%M} UTC\n" in mail.body
    assert "  812 calls on " in mail.body
    assert "for itself; the busiest of the 30 days before had 40, as it was reported" in mail.body
    assert "/console/authz/auditevent/?calls=unusual&client_id=desktop-app" in mail.body
    hook = Notification.objects.get(recipient=None)
    assert hook.data["client_id"] == "desktop-app"
    assert hook.data["first_uses"] == [
        {"tool": "pay_out", "subject": str(person("bob").subject), "at": use.first.isoformat(), "reported": False}
    ]
    assert hook.data["volumes"][0]["calls"] == 812
    unusual_calls.run()
    assert len(mails()) == 1


def test_an_agents_owner_is_told_and_administrators_where_there_is_none(notes: ProtectedResource) -> None:
    Client.objects.filter(client_id="desktop-app").update(owner=person("bob"))
    first_use(notes, "pay_out")
    unusual_calls.run()
    assert {mail.recipient.username for mail in mails() if mail.recipient} == {"bob", "charlie"}
    Notification.objects.all().delete()
    Client.objects.filter(client_id="desktop-app").update(owner=None)
    ProtectedResource.objects.filter(pk=notes.pk).update(owner=None)
    first_use(notes, "erase")
    unusual_calls.run()
    assert [mail.recipient.role for mail in mails() if mail.recipient] == [User.Role.ADMINISTRATOR]


def test_what_is_expected_is_not_told(notes: ProtectedResource) -> None:
    first_use(notes, "on_its_first_day", is_news=False)
    first_use(notes, "long_ago", first=datetime.now(UTC) - timedelta(days=8))
    many_calls(notes, unusual_since=None)
    unusual_calls.run()
    assert not mails()


def test_attack_a_flood_is_one_message_a_day_and_the_next_one_has_the_rest(notes: ProtectedResource) -> None:
    for n in range(15):
        first_use(notes, f"tool_{n}")
    unusual_calls.run()
    for n in range(15, 30):
        first_use(notes, f"tool_{n}")
        unusual_calls.run()
    (mail,) = mails()
    assert mail.body.count("  tool_") == 10
    assert "  and 5 more" in mail.body
    Notification.objects.update(created=datetime.now(UTC) - 25 * HOUR)
    unusual_calls.run()
    assert len(mails()) == 2
    assert "tool_15" in mails()[1].body
    assert not ToolUse.objects.filter(told=None).exists()


def test_attack_many_agents_fill_no_mail_box(notes: ProtectedResource) -> None:
    agents = [
        Client.objects.create(client_id=f"agent-{n}", name=f"https://evil.example/{n}", status="approved")
        for n in range(unusual_calls.MOST_AN_HOUR + 5)
    ]
    for agent in agents:
        first_use(notes, "pay_out\u202e", agent)
    for _ in range(3):
        unusual_calls.run()
    assert len(mails()) == unusual_calls.MOST_AN_HOUR
    assert not any("https://evil" in mail.subject or "\u202e" in mail.body for mail in mails())
    Notification.objects.update(created=datetime.now(UTC) - 2 * HOUR)
    unusual_calls.run()
    assert len(mails()) == unusual_calls.MOST_AN_HOUR + 5


@pytest.mark.django_db(transaction=True)
def test_of_two_nodes_one_tells(committed_gatehouse: World) -> None:
    notes = ProtectedResource.objects.get(identifier=NOTES)
    with unit_of_work():
        ProtectedResource.objects.filter(pk=notes.pk).update(owner=person("charlie"))
        first_use(notes, "pay_out")
    at_once([unusual_calls.run] * 4)
    assert len(mails()) == 1
