"""What is over is removed, in batches that hold no lock for long (a periodic task).

Rows that were consumed are kept until a replay of them could not be told from any other stale request (law 3).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from authz import status_lists
from authz.models import (
    AccessRequest,
    Authorization,
    AuthorizationCode,
    BrowserSession,
    Notification,
    UsedAssertion,
)

EVERY = 300.0
BATCH = 1000
# A run ends after so many batches of a kind; what is left waits for the next one.
BATCHES = 20
# A code that comes again is recognised, and ends what it led to, for a day.
KEPT_CODE = timedelta(days=1)
# Longer than the skew that any assertion is allowed (authz/protocol/jwts.py).
KEPT_ASSERTION = timedelta(minutes=10)
# Whether it arrived or not: who looks for what was told looks within a month.
KEPT_NOTIFICATION = timedelta(days=30)
# A grant that is over is asked about by nobody but people: its tokens live a day at most, its refresh tokens are
# refused without it as with it, and the audit keeps its story.
KEPT_AUTHORIZATION = timedelta(days=90)
# Who asked for what, and who allowed it, is looked up in the queue for a year; in the audit for longer.
KEPT_REQUEST = timedelta(days=365)


def run() -> None:
    for rows in over(datetime.now(UTC)).values():
        remove(rows)


def remove(rows: QuerySet[Any]) -> int:
    """Remove rows in batches; returns how many went. Rooms remove theirs with it."""
    removed = 0
    for _ in range(BATCHES):
        batch = _remove_batch(rows)
        removed += batch
        if not batch:
            break
    return removed


def over(now: datetime) -> Mapping[str, QuerySet[Any]]:
    """What may go, by kind."""
    return {
        "codes": AuthorizationCode.objects.filter(expires__lt=now - KEPT_CODE),
        "assertions": UsedAssertion.objects.filter(expires__lt=now - KEPT_ASSERTION),
        "notifications": Notification.objects.filter(created__lt=now - KEPT_NOTIFICATION),
        "status lists": status_lists.over(now),
        "sessions": BrowserSession.objects.filter(expire_date__lt=now),
        "authorizations": _authorizations(now - KEPT_AUTHORIZATION),
        "access requests": _access_requests(now - KEPT_REQUEST),
    }


def _authorizations(before: datetime) -> QuerySet[Any]:
    """Those that ended before: revoked, run out, or of the kind that has no refresh token. The standing grant of a
    machine ends by being revoked alone.
    """
    revoked = Q(revoked__lt=before)
    ran_out = Q(revoked=None, expires__lt=before)
    one_token = Q(revoked=None, expires=None, user__isnull=False)
    # The index on `created` keeps this from being a walk through all of them.
    return Authorization.objects.filter(revoked | ran_out | one_token, created__lt=before)


def _access_requests(before: datetime) -> QuerySet[Any]:
    status = AccessRequest.Status
    closed = Q(status__in=(status.DENIED, status.CANCELLED, status.EXPIRED), last_asked__lt=before)
    answered = Q(status=status.APPROVED, expires__lt=before)
    lapsed = Q(status=status.OPEN, last_asked__lt=before)
    # A denial or a cancellation may come long after the last ask.
    recently = Q(decided__gte=before) | Q(expires__gte=before)
    return AccessRequest.objects.filter(closed | answered | lapsed).exclude(recently)


def _remove_batch(rows: QuerySet[Any]) -> int:
    keys = list(rows.order_by().values_list("pk", flat=True)[:BATCH])
    if not keys:
        return 0
    # The condition stands in the statement too: what another node changed meanwhile is left alone.
    removed, _ = rows.filter(pk__in=keys).delete()
    return removed
