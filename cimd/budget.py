"""How many documents may be fetched: a budget that all workers share (attack 10).

A client that names a URL makes this server fetch it. So fetches are counted in the database, by origin and in all, and
those for unknown clients apart from those for known ones: a flood of first sights does not keep a known client's
document from being refreshed. Hosts that have only failed so far have a small share of their own, so that those which
drip do not stand in the way of one that was never asked. One document is fetched once at a time (cimd/leases.py); how
many of them a process fetches at once, authz/outbound/errands.py says.
"""

import time
from dataclasses import dataclass

from django.db.models import F

from authz.database import raw_sql
from authz.outbound.errands import Pool
from authz.protocol.errors import OAuthError
from cimd import policy, trust
from cimd.client_identifier import ClientIdentifier
from cimd.models import FetchWindow
from cimd.reasons import Reason

MINUTE = 60
KEPT_FAILURE = 3600.0
# Seconds after which a client that was told "busy" may ask again: a page does so by itself.
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


def kind(identifier: ClientIdentifier, *, is_known: bool) -> Pool:
    """Whose errand it is to fetch this document. A host whose documents have all failed shows what it is."""
    if is_known or trust.trust_status(identifier.host, policy.cached().trust) is trust.TrustStatus.TRUSTED:
        return Pool.CLIENTS
    where = identifier.origin
    has_failed = raw_sql.one(_FAILED, (where, time.time() - KEPT_FAILURE)) is not None
    return Pool.FAILING if has_failed and raw_sql.one(_HAS_A_CLIENT, (where,)) is None else Pool.STRANGERS


_FAILED = "SELECT 1 FROM cimd_document WHERE origin = %s AND client_id IS NULL AND failures > 0 AND failed > %s LIMIT 1"
_HAS_A_CLIENT = "SELECT 1 FROM cimd_document WHERE origin = %s AND client_id IS NOT NULL LIMIT 1"


def limits(kind: Pool, *, is_known: bool) -> tuple[str, Limits]:
    """What its windows are called, and how much there is in them."""
    if is_known:
        return "known", KNOWN_CLIENTS
    if kind is Pool.FAILING:
        return "failing", FAILING
    # As much for the hosts that are trusted as for all others together.
    return "believed" if kind is Pool.CLIENTS else "new", FIRST_SIGHTS


def until_next_minute(now: float) -> int:
    """Seconds until `spend` counts anew."""
    return int(MINUTE - now % MINUTE) + 1


def spend(scope: str, now: float, *, limit: int) -> bool:
    """Count one more in this minute, inside `unit_of_work()`; False if that would be more than `limit`."""
    window = _window(scope, int(now // MINUTE))
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


def require_some(origin: str, name: str, limits: Limits, now: float, *, until: float, is_known: bool) -> None:
    """Raises `OAuthError` where the budget is spent, by what is under way or by what began in this minute. `until`: the
    latest end of a lease that counts.
    """
    origins = [row[0] for row in raw_sql.every(_UNDER_WAY[is_known], (now, until, limits.at_once))]
    if len(origins) >= limits.at_once or origins.count(origin) >= limits.at_once_per_origin:
        raise busy("at once")
    for scope, most in zip(_scopes(origin, name), (limits.a_minute, limits.a_minute_per_origin), strict=True):
        begun = raw_sql.one(_BEGUN, (scope, int(now // MINUTE)))
        if (begun[0] if begun else 0) >= most:
            raise busy("minute")


def lock_windows(origin: str, name: str, now: float) -> list[int]:
    """The keys of the windows that a fetch counts in, locked until the transaction ends."""
    return [_window(scope, int(now // MINUTE)).pk for scope in _scopes(origin, name)]


def _scopes(origin: str, name: str) -> tuple[str, str]:
    """The windows that a fetch counts in: of all, and of its origin."""
    return name, f"{name} {origin}"


def _window(scope: str, minute: int) -> FetchWindow:
    FetchWindow.objects.bulk_create([FetchWindow(scope=scope, minute=minute)], ignore_conflicts=True)
    return FetchWindow.objects.select_for_update().get(scope=scope, minute=minute)
