"""Other parties' public keys, by their JWKS URL: clients' and trusted issuers'.

They are kept between bounds, whatever the host's headers say (authz/outbound/remote_documents.py). A `kid` that is not
among them, or a signature that none of them verifies, asks the host again at once, so that a rotated key counts with
its first token. Where that does not help, the host is not asked again for 30 seconds: a flood of made-up ids is not a
flood of fetches (attack 25). An error is never remembered as keys. The last good ones serve for a bounded time while
the host is down, and not at all once it answers with something that no longer is a set of public keys.
"""

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from django.core.cache import cache

from authz.outbound.errands import Pool
from authz.outbound.remote_documents import (
    Answer,
    DocumentOnItsWayError,
    DocumentUnavailableError,
    Entry,
    NotObtainedError,
    ProcessCache,
    ask,
)
from authz.outbound.roles import Cause, OutboundError, Role
from authz.protocol import strict_json
from authz.protocol.document_lifetimes import Bounds
from authz.protocol.jwks import Key, KeySet, KeySetError, read
from authz.telemetry import metrics

BOUNDS = Bounds(
    minimum=60.0,
    default=300.0,
    maximum=3600.0,
    stale=3600.0,
    first_retry=10.0,
    longest_retry=10.0,
    heeds_staleness=False,
    serves_meanwhile=True,
)
_HEALTH_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Health:
    """How it goes with one URL, for the console. Times are seconds since the epoch, 0 for never."""

    keys: int
    fetched: float
    fresh_until: float
    failures: int
    failed: float
    failure: str
    passed_over: tuple[str, ...] = ()  # what stands among them and does not count, and why: a sentence each


def keys(jwks_uri: str, role: Role = Role.CLIENT_KEYS, *, kid: str | None = None) -> tuple[Key, ...]:
    """The keys at `jwks_uri`; with the `kid` that a token names, asked for anew if it is not among them.

    Raises `DocumentUnavailableError`, and RuntimeError while a transaction is open if the network is needed.
    """
    found = _CACHES[role].get(jwks_uri, lacks=lambda held: kid is not None and all(key.kid != kid for key in held.keys))
    return found.keys


def renewed(jwks_uri: str, role: Role = Role.CLIENT_KEYS, *, tried: Collection[Key]) -> tuple[Key, ...]:
    """What is published beside the keys that were `tried` and do not verify a token, asked for anew.

    Most assertions name no `kid` (interop 3), so this is how keys that were changed are found before the old ones go
    stale. Empty where there is nothing new, or where asking did not help a moment ago. Raises `DocumentOnItsWayError`.
    """
    try:
        found = _CACHES[role].get(jwks_uri, lacks=lambda held: all(key in tried for key in held.keys))
    except DocumentOnItsWayError:
        raise
    except DocumentUnavailableError:
        return ()
    return tuple(key for key in found.keys if key not in tried)


def health(jwks_uri: str) -> Health | None:
    """What this process, or with a shared cache any process, last saw of the URL; None if nothing yet."""
    stored: dict[str, Any] | None = cache.get(_cache_key(jwks_uri))
    return Health(**stored) if stored else None


def forget(jwks_uri: str) -> None:
    """Let go of a URL's keys, such as when its owner has named another."""
    for kept in _CACHES.values():
        kept.forget(jwks_uri)


def _request(role: Role, jwks_uri: str, held: Answer[KeySet] | None) -> Answer[KeySet]:
    try:
        return ask(role, jwks_uri, held, _read)
    except OutboundError as error:
        if error.cause in {Cause.BUSY, Cause.ABANDONED}:
            raise
        # Gone is an answer: keys that their owner withdraws must not be honoured for an hour more.
        is_withdrawn = error.status in {404, 410}
        raise NotObtainedError(error.cause.value, is_withdrawn=is_withdrawn, is_down=error.is_down) from None


def _read(body: bytes) -> KeySet:
    try:
        return read(strict_json.read_object(body))
    except strict_json.StrictJsonError as error:
        raise NotObtainedError(f"refused_{error}", is_withdrawn=True) from None
    except KeySetError:
        raise NotObtainedError("refused_key_set", is_withdrawn=True) from None


def _tell(jwks_uri: str, entry: Entry[KeySet]) -> None:
    cache.set(_cache_key(jwks_uri), asdict(_health(entry)), timeout=_HEALTH_SECONDS)


def _count(jwks_uri: str, entry: Entry[KeySet]) -> None:
    if not entry.failure:
        metrics.KEYS_FETCHED.set(entry.fetched, jwks_uri)
    metrics.KEYS_FAILURES.set(entry.failures, jwks_uri)
    _tell(jwks_uri, entry)


def _health(entry: Entry[KeySet]) -> Health:
    found = entry.answer.value if entry.answer is not None else KeySet((), ())
    return Health(
        keys=len(found.keys),
        fetched=entry.fetched,
        fresh_until=time.time() + entry.fresh_until - time.monotonic() if entry.fetched else 0.0,
        failures=entry.failures,
        failed=entry.failed,
        failure=entry.failure,
        passed_over=tuple(str(one) for one in found.passed_over),
    )


def _cache_key(jwks_uri: str) -> str:
    return f"remote-keys:{sha256(jwks_uri.encode()).hexdigest()}"


_CACHES = {
    Role.CLIENT_KEYS: ProcessCache(
        "client keys", Pool.CLIENTS, BOUNDS, partial(_request, Role.CLIENT_KEYS), after=_tell
    ),
    # The metrics count the issuers that administrators trust: a client's address must not become a label.
    Role.ISSUER_KEYS: ProcessCache(
        "issuer keys", Pool.ISSUERS, BOUNDS, partial(_request, Role.ISSUER_KEYS), after=_count
    ),
}
