"""Calls of tools among the events: what was decided here, and what MCP servers and gateways report.

No index has a tool or a label, so without an agent, a person or an authorization they are looked for in a window
(authz/audit/queries.py).
"""

from django.db import connection
from django.db.models import QuerySet

from authz.audit import Event
from authz.models import AuditEvent

DECIDED = (Event.CALL_ALLOWED.value, Event.CALL_DENIED.value, Event.CALL_HELD.value)
REPORTED = (Event.CALL_REPORTED.value,)
CALLS = (*DECIDED, *REPORTED)
UNUSUAL = "unusual"
# The answers to “whose calls?”, as addresses have them.
BY = {"all": CALLS, "decided": DECIDED, "reported": REPORTED}

_HAS_LABEL = {
    "sqlite": "EXISTS (SELECT 1 FROM json_each(authz_auditevent.detail, '$.labels') WHERE value = %s)",
    "postgresql": "jsonb_exists(authz_auditevent.detail -> 'labels', %s)",
}


def made(events: QuerySet[AuditEvent], by: str = "all") -> QuerySet[AuditEvent]:
    """The calls among the events: `all`, those `decided` here, those `reported` by others, or the `unusual` ones."""
    if by == UNUSUAL:
        return events.filter(event__in=CALLS, detail__has_key=UNUSUAL)
    return events.filter(event__in=BY[by])


def of_tool(events: QuerySet[AuditEvent], tool: str) -> QuerySet[AuditEvent]:
    """The calls of a tool, by its exact name."""
    return made(events).filter(detail__tool=tool)


def with_label(events: QuerySet[AuditEvent], label: str) -> QuerySet[AuditEvent]:
    """The calls that had a label when they were made."""
    # A constant of this file; the label is a parameter.
    return made(events).extra(where=[_HAS_LABEL[connection.vendor]], params=[label])  # noqa: S610
