"""An access request as the API and the commands show it."""

from datetime import datetime
from typing import Any

from authz.models import AccessRequest


def request_as_item(row: AccessRequest, now: datetime) -> dict[str, Any]:
    """The access request as JSON for a caller who may see it."""
    return {
        "id": str(row.pk),
        "status": row.state(now),
        "client_id": row.client.client_id,
        "username": row.user.username if row.user else None,
        "resource": row.resource,
        "grant_type": row.grant_type,
        "scopes": row.scopes,
        "reason": row.reason,
        "fields": row.extension_fields or {},
        "context": row.context,
        "needs_rule": row.needs_rule,
        "call": row.call,
        "once": row.once,
        "used": row.used.isoformat() if row.used else None,
        "asked": row.asked,
        "first_asked": row.first_asked.isoformat(),
        "last_asked": row.last_asked.isoformat(),
        "approved_scopes": row.approved_scopes,
        "votes": [
            {"by": vote.by.username, "approves": vote.approves, "scopes": vote.scopes, "comment": vote.comment}
            for vote in row.votes.all()
        ],
        "decided_by": row.decided_by.username if row.decided_by else None,
        "decided": row.decided.isoformat() if row.decided else None,
        "comment": row.comment,
        "expires": row.expires.isoformat() if row.expires else None,
    }
