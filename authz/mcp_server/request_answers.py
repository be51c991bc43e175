"""An access request as an answer to who asked: what was granted, what it waits for, or why not."""

from datetime import datetime
from typing import Any

from authz.approvals import access_requests, approvers
from authz.approvals.access_requests import Status
from authz.mcp_server.schemas import TEXT, TEXT_OR_NULL, TEXTS, answers
from authz.mcp_server.tool import Done
from authz.models import AccessRequest
from authz.protocol.display_names import visible

REQUEST_ITEM = answers(
    outcome=TEXT,
    request=TEXT_OR_NULL,
    address=TEXT_OR_NULL,
    server=TEXT,
    scopes=TEXTS,
    granted=TEXTS,
    until=TEXT_OR_NULL,
    who_decides=TEXT,
    comment=TEXT,
)


def outcome_of(row: AccessRequest, now: datetime) -> str:
    """`waiting`, `granted`, `denied`, `cancelled`, `lapsed` (unanswered) or `ended` (granted, and over)."""
    state = row.state(now)
    if state == Status.EXPIRED:
        return "ended" if row.approved_scopes else "lapsed"
    return {Status.OPEN: "waiting", Status.APPROVED: "granted", Status.DENIED: "denied"}.get(Status(state), "cancelled")


def as_item(row: AccessRequest, now: datetime) -> dict[str, Any]:
    """Of who decided nothing is said but the comment, which is for who asked."""
    outcome = outcome_of(row, now)
    return {
        "outcome": outcome,
        "request": str(row.pk),
        "address": access_requests.address(row),
        "server": row.resource,
        "scopes": list(row.scopes),
        "granted": list(row.approved_scopes),
        "until": row.expires.isoformat(timespec="seconds") if row.expires and row.approved_scopes else None,
        "who_decides": approvers.panel(row).in_words() if outcome == "waiting" else "",
        "comment": visible(row.comment),
    }


def answer(row: AccessRequest, now: datetime) -> Done:
    item = as_item(row, now)
    return Done(sentence(item), item, is_error=item["outcome"] in {"denied", "lapsed"})


def sentence(item: dict[str, Any]) -> str:
    granted, comment = " ".join(item["granted"]), f" They wrote: {item['comment']}" if item["comment"] else ""
    match item["outcome"]:
        case "waiting":
            return f"It waits for a person: {item['who_decides']}. Its page: {item['address']}"
        case "granted":
            until = f"until {item['until']}" if item["until"] else "by a rule"
            return f"Granted: {granted}, {until}. Get a token with these scopes, and go on.{comment}"
        case "denied":
            return f"Denied.{comment} Do not ask for the same again; it is refused for a week."
        case "ended":
            return f"It was granted ({granted}), and has ended."
        case "cancelled":
            return "It was cancelled."
    return "No one answered it in time. Ask again."
