"""`/notifications`: the messages of the outbox, by mail and by webhook, and what became of each."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.paging import page
from authz.api.framework.problems import invalid
from authz.api.framework.shapes import (
    MOMENT,
    MOMENT_OR_NULL,
    NUMBER,
    PAGED,
    TEXT,
    TEXT_OR_NULL,
    Parameter,
    mapping,
    one_of,
    paged,
)
from authz.api.framework.view import ApiView
from authz.models import Notification

STATES = {
    "waiting": {"due__isnull": False},
    "delivered": {"delivered__isnull": False},
    "failed": {"due__isnull": True, "delivered__isnull": True},
}
NOTIFICATION = mapping(
    id=TEXT,
    kind=TEXT,
    about=TEXT,
    username=TEXT_OR_NULL,
    webhook=TEXT_OR_NULL,
    subject=TEXT,
    state=one_of(STATES),
    created=MOMENT,
    next_try=MOMENT_OR_NULL,
    delivered=MOMENT_OR_NULL,
    attempts=NUMBER,
    failure=TEXT,
)


class Notifications(ApiView):
    requires = {"GET": "authz.view_notification"}
    query = {"GET": {"state": Parameter("Only those.", one_of(STATES)), **PAGED}}
    answers = {"GET": paged(NOTIFICATION)}

    def get(self, request: Request) -> Response:
        """The messages to people and webhooks, the newest first, without their texts."""
        rows, state = Notification.objects.select_related("recipient", "endpoint"), self.given.get("state")
        if state is not None:
            if state not in STATES:
                raise invalid("state", f"is one of {', '.join(STATES)}")
            rows = rows.filter(**STATES[state])
        return page(self.given, rows, _as_item, by="created")


def _as_item(row: Notification) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "kind": row.kind,
        "about": row.about,
        "username": row.recipient.username if row.recipient else None,
        "webhook": row.endpoint.name if row.endpoint else None,
        "subject": row.subject,
        "state": "delivered" if row.delivered else "waiting" if row.due else "failed",
        "created": row.created.isoformat(),
        "next_try": row.due.isoformat() if row.due else None,
        "delivered": row.delivered.isoformat() if row.delivered else None,
        "attempts": row.attempts,
        "failure": row.failure,
    }
