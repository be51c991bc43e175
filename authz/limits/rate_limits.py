"""How often a client may ask, and above all how often it may be wrong (docs/decisions/0032-rate-limits.md).

What is refused is counted by the client and the network address it came from, and by the address alone; sign-ins by the
account. Beyond a limit the answer is 429 until the window ends, whatever the request brings: a right secret too, or the
limit would tell a right guess from a wrong one. A client that was lately served at an address is not made to wait
because others behind the same address are wrong.

What is right is not limited unless `GATEHOUSE_RATE_LIMITS` says so, and costs a look into memory. Counting is done by
`limits`, for all processes of a node (authz/limits/node_counters.py). With `CACHE_URL` several machines count together
(authz/limits/shared_counters.py), but no request waits for that; while it is away each node counts alone.
"""

import logging
import time
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.core.signals import setting_changed
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from authz import audit
from authz.conf import conf
from authz.database import concurrency
from authz.limits import unnamed_proxies
from authz.limits.addresses import network_of
from authz.limits.node_counters import NodeCounters
from authz.limits.shared_counters import SharedCounters
from authz.protocol.errors import OAuthError, Reason
from authz.telemetry import metrics

log = logging.getLogger(__name__)

# Seconds. A client that was served at an address counts as its guest for so long.
GUEST = 600.0
# Who is a guest is remembered for so many at most.
MAXIMUM = 10_000
# How many visitors' worth an address may do that stands for all of them, and the limits that this is about.
ALL_VISITORS = 20
_OF_AN_ADDRESS = frozenset({"refused:address", "sign_in:address", "login:address", "reset:address"})
# Answers that a well-behaved client waits for by asking again.
_POLLING = frozenset({"authorization_pending", "slow_down"})

Key = tuple[str, ...]
_guests: dict[Key, float] = {}


def admit(client_id: str = "") -> None:
    """Raises `OAuthError` (429) if the sender has to wait. `client_id` is only claimed."""
    # A request that was admitted is not refused for what it led to when it was first begun.
    concurrency.once(f"admitted {client_id}", lambda: _admit(client_id))


def _admit(client_id: str) -> None:
    where = audit.current_origin()
    network = network_of(where.address)
    if _node().is_anybody_waiting():
        _stop_if_waiting(where.endpoint, ("refused:client", client_id[:255], network))
        if _guests.get((client_id, network), 0.0) < time.monotonic():
            _stop_if_waiting(where.endpoint, ("refused:address", network))
    if (rate := _limits().get(f"{where.endpoint}:address")) is not None:
        _spend(where.endpoint, rate, (f"{where.endpoint}:address", network))


def proven(client_id: str, *, is_confidential: bool) -> None:
    """The request is this client's: what it may ask in all is spent. Raises `OAuthError` (429).

    Who cannot prove to be that client spends only what it has at that address.
    """
    where = audit.current_origin()
    if (rate := _limits().get(f"{where.endpoint}:client")) is not None:
        address = "" if is_confidential else network_of(where.address)
        _spend(where.endpoint, rate, (f"{where.endpoint}:client", client_id, address))


def served(client_id: str) -> None:
    """This client got what it asked for, so it belongs where it came from."""
    if len(_guests) >= MAXIMUM:
        _guests.clear()
    _guests[client_id, network_of(audit.current_origin().address)] = time.monotonic() + GUEST


def refused(error: OAuthError, client_id: str = "") -> None:
    """Count a refusal. What was our own fault does not count, nor does asking again as the client was told to."""
    if error.status >= 500 or error.reason is Reason.RATE_LIMITED or error.code in _POLLING:
        return
    network = network_of(audit.current_origin().address)
    if client_id:
        _count("refused:client", ("refused:client", client_id[:255], network))
    _count("refused:address", ("refused:address", network))


def of_asker(limit: str, client_id: str, subject: str) -> None:
    """Count what an agent asks for one person, or ("") for itself. Raises `OAuthError` (429)."""
    if (rate := _limits().get(limit)) is not None:
        _spend(audit.current_origin().endpoint, rate, (limit, client_id, subject))


def admit_sign_in(account: str) -> None:
    """Raises `OAuthError` (429) if no one may try to sign in as `account` from here now."""
    admit()
    for key in _account_keys(account):
        _stop_if_waiting("login", key)


def sign_in_refused(account: str) -> None:
    """Count a wrong name or password. The account is whatever was typed, and kept as a digest."""
    for key in _account_keys(account):
        _count(key[0], key)


def admit_second_factor(person: str) -> None:
    """Raises `OAuthError` (429) if no one may try a second factor of this person (their `sub`) now, from any
    address: a second factor is asked for only after the password."""
    admit()
    _stop_if_waiting("login", ("second_factor:account", person))


def second_factor_refused(person: str) -> None:
    """Count a wrong second factor, for all processes of the node, or of all nodes with a shared cache."""
    _count("second_factor:account", ("second_factor:account", person))


def admit_passkey() -> None:
    """Raises `OAuthError` (429) if no one may try to sign in with a passkey alone from here now."""
    admit()
    _stop_if_waiting("login", ("sign_in:address", network_of(audit.current_origin().address)))


def passkey_refused() -> None:
    """Count a wrong passkey. It names the person only by what its sender says, so it counts for the address alone."""
    _count("sign_in:address", ("sign_in:address", network_of(audit.current_origin().address)))


def admit_reset(address: str) -> None:
    """Count a request for a mail that resets a password. Raises `OAuthError` (429) where it is one too many, whether
    an account has the address or not."""
    limits = _limits()
    digest = sha256(address.strip().casefold().encode()).hexdigest()
    network = network_of(audit.current_origin().address)
    for key in (("reset:address", network), ("reset:account", digest)):
        if (rate := limits.get(key[0])) is not None:
            _spend("login", rate, key)


def reset() -> None:
    """Forget everything that was counted (tests)."""
    _guests.clear()
    _node().reset()
    _shared.cache_clear()


def _account_keys(account: str) -> tuple[Key, ...]:
    network = network_of(audit.current_origin().address)
    digest = sha256(account.strip().casefold().encode()).hexdigest()
    return (
        ("sign_in:account", digest, network),
        ("sign_in:account_everywhere", digest),
        ("sign_in:address", network),
    )


# --- Counting -------------------------------------------------------------------------------------------------------


def _stop_if_waiting(endpoint: str, key: Key) -> None:
    if (seconds := _node().waits_until(repr(key)) - time.monotonic()) > 0:
        _stop(endpoint, key, seconds)


def _spend(endpoint: str, rate: RateLimitItem, key: Key) -> None:
    if (seconds := concurrency.once(f"spent {key!r}", lambda: _spent(rate, key))) is not None:
        _stop(endpoint, key, seconds)


def _spent(rate: RateLimitItem, key: Key) -> float | None:
    # On all nodes together it may have been too often.
    if _node().is_anybody_waiting() and (seconds := _node().waits_until(repr(key)) - time.monotonic()) > 0:
        return seconds
    return _hit(rate, key)


def _stop(endpoint: str, key: Key, seconds: float) -> None:
    limit = key[0]
    metrics.RATE_LIMITED.add(endpoint, limit)
    client_id = key[1] if limit.endswith((":client", ":asker")) else ""
    raise OAuthError(Reason.RATE_LIMITED, detail=limit, client_id=client_id, retry_after=int(seconds) + 1)


def _count(limit: str, key: Key) -> None:
    rate = _limits().get(limit)
    if rate is None or (seconds := concurrency.once(f"counted {key!r}", lambda: _hit(rate, key))) is None:
        return
    _node().wait_until(repr(key), time.monotonic() + seconds)


def _hit(rate: RateLimitItem, key: Key) -> float | None:
    """Count once more. None, or the seconds until the window ends if that was once too often."""
    if (shared := _shared()) is not None:
        shared.count(rate, key)
    alone = _alone()
    if alone.hit(rate, *key):
        return None
    return max(0.0, alone.get_window_stats(rate, *key).reset_time - NodeCounters.clock())


def _wait_everywhere(key: Key, until: float) -> None:
    """On all nodes together it was too often; `until` is by the wall clock, which they share."""
    _node().wait_until(repr(key), time.monotonic() + max(0.0, until - time.time()))


@cache
def _limits() -> Mapping[str, RateLimitItem]:
    limits = {name: parse(rate) for name, rate in conf.rate_limits.items() if rate != "none"}
    return {name: _for_everybody(rate) if name in _OF_AN_ADDRESS else rate for name, rate in limits.items()}


def _for_everybody(rate: RateLimitItem) -> RateLimitItem:
    """Behind a proxy that is not named, all visitors have one address: a few wrong passwords must not shut them out."""
    return type(rate)(rate.amount * ALL_VISITORS, rate.multiples) if unnamed_proxies.stands_for_all_visitors() else rate


@cache
def _alone() -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(_node())


@cache
def _node() -> NodeCounters:
    if conf.run_directory is not None:
        try:
            return NodeCounters(Path(conf.run_directory) / "counters")
        except OSError as error:
            log.warning("each process counts alone, without the run directory: %s", error)
    return NodeCounters()


@cache
def _shared() -> SharedCounters | None:
    if not settings.CACHE_URL:
        return None
    url = settings.CACHE_URL
    options = {"socket_timeout": settings.CACHE_SECONDS, "socket_connect_timeout": settings.CACHE_SECONDS}
    storage = storage_from_string(f"redis+{url}" if url.startswith("unix") else url, wrap_exceptions=True, **options)
    return SharedCounters(FixedWindowRateLimiter(storage), _wait_everywhere)


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"GATEHOUSE", "CACHE_URL"}:
        _limits.cache_clear()
        _shared.cache_clear()


setting_changed.connect(_forget)
