"""An agent's life: pending → approved, for a time and by a person → suspended → retired.

An approval names the agent's owner, its environment and its end date. It expires at that time (`Client.state`); owners
are reminded before (authz/approvals/recertification.py), and approvers may renew it. person approves or renews their
own agent. Each change is one conditional UPDATE, so of two concurrent ones one succeeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet

from authz import audit, authorizations
from authz.approvals import notices
from authz.audit import queries
from authz.database.transactions import unit_of_work
from authz.models import AuditEvent, Authorization, Client, User

Status = Client.Status

OWN = "You cannot approve your own agent."
# Half a year, unless the approver says otherwise; once a year a person has to look at it in any case.
USUAL = timedelta(days=180)
LONGEST = timedelta(days=366)
# When an end is soon enough to be told and listed.
SOON = timedelta(days=14)

MOVES: Mapping[str, frozenset[str]] = {
    Status.APPROVED: frozenset({Status.PENDING, Status.SUSPENDED, Status.RETIRED}),
    Status.SUSPENDED: frozenset({Status.PENDING, Status.APPROVED}),
    Status.RETIRED: frozenset({Status.PENDING, Status.APPROVED, Status.SUSPENDED}),
}


class LifecycleEvent(StrEnum):
    AGENT_APPROVED = "agent:status:approved"
    AGENT_RENEWED = "agent:approval:renewed"
    APPROVAL_ENDED = "agent:approval:ended"
    AGENT_REJECTED = "agent:status:rejected"
    AGENT_SUSPENDED = "agent:status:suspended"
    AGENT_RETIRED = "agent:status:retired"
    OWNER_LEFT = "agent:owner:left"
    OWNER_RETURNED = "agent:owner:returned"
    AGENT_PASSED = "agent:owner:passed"


class CannotApprove(PermissionDenied):
    """Why an agent cannot be approved as asked, in words for who tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an approval says. What is None stays as it is on the agent; no end is the usual one from now.

    The audit keeps `reason`.
    """

    owner: User | None = None
    environment: str | None = None
    until: datetime | None = None
    reason: str = ""


def change_status(client: Client, to: str, *, by: User, now: datetime, terms: Terms | None = None) -> bool:
    """Move an agent to another status; False if another request changed it first.

    Raises `PermissionDenied` for one's own, and `CannotApprove`.
    """
    if to == Status.APPROVED:
        return approve(client, by=by, now=now, terms=terms or Terms())
    with unit_of_work():
        moved = Client.objects.filter(pk=client.pk, status__in=MOVES[Status(to)]).update(status=to)
        if not moved:
            return False
        ended = 0
        if to == Status.RETIRED:
            ended = authorizations.end(Authorization.objects.filter(client=client), reason="client_retired", now=now)
        event = LifecycleEvent.AGENT_RETIRED if to == Status.RETIRED else LifecycleEvent.AGENT_SUSPENDED
        if to == Status.SUSPENDED:
            authorizations.rest([client], now=now)
        _record(event, client, by, was=client.status, **({"ended": ended} if ended else {}))
    return True


def approve(client: Client, *, by: User, now: datetime, terms: Terms) -> bool:
    """Approve an agent, or renew its approval; False if another person decided first. Raises as `switch` does."""
    with unit_of_work():
        values = approval(client, by=by, now=now, terms=terms)
        # As it was looked at: neither moved, nor renewed, nor given to who approves it, meanwhile.
        names = ("status", "approved_until", "metadata_digest", "consent_digest", "redirect_uris", "client_jwks_uri")
        same = Client.objects.filter(pk=client.pk, **{name: getattr(client, name) for name in names})
        if not same.filter(Q(owner=None) | ~Q(owner=by)).update(**values):
            return False
        event = LifecycleEvent.AGENT_RENEWED if client.status == Status.APPROVED else LifecycleEvent.AGENT_APPROVED
        detail = {"owner": values["owner"].username, "environment": values["environment"], **because(terms)}
        _record(event, client, by, was=client.status, until=values["approved_until"].isoformat(), **detail)
    return True


def approval(client: Client, *, by: User, now: datetime, terms: Terms) -> dict[str, Any]:
    """The columns of an approved agent. Raises `PermissionDenied` for one's own, and `CannotApprove`."""
    owner, until = terms.owner or client.owner, terms.until or now + USUAL
    if by.pk in (client.owner_id, owner.pk if owner else None):
        raise PermissionDenied(OWN)
    if owner is None or not owner.is_active:
        raise CannotApprove("It needs an owner, who is there to answer for it.")
    if not now < until <= now + LONGEST:
        raise CannotApprove(f"An approval ends within {LONGEST.days} days.")
    return {
        "status": Status.APPROVED,
        "owner": owner,
        "owner_left": None,
        "lost_owner": "",
        "environment": client.environment if terms.environment is None else terms.environment.strip(),
        "approved": now,
        "approved_by": by,
        "approved_until": until,
        "approval_reminders": 0,
    }


def because(terms: Terms) -> dict[str, str]:
    """The reason of an approval, for the audit's detail."""
    return {"because": terms.reason} if terms.reason else {}


def reject(client: Client, *, by: User, now: datetime, reason: str) -> bool:
    """Retire an agent that waits, and tell its owner why; False if it no longer waits."""
    with unit_of_work():
        if not Client.objects.filter(pk=client.pk, status=Status.PENDING).update(status=Status.RETIRED):
            return False
        authorizations.end(Authorization.objects.filter(client=client), reason="client_retired", now=now)
        _record(LifecycleEvent.AGENT_REJECTED, client, by, was=client.status, because=reason)
        notices.agent_rejected(client, by, reason, now)
    return True


def is_ones_own(client: Client, to: str, by: User) -> bool:
    """Whether a person would approve their own agent, which no one may do, administrators included."""
    return to == Status.APPROVED and client.owner_id == by.pk


def _record(event: LifecycleEvent, client: Client, by: User, **detail: object) -> None:
    audit.record(event, client_id=client.client_id, subject=str(by.subject), detail={"by": by.username, **detail})


# --- What a person should look at -------------------------------------------------------------------------------------


def ending(now: datetime, within: timedelta = SOON) -> QuerySet[Client]:
    """Approved agents whose approval ends soon, the first to end first."""
    rows = Client.objects.filter(status=Status.APPROVED, approved_until__gt=now, approved_until__lte=now + within)
    return rows.select_related("owner").order_by("approved_until", "pk")


def ended(now: datetime) -> QuerySet[Client]:
    """Agents whose approval was not renewed."""
    rows = Client.objects.filter(status=Status.APPROVED, approved_until__lte=now)
    return rows.select_related("owner").order_by("approved_until", "pk")


def ownerless() -> QuerySet[Client]:
    """Agents without an owner, or whose owner has left."""
    rows = Client.objects.filter(Q(owner=None) | Q(owner__is_active=False))
    return rows.exclude(status=Status.RETIRED).select_related("owner").order_by("client_id")


def unused(now: datetime, since: timedelta) -> QuerySet[Client]:
    """Approved agents, older than that, that got no token and asked about none since."""
    used = AuditEvent.objects.exclude(client_id="").filter(
        client_id=OuterRef("client_id"), id__gte=queries.first_id(now - since), event__in=_USES
    )
    rows = Client.objects.filter(status=Status.APPROVED, created__lt=now - since)
    return rows.filter(~Exists(used)).select_related("owner").order_by("client_id")


# An MCP server is a client, too: it lives by introspection.
_USES = (audit.Event.TOKEN_ISSUED.value, audit.Event.TOKEN_INTROSPECTED.value, "token:id_jag:issued")
