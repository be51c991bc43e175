"""What is unusual about calls that others report: shown and told like those that are decided here.

Attack: a reporter makes a tool a used one, or a day a busy one, so that the rules let pass what they would hold.
Reported calls are compared with reported calls only (`Holder.reported`), and no rule sees them. They are counted only
for an agent and a person that have, or had, an authorization at the MCP server: a reporter can't fill the table with
made-up names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from authz.audit import Described
from authz.decisions import usage
from authz.decisions.usage_counts import Holder
from authz.endpoints.decision_point.caller import Caller
from authz.models import Authorization

# (client_id, sub or user name, resource) as the event has them; the person is "" where the agent acts for itself.
_Named = tuple[str, str, str]


def compared(events: Sequence[Described], caller: Caller, now: datetime) -> list[Described]:
    """The events, each with what is unusual about it, in their order. Inside the transaction that records them: first
    uses are written.
    """
    holders = _holders(events)
    known = usage.load(set(holders.values()), now.date()) if holders else {}
    found = []
    for event in events:
        holder, server, tool = holders.get(_named(event)), caller.server(event.resource), event.detail.get("tool")
        if holder is None or server is None or not isinstance(tool, str):
            found.append(event)
            continue
        its = known[holder.key]
        measured = usage.judge(holder, tool, server, its, datetime.fromisoformat(str(event.detail["at"])).date())
        is_allowed = event.detail["decision"] is True
        if is_allowed:
            if measured.is_first_use:
                usage.remember(measured, now.timestamp())
            its.tools[tool] = measured.day
            its.days[measured.day] = measured.today
        usage.count(measured, allowed=is_allowed, moment=now.timestamp())
        found.append(replace(event, detail={**event.detail, **measured.facts()}))
    return found


def _named(event: Described) -> _Named:
    """A token of an agent that acts for itself has the agent as its subject."""
    return event.client_id, "" if event.subject == event.client_id else event.subject, event.resource


def _holders(events: Sequence[Described]) -> Mapping[_Named, Holder]:
    """Those of the events' holders that are known here. One statement."""
    named = {_named(event) for event in events if "tool" in event.detail}
    people = {person for _, person, _ in named if person}
    subjects = [subject for person in people if (subject := _uuid(person)) is not None]
    there = Authorization.objects.filter(
        Q(user=None) | Q(user__subject__in=subjects) | Q(user__username__in=people),
        client__client_id__in={agent for agent, _, _ in named},
        resource__identifier__in={resource for _, _, resource in named},
    )
    columns = ("client__client_id", "user__subject", "user__username", "resource__identifier")
    found = {}
    rows = there.order_by().values_list(*columns, "client", "user", "resource").distinct()
    for agent, subject, username, resource, client, user, server in rows:
        holder = Holder(client, user, server, reported=True)
        for person in ("",) if subject is None else (str(subject), username):
            found[agent, person, resource] = holder
    return {key: holder for key, holder in found.items() if key in named}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
