"""The owner of an agent is told before its approval ends, twice, and when it has ended (a scheduled task).

The end itself needs no task: all code that lets an agent do anything checks it (`Client.state`).
"""

from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet
from django.urls import reverse

from authz import audit, notifications
from authz.approvals import agent_lifecycle
from authz.database.transactions import unit_of_work
from authz.models import Client, User
from authz.notifications import Kind

EVERY = 300.0
NEEDS_TRUE_CLOCK = True
BATCH = 200
# How long before the end the reminders are due; the last one is due at the end itself.
BEFORE = (agent_lifecycle.SOON, timedelta(days=2), timedelta(0))


def run() -> None:
    now = datetime.now(UTC)
    for number, before in enumerate(BEFORE, start=1):
        for client in _due(number, now + before)[:BATCH]:
            _tell(client, number, now)


def _due(number: int, end: datetime) -> QuerySet[Client]:
    rows = Client.objects.filter(status=Client.Status.APPROVED, approved_until__lte=end, approval_reminders__lt=number)
    return rows.select_related("owner").order_by("approved_until")


def _tell(client: Client, number: int, now: datetime) -> None:
    """Tell the owner of an agent, once for each reminder number, that its approval ends or has ended."""
    with unit_of_work():
        # Of two nodes one tells; a person who renewed it in this moment isn't told that it ends.
        same = Client.objects.filter(pk=client.pk, approved_until=client.approved_until, approval_reminders__lt=number)
        if not same.update(approval_reminders=number):
            return
        assert client.approved_until is not None  # noqa: S101  it was found by it
        has_ended = client.approved_until <= now
        if has_ended and number == len(BEFORE):
            audit.record(
                agent_lifecycle.LifecycleEvent.APPROVAL_ENDED,
                client_id=client.client_id,
                detail={"until": client.approved_until.isoformat()},
            )
        elif has_ended:
            return  # the last reminder says so
        name = notifications.plain(client.name or client.client_id)
        end = f"{client.approved_until:%d %B %Y, %H:%M} UTC"
        notifications.tell(
            Kind.AGENT_ENDED if has_ended else Kind.AGENT_ENDS_SOON,
            _who(client),
            subject=f"{name} has stopped" if has_ended else f"The approval of {name} ends",
            body=(
                f"The approval of {name} was not renewed, and ended on {end}. It gets no more tokens."
                if has_ended
                else f"The approval of {name} ends on {end}. Unless it is renewed, the agent stops then.\n\n"
                "If it is still needed, ask an approver to renew it. You cannot renew your own agent."
            ),
            link=reverse("admin:authz_client_change", args=[client.pk]),
            about=f"agent {client.pk}",
            data={"client_id": client.client_id, "approved_until": client.approved_until.isoformat()},
            now=now,
        )


def _who(client: Client) -> list[User]:
    """Its owner; without an active owner, the administrators, who can name one."""
    if client.owner is not None and client.owner.is_active:
        return [client.owner]
    return list(User.objects.filter(is_active=True, role=User.Role.ADMINISTRATOR).order_by("pk")[:20])
