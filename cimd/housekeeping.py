"""What is over is removed (a periodic task): windows of the budget, URLs that never led to a client, and clients and
registrations that were never approved or used.

Full queues make room by themselves (cimd/approval_queue.py, cimd/registration/room.py).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from authz.database import clocks
from authz.models import Client
from authz.operations import housekeeping
from cimd.budget import KEPT_FAILURE, MINUTE
from cimd.models import Document, FetchWindow

EVERY = 300.0
NEEDS_TRUE_CLOCK = True
# Otherwise a client that fills the approval queue once has filled it for good.
KEPT_PENDING = timedelta(days=14)
KEPT_UNUSED = timedelta(days=7)


def run() -> bool:
    """Whether there is more to remove."""
    return housekeeping.remove(over(clocks.earliest()).values())


def over(now: datetime) -> Mapping[str, QuerySet[Any]]:
    """What may go, by kind."""
    return {
        "windows": FetchWindow.objects.filter(minute__lt=int(now.timestamp() // MINUTE) - 1),
        "failed URLs": _failed_urls(now.timestamp()),
        "pending clients": _pending(now.timestamp()),
        "registrations": unused_registrations().filter(created__lt=now - KEPT_UNUSED),
    }


def _failed_urls(now: float) -> QuerySet[Any]:
    return Document.objects.filter(client=None, lease_until__lte=now, failed__lt=now - KEPT_FAILURE)


def _pending(now: float) -> QuerySet[Any]:
    return _unused(Client.RegistrationSource.CIMD).filter(
        status=Client.Status.PENDING,
        document__approval=Document.Approval.NONE,
        document__candidate=None,
        document__lease_until__lte=now,
        document__fetched__lt=now - KEPT_PENDING.total_seconds(),
    )


def unused_registrations() -> QuerySet[Client]:
    """The dynamically registered clients that nothing rests on (authz/authorizations/removal.py)."""
    return _unused(Client.RegistrationSource.DCR)


def _unused(source: str) -> QuerySet[Client]:
    return Client.objects.filter(
        registration_source=source, authorization=None, consent=None, authorizationcode=None, accessrequest=None
    )
