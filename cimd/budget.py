"""Who may fetch a document now: one fetcher a document, and a budget that all workers share (attack 10).

A stranger makes this server fetch by naming a URL. So fetches are counted in the database, by origin and in all, and
those for unknown clients apart from those for known ones: no flood of first sights keeps a known client's document from
being refreshed. Hosts that have only failed so far have a small share of their own, so that those which drip do not
stand in the way of one that was never asked. A document is fetched under a lease, which ends by itself if its holder
dies. How many of them a process fetches at once, authz/outbound/errands.py says.
"""

import secrets
import threading
import time
from dataclasses import dataclass

from django.db.models import F

from authz.database import clocks, raw_sql
from authz.database.due import due
from authz.database.transactions import unit_of_work
from authz.models import Client
from authz.outbound.errands import Pool
from authz.protocol.errors import OAuthError
from cimd import approval_queue, policy, trust
from cimd.client_identifier import host, origin
from cimd.models import Document, FetchWindow
from cimd.reasons import Reason

# Seconds: what a document and a logo may take, and some more.
LEASE = 12.0
MINUTE = 60
KEPT_FAILURE = 3600.0
KEPT_PENDING = 14 * 24 * 3600.0
# Seconds after which somebody who found it spent may ask again: a page does so by itself.
AGAIN = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """How many fetches may be under way at once, and begin in a minute: from one origin, and in all."""

    at_once_per_origin: int
    at_once: int
    a_minute_per_origin: int
    a_minute: int


FIRST_SIGHTS = Limits(at_once_per_origin=2, at_once=256, a_minute_per_origin=30, a_minute=600)
FAILING = Limits(at_once_per_origin=1, at_once=256, a_minute_per_origin=10, a_minute=60)
KNOWN_CLIENTS = Limits(at_once_per_origin=4, at_once=64, a_minute_per_origin=120, a_minute=1200)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to fetch one document, until the lease ends."""

    document: int
    lease: str


# The URLs that this process is about to claim, and how many may wait for the database's one writer at once.
_entering: set[str] = set()
_entering_lock = threading.Lock()
MAX_ENTERING = 4
_entrance = threading.BoundedSemaphore(MAX_ENTERING)


def kind(client_id: str, *, is_known: bool) -> Pool:
    """Whose errand it is to fetch this document. A host whose documents have all failed shows what it is."""
    if is_known or trust.trust_status(host(client_id), policy.cached().trust) is trust.TrustStatus.TRUSTED:
        return Pool.CLIENTS
    where = origin(client_id)
    has_failed = raw_sql.one(_FAILED, (where, time.time() - KEPT_FAILURE)) is not None
    return Pool.FAILING if has_failed and raw_sql.one(_HAS_A_CLIENT, (where,)) is None else Pool.STRANGERS


_FAILED = "SELECT 1 FROM cimd_document WHERE origin = %s AND client_id IS NULL AND failures > 0 AND failed > %s LIMIT 1"
_HAS_A_CLIENT = "SELECT 1 FROM cimd_document WHERE origin = %s AND client_id IS NOT NULL LIMIT 1"


def _limits(kind: Pool, *, is_known: bool) -> tuple[str, Limits]:
    """What its windows are called, and how much there is in them."""
    if is_known:
        return "known", KNOWN_CLIENTS
    if kind is Pool.FAILING:
        return "failing", FAILING
    # As much for the hosts that are trusted as for all others together.
    return "believed" if kind is Pool.CLIENTS else "new", FIRST_SIGHTS


def claim(client_id: str, now: float, kind: Pool, *, is_known: bool) -> Claim | None:
    """The right to fetch, or None if somebody else is fetching. Raises `OAuthError` where the budget is spent."""
    with _entering_lock:
        if client_id in _entering:
            return None
        _entering.add(client_id)
    try:
        if _is_leased(client_id, now):
            return None
        # Most of a flood is turned away by reading.
        name, limits = _limits(kind, is_known=is_known)
        _require_some(origin(client_id), name, limits, now, is_known=is_known)
        if not is_known:
            approval_queue.require_room(host(client_id), now)
        if not _entrance.acquire(timeout=LEASE / 4):
            raise busy("entering")
        try:
            return _claimed(client_id, name, limits, now, is_known=is_known)
        finally:
            _entrance.release()
    finally:
        with _entering_lock:
            _entering.discard(client_id)


def _claimed(client_id: str, name: str, limits: Limits, now: float, *, is_known: bool) -> Claim | None:
    where, minute = origin(client_id), int(now // MINUTE)
    with unit_of_work():
        windows = [_window(scope, minute, now).pk for scope in _scopes(where, name)]
        # The windows' rows are locked from here to the commit: what is counted stays true, by the clock as it is now.
        now = max(now, time.time())
        _require_some(where, name, limits, now, is_known=is_known)
        document, _ = Document.objects.get_or_create(url=client_id, defaults={"host": host(client_id), "origin": where})
        lease = secrets.token_hex(16)
        # One conditional statement is the answer (law 3).
        if not Document.objects.filter(due("lease_until", now, LEASE), pk=document.pk).update(
            lease=lease, lease_until=now + LEASE
        ):
            return None
        FetchWindow.objects.filter(pk__in=windows).update(count=F("count") + 1)
    return Claim(document.pk, lease)


def until_next_minute(now: float) -> int:
    """Seconds until `spend` counts anew."""
    return int(MINUTE - now % MINUTE) + 1


def spend(scope: str, now: float, *, limit: int) -> bool:
    """Count one more in this minute, inside `unit_of_work()`; False if that would be more than `limit`."""
    window = _window(scope, int(now // MINUTE), now)
    if window.count >= limit:
        return False
    FetchWindow.objects.filter(pk=window.pk).update(count=F("count") + 1)
    return True


def busy(detail: str) -> OAuthError:
    """A refusal to come again with."""
    return OAuthError(Reason.BUSY, detail=detail, retry_after=AGAIN)


# By hand, as what every request of a flood comes to (authz/database/raw_sql.py).
_UNDER_WAY = {
    True: "SELECT origin FROM cimd_document"
    " WHERE lease_until > %s AND lease_until <= %s AND client_id IS NOT NULL LIMIT %s",
    False: "SELECT origin FROM cimd_document"
    " WHERE lease_until > %s AND lease_until <= %s AND client_id IS NULL LIMIT %s",
}
_BEGUN = "SELECT count FROM cimd_fetchwindow WHERE scope = %s AND minute = %s"


def _require_some(where: str, name: str, limits: Limits, now: float, *, is_known: bool) -> None:
    """Raises `OAuthError` where the budget is spent, by what is under way or by what began in this minute."""
    origins = [row[0] for row in raw_sql.every(_UNDER_WAY[is_known], (now, now + LEASE, limits.at_once))]
    if len(origins) >= limits.at_once or origins.count(where) >= limits.at_once_per_origin:
        raise busy("at once")
    for scope, most in zip(_scopes(where, name), (limits.a_minute, limits.a_minute_per_origin), strict=True):
        begun = raw_sql.one(_BEGUN, (scope, int(now // MINUTE)))
        if (begun[0] if begun else 0) >= most:
            raise busy("minute")


def _scopes(where: str, name: str) -> tuple[str, str]:
    """The windows that a fetch counts in: of all, and of its origin."""
    return name, f"{name} {where}"


def _window(scope: str, minute: int, now: float) -> FetchWindow:
    FetchWindow.objects.bulk_create([FetchWindow(scope=scope, minute=minute)], ignore_conflicts=True)
    window = FetchWindow.objects.select_for_update().get(scope=scope, minute=minute)
    if window.count == 0:
        _tidy(minute, now)
    return window


def _tidy(minute: int, now: float) -> None:
    """Windows that are over, URLs that never led to a client, and clients that nobody ever approved are forgotten.

    By the earlier clock: a node whose own is ahead would empty the windows that others still count in.
    """
    now = min(now, now + clocks.apart())
    FetchWindow.objects.filter(minute__lt=min(minute, int(now // MINUTE)) - 1).delete()
    Document.objects.filter(client=None, lease_until__lte=now, failed__lt=now - KEPT_FAILURE).delete()
    # Otherwise whoever fills the approval queue once has filled it for good.
    Client.objects.filter(
        registration_source=Client.RegistrationSource.CIMD,
        status=Client.Status.PENDING,
        authorization=None,
        consent=None,
        authorizationcode=None,
        accessrequest=None,
        document__approval=Document.Approval.NONE,
        document__candidate=None,
        document__lease_until__lte=now,
        document__fetched__lt=now - KEPT_PENDING,
    ).delete()


# --- Waiting for somebody else's fetch -----------------------------------------------------------------------------


def _is_leased(client_id: str, now: float) -> bool:
    sql = "SELECT 1 FROM cimd_document WHERE url = %s AND lease_until > %s AND lease_until <= %s"
    return raw_sql.one(sql, (client_id, now, now + LEASE)) is not None


def wait(client_id: str) -> None:
    """Return when the document is no longer being fetched, here or in any other process. Raises `OAuthError`."""
    deadline = time.monotonic() + LEASE
    while client_id in _entering or _is_leased(client_id, time.time()):
        if time.monotonic() >= deadline:
            raise busy("waited")
        time.sleep(0.05)
