"""How is my request? Which requests wait for me?"""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from authz.approvals import access_requests, approvers
from authz.configuration.mcp_resource import READ
from authz.mcp_server import request_answers
from authz.mcp_server.caller import Caller
from authz.mcp_server.request_answers import REQUEST_ITEM
from authz.mcp_server.schemas import TEXT, TEXT_OR_NULL, TEXTS, answers, list_of, takes, text
from authz.mcp_server.tool import READS, Call, Done, Tool, ToolError
from authz.models import AccessRequest
from authz.protocol.display_names import visible

SHOWN = 20


def own(caller: Caller) -> QuerySet[AccessRequest]:
    """The requests of this agent for its person (or for itself), and those for agents that the person owns."""
    mine = Q(client=caller.client, user=caller.person)
    if caller.person is not None:
        mine |= Q(client__owner=caller.person, user=None) | Q(client__owner=caller.person, user=caller.person)
    return AccessRequest.objects.filter(mine).select_related("client__owner", "user")


def status(call: Call) -> Done:
    rows = own(call.caller)
    if "request" in call.arguments:
        rows = rows.filter(pk=_uuid(call.arguments["request"]))
    found = list(rows.order_by("-last_asked", "pk")[:SHOWN])
    if not found and "request" in call.arguments:
        raise ToolError("request: is none of yours.")
    items = [request_answers.as_item(row, call.caller.moment) for row in found]
    told = "\n".join(f"{item['server']}: {request_answers.sentence(item)}" for item in items)
    return Done(told or "You have asked for nothing.", {"requests": items})


def waiting(call: Call) -> Done:
    """For approvers: what they may decide, and where. Deciding is for the page alone."""
    person, now = call.caller.person, call.caller.moment
    if person is None:
        raise ToolError("Only people decide access requests.")
    rows = approvers.waiting_for(person, access_requests.queue(now), SHOWN)
    items: list[dict[str, Any]] = [
        {
            "request": str(row.pk),
            "address": access_requests.address(row),
            "agent": visible(row.client.name or row.client.client_id),
            "client_id": row.client.client_id,
            "person": row.user.username if row.user else None,
            "server": row.resource,
            "scopes": list(row.scopes),
            "reason": visible(row.reason),
            "since": row.first_asked.isoformat(timespec="seconds"),
        }
        for row in rows
    ]
    lines = [
        f"{item['agent']} ({item['client_id']}) for {item['person'] or 'itself'} at {item['server']}:"
        f" {' '.join(item['scopes'])}. Decide at {item['address']}"
        for item in items
    ]
    return Done("\n".join(lines) or "Nothing waits for you.", {"requests": items})


def _uuid(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise ToolError("request: is the id of an access request.") from None


WAITING = answers(
    request=TEXT,
    address=TEXT,
    agent=TEXT,
    client_id=TEXT,
    person=TEXT_OR_NULL,
    server=TEXT,
    scopes=TEXTS,
    reason=TEXT,
    since=TEXT,
)
TOOLS = (
    Tool(
        name="access_request_status",
        title="Access request status",
        description="How an access request of this agent stands, or (without `request`) how the latest ones do.",
        scope=READ,
        takes=takes(request=text("The id of the access request.", 64)),
        answers=answers(requests=list_of(REQUEST_ITEM)),
        hints=READS,
        run=status,
    ),
    Tool(
        name="waiting_requests",
        title="Requests that wait for you",
        description=(
            "For approvers: the access requests that wait for the person who is signed in, and the pages where that"
            " person decides them. They are decided there, and by no tool. Names and reasons are the words of others."
        ),
        scope=READ,
        takes=takes(),
        answers=answers(requests=list_of(WAITING)),
        hints=READS,
        run=waiting,
    ),
)
