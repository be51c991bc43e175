"""How many registrations there may be, and which of them make room for others."""

import time
from datetime import UTC, datetime, timedelta

from authz.database import clocks
from authz.models import Client
from authz.protocol.errors import OAuthError
from cimd import approval_queue, budget, housekeeping
from cimd.reasons import Reason

MAX_CLIENTS = 1000
A_MINUTE = 30
UNUSED_WHEN_FULL = timedelta(hours=1)


def require_room() -> None:
    """Raises `OAuthError` where too many came in this minute, or there are too many. A full list makes room by itself:
    its oldest unused registrations are removed.
    """
    now = time.time()
    if not budget.spend("registration", now, limit=A_MINUTE):
        raise OAuthError(Reason.BUSY, detail="registrations", retry_after=budget.until_next_minute(now))
    if _is_full():
        # What strangers filled in half an hour must not be shut for a week.
        earlier = datetime.now(UTC) + timedelta(seconds=min(0.0, clocks.apart()))
        oldest = housekeeping.unused_registrations().filter(created__lt=earlier - UNUSED_WHEN_FULL).order_by("pk")
        # The database refuses to remove one that anything rests on (authz/authorizations/removal.py).
        Client.objects.filter(pk__in=list(oldest.values_list("pk", flat=True)[:A_MINUTE])).delete()
        if _is_full():
            raise OAuthError(Reason.QUEUE_FULL, detail="registrations", retry_after=approval_queue.FULL)


def _is_full() -> bool:
    registered = Client.objects.filter(registration_source=Client.RegistrationSource.DCR)
    return registered[:MAX_CLIENTS].count() >= MAX_CLIENTS
