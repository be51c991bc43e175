"""What is over is removed, in batches that hold no lock for long (a periodic task).

Rows that were consumed are kept until a replay of them could not be told from any other stale request (law 3).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from authz.models import AuthorizationCode, Notification, UsedAssertion

EVERY = 60.0
BATCH = 1000
# A run ends after so many batches of a kind; what is left waits for the next one.
BATCHES = 20
# A code that comes again is recognised, and ends what it led to, for a day.
KEPT_CODE = timedelta(days=1)
# Longer than the skew that any assertion is allowed (authz/protocol/jwts.py).
KEPT_ASSERTION = timedelta(minutes=10)
# Whether it arrived or not: who looks for what was told looks within a month.
KEPT_NOTIFICATION = timedelta(days=30)


def run() -> None:
    for rows in over(datetime.now(UTC)).values():
        for _ in range(BATCHES):
            if not _remove_batch(rows):
                break


def over(now: datetime) -> Mapping[str, QuerySet[Any]]:
    """What may go, by kind."""
    return {
        "codes": AuthorizationCode.objects.filter(expires__lt=now - KEPT_CODE),
        "assertions": UsedAssertion.objects.filter(expires__lt=now - KEPT_ASSERTION),
        "notifications": Notification.objects.filter(created__lt=now - KEPT_NOTIFICATION),
        "sessions": Session.objects.filter(expire_date__lt=now),
    }


def _remove_batch(rows: QuerySet[Any]) -> int:
    keys = list(rows.order_by().values_list("pk", flat=True)[:BATCH])
    if not keys:
        return 0
    # The condition stands in the statement too: what another node changed meanwhile is left alone.
    removed, _ = rows.filter(pk__in=keys).delete()
    return removed
