"""What does this agent hold? Ending it."""

from datetime import datetime
from typing import Any

from django.db.models import Q

from authz.approvals.access_requests import Status
from authz.authorizations import ending
from authz.configuration.mcp_resource import READ, REQUEST
from authz.mcp_server.schemas import TEXT, TEXT_OR_NULL, TEXTS, answers, list_of, takes, text
from authz.mcp_server.subject import WHOSE, Subject, server_of, subject_of
from authz.mcp_server.tool import READS, Call, Done, Tool
from authz.models import AccessRequest, Authorization

MOST = 200


def hold(call: Call) -> Done:
    subject, now = subject_of(call.caller, call.arguments), call.caller.moment
    grants = [_grant_as_item(row) for row in _live(subject, now)[:MOST]]
    approvals = [_approval_as_item(row) for row in _approvals(subject, now)[:MOST]]
    lines = [f"{item['server']}: {' '.join(item['scopes'])}, since {item['since']}." for item in grants]
    lines += [f"Approved at {item['server']}: {' '.join(item['scopes'])}." for item in approvals]
    return Done("\n".join(lines) or "It holds nothing.", {"authorizations": grants, "approvals": approvals})


def end(call: Call) -> Done:
    subject, server = subject_of(call.caller, call.arguments), server_of(call.arguments)
    ended = ending.end_own(subject.client, subject.person, server, reason="ended_by_agent", now=call.caller.moment)
    told = "It has ended. An approval that was given remains, until its end." if ended else "It held nothing there."
    return Done(told, {"server": server.identifier, "ended": ended})


def _live(subject: Subject, now: datetime) -> Any:
    rows = Authorization.objects.filter(subject.of_its_own(), revoked=None).exclude(resource=None)
    rows = rows.filter(Q(expires=None) | Q(expires__gt=now), client_digest=subject.client.consent_digest)
    return rows.select_related("resource").order_by("-created", "pk")


def _approvals(subject: Subject, now: datetime) -> Any:
    rows = AccessRequest.objects.filter(subject.of_its_own(), status=Status.APPROVED, used=None, expires__gt=now)
    return rows.order_by("-decided", "pk")


def _grant_as_item(row: Authorization) -> dict[str, Any]:
    return {
        "server": row.resource.identifier if row.resource else "",
        "scopes": list(row.scopes),
        "since": row.created.isoformat(timespec="seconds"),
        "until": row.expires.isoformat(timespec="seconds") if row.expires else None,
    }


def _approval_as_item(row: AccessRequest) -> dict[str, Any]:
    return {
        "request": str(row.pk),
        "server": row.resource,
        "scopes": list(row.approved_scopes),
        "until": row.expires.isoformat(timespec="seconds") if row.expires else None,
        "tool": row.call["tool"] if row.call else None,
    }


GRANT = answers(server=TEXT, scopes=TEXTS, since=TEXT, until=TEXT_OR_NULL)
APPROVAL = answers(request=TEXT, server=TEXT, scopes=TEXTS, until=TEXT_OR_NULL, tool=TEXT_OR_NULL)
TOOLS = (
    Tool(
        name="my_access",
        title="My access",
        description="What this agent holds now: its authorizations at MCP servers, and approvals that were given.",
        scope=READ,
        takes=takes(**WHOSE),
        answers=answers(authorizations=list_of(GRANT), approvals=list_of(APPROVAL)),
        hints=READS,
        run=hold,
    ),
    Tool(
        name="end_access",
        title="End access",
        description=(
            "End what this agent holds at an MCP server: its tokens are refused from now on, and consent is asked for"
            " anew. Other agents keep theirs."
        ),
        scope=REQUEST,
        takes=takes(("server",), server=text("The URL of the MCP server."), **WHOSE),
        answers=answers(server=TEXT, ended={"type": "integer"}),
        hints={"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False},
        run=end,
    ),
)
