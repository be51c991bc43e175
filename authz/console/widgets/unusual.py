"""Unusual calls: in words for forms, and the last ones of an agent, a person or an MCP server for its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from authz.audit.calls import UNUSUAL as OF_AUDIT
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.models import CallDay, Client, ProtectedResource, ToolUse, User
from authz.policy import Unusual

UNUSUAL = (
    (Unusual.FIRST_USE.value, "The agent’s first call of the tool for the person"),
    (Unusual.VOLUME.value, "Far more calls than on its busiest day"),
)
BOTH = (" ".join(Unusual), "Both")
# Rows of a page, and for how long they stand there and on the home page.
SHOWN = 8
DAYS, LATELY = timedelta(days=30), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Row:
    """An unusual call, or a day of them. `tool` is "" where all tools are meant."""

    tool: str
    calls: CallDay | None
    of: ToolUse | CallDay
    at: datetime

    @property
    def url(self) -> str:
        """The events behind it."""
        asked = {"calls": OF_AUDIT, "client_id": self.of.client.client_id, "resource": self.of.resource.identifier}
        return address(**asked, **({"tool": self.tool} if self.tool else {}))


def address(**asked: str) -> str:
    return f"{reverse('admin:authz_auditevent_changelist')}?{urlencode(asked)}"


def panel(request: HttpRequest, of: Client | User | ProtectedResource) -> dict[str, Any]:
    """The last ones of an agent, a person or an MCP server, if the viewer may read the audit. Two queries."""
    if not request.user.has_perm("authz.view_auditevent"):
        return {}
    match of:
        case Client():
            rows, asked = Q(client=of), {"client_id": of.client_id}
        case User():
            rows, asked = Q(user=of), {"subject": str(of.subject)}
        case _:
            rows, asked = Q(resource=of), {"resource": of.identifier}
    since = datetime.now(UTC) - DAYS
    related = ("client", "user", "resource")
    uses = ToolUse.objects.filter(rows, is_news=True, first__gt=since).select_related(*related).order_by("-first")
    days = CallDay.objects.filter(rows, unusual_since__gt=since).select_related(*related).order_by("-unusual_since")
    found = [Row(use.tool, None, use, use.first) for use in uses[:SHOWN]]
    found += [Row("", day, day, day.unusual_since) for day in days[:SHOWN] if day.unusual_since]
    newest = sorted(found, key=lambda row: row.at, reverse=True)[:SHOWN]
    return {"unusual_calls": newest, "all_unusual_calls": address(calls=OF_AUDIT, **asked)}


def tasks(request: HttpRequest, now: datetime) -> Sequence[Task]:
    """For the home page: how many agents made unusual calls lately."""
    if not request.user.has_perm("authz.view_auditevent"):
        return ()
    uses = ToolUse.objects.filter(is_news=True, first__gt=now - LATELY).order_by().values("client")
    days = CallDay.objects.filter(unusual_since__gt=now - LATELY).order_by().values("client")
    agents = Client.objects.filter(pk__in=uses.union(days))[:MAX_TASKS].count()
    if not agents:
        return ()
    text = many(agents, "1 agent makes unusual calls of tools", "{} agents make unusual calls of tools")
    return (Task(text, address(calls=OF_AUDIT, period="24h"), "Look"),)
