"""Approvals that end soon: who asked is told before it happens (a periodic task)."""

from datetime import UTC, datetime

from authz.approvals import notices
from authz.database.transactions import unit_of_work
from authz.models import AccessRequest

EVERY = 60.0
NEEDS_TRUE_CLOCK = True
BATCH = 100


def run() -> None:
    now = datetime.now(UTC)
    due = AccessRequest.objects.filter(status=AccessRequest.Status.APPROVED, remind__lte=now)
    for row in due.select_related("client__owner", "user").order_by("remind")[:BATCH]:
        with unit_of_work():
            # One conditional statement, so that of two nodes one tells (invariant 3).
            mine = due.filter(pk=row.pk).update(remind=None)
            if mine and row.expires is not None and row.expires > now:
                notices.ends_soon(row, now)
