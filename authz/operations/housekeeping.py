"""Removes expired rows, in batches that hold no lock for long (a scheduled task).

Consumed rows are kept until a replay of them is refused for its age anyway (invariant 3).
"""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from authz.authorizations import status_lists
from authz.database import clocks, replay
from authz.models import (
    AccessRequest,
    Authorization,
    AuthorizationCode,
    BrowserSession,
    CallDay,
    ConfigurationPlan,
    Deferral,
    Invitation,
    McpSampling,
    McpTask,
    Notification,
    PushedRequest,
    ToolUse,
    UsedAssertion,
)

EVERY = 300.0
NEEDS_TRUE_CLOCK = True
# Rows of one statement: no lock is held for longer than some milliseconds.
BATCH = 1000
# Seconds of one run, less than a lease (authz/operations/periodic.py); what is left then is due again in a moment.
BUDGET = 20.0
# A code that comes again is recognised, and ends what it led to, for a day.
KEPT_CODE = timedelta(days=1)
# Longer than the skew that any assertion is allowed (authz/protocol/jwts.py).
KEPT_ASSERTION = timedelta(minutes=10)
# Sent or not: the notifications of the last month can be looked up.
KEPT_NOTIFICATION = timedelta(days=30)
# Only people look up an ended authorization: its access tokens live a day at most, its refresh tokens are refused with
# the row and without it, and the audit has its history.
KEPT_AUTHORIZATION = timedelta(days=90)
# Decided requests can be looked up in the queue for a year, and longer in the audit.
KEPT_REQUEST = timedelta(days=365)
# A tool that an agent has not called for so long is called for the first time again (docs/tool-calls.md).
KEPT_USE = timedelta(days=90)
# Longer than the month that a day is compared with (authz/policy/unusual.py).
KEPT_COUNT = timedelta(days=35)


def run() -> bool:
    """Whether there is more to remove."""
    now = clocks.earliest()
    forget_plan_files(now)
    clocks.mark_removed(replay.REMOVED, now - KEPT_ASSERTION)
    return remove(over(now).values())


def forget_plan_files(now: datetime) -> None:
    """The files of expired plans, which may hold secrets."""
    expired = ConfigurationPlan.objects.filter(expires__lt=now, file__isnull=False)
    expired.exclude(status=ConfigurationPlan.Status.APPLIED).update(file=None)


def remove(kinds: Iterable[QuerySet[Any]]) -> bool:
    """Remove rows in batches, of each kind in turn, so that none waits for another. True: there are more. Apps remove
    theirs with it.
    """
    left = list(kinds)
    ends = time.monotonic() + BUDGET
    while left and time.monotonic() < ends:
        left = [rows for rows in left if _remove_batch(rows)]
    return bool(left)


def over(now: datetime) -> Mapping[str, QuerySet[Any]]:
    """What may go, by kind."""
    return {
        "codes": AuthorizationCode.objects.filter(expires__lt=now - KEPT_CODE),
        "assertions": UsedAssertion.objects.filter(expires__lt=now - KEPT_ASSERTION),
        "pushed requests": PushedRequest.objects.filter(expires__lt=now),
        "deferrals": Deferral.objects.filter(expires__lt=now - KEPT_CODE),
        "tasks": McpTask.objects.filter(expires__lt=now - KEPT_CODE),
        "questions to models": McpSampling.objects.filter(expires__lt=now),
        "invitations": Invitation.objects.filter(expires__lt=now - KEPT_NOTIFICATION),
        "notifications": Notification.objects.filter(created__lt=now - KEPT_NOTIFICATION),
        "status lists": status_lists.over(now),
        "sessions": BrowserSession.objects.filter(expire_date__lt=now),
        "authorizations": _authorizations(now - KEPT_AUTHORIZATION),
        "plans": ConfigurationPlan.objects.filter(expires__lt=now - KEPT_REQUEST),
        "access requests": _access_requests(now - KEPT_REQUEST),
        "uses of tools": ToolUse.objects.filter(last__lt=(now - KEPT_USE).date()),
        "counts of calls": CallDay.objects.filter(day__lt=(now - KEPT_COUNT).date()),
    }


def _authorizations(before: datetime) -> QuerySet[Any]:
    """Authorizations that ended before a time: revoked, expired, or of the kind without a refresh token. A machine's
    own authorization ends only by being revoked.
    """
    revoked = Q(revoked__lt=before)
    ran_out = Q(revoked=None, expires__lt=before)
    one_token = Q(revoked=None, expires=None) & (Q(user__isnull=False) | Q(parent__isnull=False))
    # The index on `created` keeps this from being a walk through all of them.
    return Authorization.objects.filter(revoked | ran_out | one_token, created__lt=before)


def _access_requests(before: datetime) -> QuerySet[Any]:
    status = AccessRequest.Status
    closed = Q(status__in=(status.DENIED, status.CANCELLED, status.EXPIRED), last_asked__lt=before)
    answered = Q(status=status.APPROVED, expires__lt=before)
    lapsed = Q(status=status.OPEN, last_asked__lt=before)
    # A denial or a cancellation may come long after the last question.
    recently = Q(decided__gte=before) | Q(expires__gte=before)
    return AccessRequest.objects.filter(closed | answered | lapsed).exclude(recently)


def _remove_batch(rows: QuerySet[Any]) -> bool:
    """Remove one batch. True: there were any. The condition is in the statement: rows that change meanwhile stay."""
    removed, _ = rows.filter(pk__in=rows.order_by().values("pk")[:BATCH]).delete()
    return removed > 0
