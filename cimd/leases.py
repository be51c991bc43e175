"""The right to fetch a document: one fetcher for each document, in all processes together (attack 10).

The lease is a column of the document. It ends by itself if its holder dies.
"""

import secrets
import threading
import time
from dataclasses import dataclass

from django.db.models import F

from authz.database import raw_sql
from authz.database.due import due
from authz.database.transactions import unit_of_work
from authz.outbound.errands import Pool
from authz.protocol.moments import APART
from cimd import approval_queue, budget
from cimd.budget import Limits
from cimd.client_identifier import ClientIdentifier
from cimd.models import Document, FetchWindow

# Seconds: what a document and a logo may take, and some more.
LEASE = 12.0
POLL_SECONDS = 0.05
# How many threads of a process may wait for the database's one writer at once.
MAX_ENTERING = 4
_entrance = threading.BoundedSemaphore(MAX_ENTERING)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to fetch one document, until the lease ends."""

    document: int
    lease: str


def claim(identifier: ClientIdentifier, now: float, kind: Pool, *, is_known: bool) -> Claim | None:
    """The right to fetch; None while another fetch is under way. Raises `OAuthError` where the budget is spent."""
    if _is_leased(identifier.url, now):
        return None
    # Most of a flood is turned away by reading.
    name, limits = budget.limits(kind, is_known=is_known)
    budget.require_some(identifier.origin, name, limits, now, until=_latest(now), is_known=is_known)
    if not is_known:
        approval_queue.require_room(identifier.host, now)
    if not _entrance.acquire(timeout=LEASE / 4):
        raise budget.busy("entering")
    try:
        return _claimed(identifier, name, limits, now, is_known=is_known)
    finally:
        _entrance.release()


def _claimed(identifier: ClientIdentifier, name: str, limits: Limits, now: float, *, is_known: bool) -> Claim | None:
    origin, lease = identifier.origin, secrets.token_hex(16)
    with unit_of_work():
        windows = budget.lock_windows(origin, name, now)
        # The windows' rows are locked from here to the commit, so the counts stay true for this time.
        now = max(now, time.time())
        budget.require_some(origin, name, limits, now, until=_latest(now), is_known=is_known)
        defaults = {"host": identifier.host, "origin": origin}
        document, _ = Document.objects.get_or_create(url=identifier.url, defaults=defaults)
        # One conditional statement is the answer (invariant 3).
        free = Document.objects.filter(due("lease_until", now, LEASE), pk=document.pk)
        if not free.update(lease=lease, lease_until=now + LEASE):
            return None
        FetchWindow.objects.filter(pk__in=windows).update(count=F("count") + 1)
    return Claim(document.pk, lease)


def release(claim: Claim) -> None:
    """Give the lease back, as if nothing had been asked."""
    Document.objects.filter(pk=claim.document, lease=claim.lease).update(lease="", lease_until=0)


def held(claim: Claim) -> Document:
    """The document, locked, inside `unit_of_work()`. Raises `OAuthError` if the lease ran out and is another's now."""
    document = (
        Document.objects.select_for_update(of=("self",))
        .select_related("client__owner", "current", "candidate")
        .filter(pk=claim.document, lease=claim.lease)
        .first()
    )
    if document is None:
        raise budget.busy("lease")
    return document


def wait(url: str) -> None:
    """Return when no process fetches the document any more. Raises `OAuthError`."""
    deadline = time.monotonic() + LEASE
    while _is_leased(url, time.time()):
        if time.monotonic() >= deadline:
            raise budget.busy("waited")
        time.sleep(POLL_SECONDS)


def _is_leased(url: str, now: float) -> bool:
    sql = "SELECT 1 FROM cimd_document WHERE url = %s AND lease_until > %s AND lease_until <= %s"
    return raw_sql.one(sql, (url, now, _latest(now))) is not None


def _latest(now: float) -> float:
    """The latest end of a lease that a right clock has set (authz/protocol/moments.py)."""
    return now + LEASE + APART
