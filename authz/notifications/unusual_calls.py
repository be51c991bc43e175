"""Tells people of unusual calls (a scheduled task): one message about an agent and an MCP server, at most once a day.

What happens until the next message is in the next message. On the day on which an agent begins to call an MCP server
for a person, each tool is called for the first time, and no one is told of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Q

from authz.database.transactions import unit_of_work
from authz.models import CallDay, Client, Notification, ProtectedResource, ToolUse, User
from authz.notifications import Kind, plain, tell

EVERY = 60.0
_AUDIT = {"calls": "unusual"}
# The same agent at the same MCP server is told of again after this.
PAUSE = timedelta(days=1)
# Attack: many agents, so that the mail boxes fill up. What is more waits.
MOST_AN_HOUR = 20
# Older ones are no news any more.
NEWS = timedelta(days=7)
# Lines of a message for each kind.
SHOWN = 10


@dataclass(slots=True)
class _About:
    """What there is to tell about an agent at an MCP server."""

    uses: list[ToolUse] = field(default_factory=list)
    days: list[CallDay] = field(default_factory=list)


def run() -> None:
    now = datetime.now(UTC)
    lately = Notification.objects.filter(kind=Kind.CALLS_UNUSUAL.value)
    paused = set(lately.filter(created__gt=now - PAUSE).values_list("about", flat=True))
    left = MOST_AN_HOUR - lately.filter(created__gt=now - timedelta(hours=1)).values("message").distinct().count()
    for key, found in _untold(now).items():
        if left <= 0:
            return
        if _about(*key) not in paused:
            left -= _tell(key, found, now)


def _untold(now: datetime) -> dict[tuple[int, int], _About]:
    """By the keys of the agent and of the MCP server, the oldest first."""
    found: dict[tuple[int, int], _About] = {}
    recent = now - NEWS
    uses = ToolUse.objects.filter(is_news=True, told=None, first__gt=recent).select_related("user").order_by("first")
    for use in uses[:1000]:
        found.setdefault((use.client_id, use.resource_id), _About()).uses.append(use)
    days = CallDay.objects.filter(told=None, unusual_since__gt=recent).select_related("user").order_by("unusual_since")
    for day in days[:1000]:
        found.setdefault((day.client_id, day.resource_id), _About()).days.append(day)
    return found


def _about(client: int, resource: int) -> str:
    return f"calls:{client}:{resource}"


def _tell(key: tuple[int, int], found: _About, now: datetime) -> bool:
    """Whether there was something to tell, and this node tells it."""
    client = Client.all_objects.filter(pk=key[0]).select_related("owner").first()
    server = ProtectedResource.all_objects.filter(pk=key[1]).select_related("owner").first()
    with unit_of_work():
        # Conditional, so that of two nodes one tells (invariant 3).
        mine = ToolUse.objects.filter(pk__in=[use.pk for use in found.uses], told=None).update(told=now)
        mine += CallDay.objects.filter(pk__in=[day.pk for day in found.days], told=None).update(told=now)
        if not mine or client is None or server is None:
            return False
        agent = client.name or client.host or client.client_id
        tell(
            Kind.CALLS_UNUSUAL,
            _recipients(client, server),
            subject=f"“{plain(agent, 40)}” makes unusual calls at {plain(server.name or server.identifier, 60)}",
            body="\n".join(_lines(found)),
            link=f"/console/authz/auditevent/?{urlencode(_AUDIT | {'client_id': client.client_id})}",
            about=_about(*key),
            data={
                "client_id": client.client_id,
                "resource": server.identifier,
                "first_uses": [
                    {"tool": use.tool, "subject": _subject(use), "at": use.first.isoformat(), "reported": use.reported}
                    for use in found.uses[:SHOWN]
                ],
                "volumes": [
                    {"subject": _subject(day), "day": day.day.isoformat(), "calls": day.n, "busiest_day": day.busiest}
                    | {"reported": day.reported}
                    for day in found.days[:SHOWN]
                ],
            },
            now=now,
        )
    return True


def _recipients(client: Client, server: ProtectedResource) -> list[User]:
    """The owners of the MCP server and of the agent; administrators where there is none."""
    people = User.objects.filter(is_active=True)
    owners = people.filter(Q(pk=client.owner_id) | Q(pk__in=server.owner_keys()))
    return list(owners) or list(people.filter(role=User.Role.ADMINISTRATOR))


def _lines(found: _About) -> list[str]:
    lines = []
    if found.uses:
        told = [
            f"  {plain(use.tool, 128)}, for {_person(use)}, {use.first:%Y-%m-%d %H:%M} UTC{_reported(use)}"
            for use in found.uses
        ]
        lines += ["Tools that it called for the first time:", "", *_shortened(told), ""]
    if found.days:
        told = [
            f"  {day.n} calls on {day.day:%Y-%m-%d}, for {_person(day)}; the busiest of the 30 days before had"
            f" {day.busiest}{_reported(day)}"
            for day in found.days
        ]
        lines += ["Days with far more calls than before:", "", *_shortened(told), ""]
    return [*lines, "Rules can hold such calls until a person has approved them. The calls, for readers of the audit:"]


def _shortened(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"  and {more} more"] if more > 0 else [])]


def _person(row: ToolUse | CallDay) -> str:
    return "itself" if row.user is None else plain(row.user.username)


def _subject(row: ToolUse | CallDay) -> str | None:
    return None if row.user is None else str(row.user.subject)


def _reported(row: ToolUse | CallDay) -> str:
    return ", as it was reported" if row.reported else ""
