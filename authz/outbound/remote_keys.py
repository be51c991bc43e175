"""Other parties' public keys, by their JWKS URL: clients' and trusted issuers'.

Kept in the process between bounds, whatever the host's headers say. A `kid` that is not among them, or a signature that
none of them verifies, asks the host again at once, so that a rotated key counts with its first token. Where that does
not help nobody asks for 30 seconds: a flood of made-up ids is not a flood of fetches (attack 25). An error is never
remembered as keys; the last good ones serve for a bounded time while the host is down, and not at all once it answers
with something that no longer is a set of public keys.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from django.core.cache import cache

from authz.outbound import Cause, OutboundError, Response, Role, errands, fetch
from authz.outbound.errands import Pool
from authz.protocol import http_caching, strict_json
from authz.protocol.jwks import Key, KeySet, KeySetError, PassedOver, read
from authz.telemetry import metrics

# Seconds.
MIN_AGE, DEFAULT_AGE, MAX_AGE = 60.0, 300.0, 3600.0
DOUBT_INTERVAL = 30.0  # after asking for other keys did not help
RETRY_INTERVAL = 10.0
GRACE = 3600.0  # how long keys serve after they went stale while their host is down
MAX_ENTRIES = 1000


class KeysUnavailableError(Exception):
    """What is published is no set of public keys, or is there no more. Its text is the cause, for operators."""


class KeysUnreachableError(KeysUnavailableError):
    """Their host does not answer: nothing is known to be wrong. They may be asked for again after `retry_after` (s)."""

    def __init__(self, cause: str, retry_after: float) -> None:
        super().__init__(cause)
        self.retry_after = max(1, math.ceil(retry_after))


class KeysOnTheirWayError(KeysUnavailableError):
    """Others wait for them already, so this request may not: nothing is wrong, and a moment later they are there."""


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


@dataclass(slots=True)
class _Entry:
    keys: tuple[Key, ...] | None = None
    passed_over: tuple[PassedOver, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    # By the clock that only moves forward: until when the keys are fresh, when the host was last asked for other keys
    # and had none, and when it failed.
    fresh_until: float = 0.0
    missed: float = float("-inf")
    failed_at: float = float("-inf")
    # By the clock, to be shown.
    fetched: float = 0.0
    failures: int = 0
    failed: float = 0.0
    failure: str = ""
    is_down: bool = False  # the failure is that its host did not answer

    def usable(self, now: float) -> tuple[Key, ...] | None:
        return self.keys if now < self.fresh_until + GRACE else None

    def is_due(self, now: float, *, lacking: bool) -> bool:
        """Whether the host should be asked (again); `lacking` says that a token needs a key that is not among them."""
        if self.failure and now < self.failed_at + RETRY_INTERVAL:
            return False
        if self.keys is None or now >= self.fresh_until:
            return True
        return lacking and now >= self.missed + DOUBT_INTERVAL


_entries: OrderedDict[str, _Entry] = OrderedDict()
_entries_lock = threading.Lock()


def keys(jwks_uri: str, role: Role = Role.CLIENT_KEYS, *, kid: str | None = None) -> tuple[Key, ...]:
    """The keys at `jwks_uri`; with the `kid` that a token names, asked for anew if it is not among them.

    Raises `KeysUnavailableError`, and RuntimeError inside `unit_of_work()` (law 2) if the network is needed.
    """
    entry = _entry(jwks_uri)
    _refresh(entry, jwks_uri, role, lacks=lambda: kid is not None and all(key.kid != kid for key in entry.keys or ()))
    usable = entry.usable(time.monotonic())
    if usable is None:
        raise _unavailable(entry)
    return usable


def renewed(jwks_uri: str, role: Role = Role.CLIENT_KEYS, *, tried: Collection[Key]) -> tuple[Key, ...]:
    """What is published beside the keys that were `tried` and do not verify a token, asked for anew.

    Most assertions name no `kid` (interop 3), so this is how keys that were changed are found before the old ones go
    stale. Empty where there is nothing new, or where asking did not help a moment ago.
    """
    entry = _entry(jwks_uri)
    _refresh(entry, jwks_uri, role, lacks=lambda: all(key in tried for key in entry.keys or ()))
    return tuple(key for key in entry.usable(time.monotonic()) or () if key not in tried)


def _unavailable(entry: _Entry) -> KeysUnavailableError:
    if not entry.failure:
        return KeysOnTheirWayError("being_fetched")
    if entry.is_down:
        return KeysUnreachableError(entry.failure, entry.failed_at + RETRY_INTERVAL - time.monotonic())
    return KeysUnavailableError(entry.failure)


def health(jwks_uri: str) -> Health | None:
    """What this process, or with a shared cache any process, last saw of the URL; None if nothing yet."""
    stored: dict[str, Any] | None = cache.get(_cache_key(jwks_uri))
    return Health(**stored) if stored else None


def forget(jwks_uri: str) -> None:
    """Let go of a URL's keys, such as when its owner has named another."""
    with _entries_lock:
        _entries.pop(jwks_uri, None)


def _entry(jwks_uri: str) -> _Entry:
    with _entries_lock:
        entry = _entries.setdefault(jwks_uri, _Entry())
        _entries.move_to_end(jwks_uri)
        while len(_entries) > MAX_ENTRIES:
            _entries.popitem(last=False)
        return entry


def _refresh(entry: _Entry, jwks_uri: str, role: Role, *, lacks: Callable[[], bool]) -> None:
    """Ask the host, if it is due. One fetch at a time: whoever has usable keys does not wait for it; whoever has none,
    or lacks the one, waits with the one who asked first.
    """
    key, party = ("keys", jwks_uri), urlsplit(jwks_uri).netloc
    lacking = lacks()
    if not entry.is_due(time.monotonic(), lacking=lacking) and not (lacking and errands.is_under_way(key)):
        return
    kind = Pool.ISSUERS if role is Role.ISSUER_KEYS else Pool.CLIENTS

    def work() -> None:
        if entry.is_due(time.monotonic(), lacking=lacks()):
            _fetch(entry, jwks_uri, role)
            if lacks():
                entry.missed = time.monotonic()
            _count(entry, jwks_uri, role)
            cache.set(_cache_key(jwks_uri), asdict(_health(entry)), timeout=24 * 3600)

    if entry.usable(time.monotonic()) is not None and not lacking:
        errands.begin(kind, key, work, party=party)
        return
    try:
        errands.result(kind, key, work, party=party)
    except errands.BusyError:
        raise KeysOnTheirWayError(Cause.BUSY.value) from None


def _fetch(entry: _Entry, jwks_uri: str, role: Role) -> None:
    requested = time.time()
    try:
        response = fetch(role, jwks_uri, headers=http_caching.validators(entry.headers) if entry.keys else None)
        headers, found = _answer(entry, response)
    except OutboundError as error:
        if error.cause in {Cause.BUSY, Cause.ABANDONED}:
            return  # nobody was asked to the end, so nothing failed
        # Gone is an answer: whoever withdraws their keys must not have them honoured for an hour more.
        _failed(entry, error.cause.value, withdrawn=error.status in {404, 410}, is_down=error.is_down)
        return
    except strict_json.StrictJsonError as error:
        _failed(entry, f"refused_{error}", withdrawn=True)
        return
    except KeySetError:
        _failed(entry, "refused_key_set", withdrawn=True)
        return
    remaining = http_caching.freshness(headers, requested=requested, received=time.time()).remaining
    entry.keys, entry.passed_over, entry.headers = found.keys, found.passed_over, headers
    entry.fetched = time.time()
    age = min(MAX_AGE, max(MIN_AGE, DEFAULT_AGE if remaining is None else remaining))
    entry.fresh_until = time.monotonic() + age
    entry.failures, entry.failure = 0, ""


def _count(entry: _Entry, jwks_uri: str, role: Role) -> None:
    # Whom administrators trust, and nobody else: a client's address must not become a label.
    if role is Role.ISSUER_KEYS:
        if not entry.failure:
            metrics.KEYS_FETCHED.set(entry.fetched, jwks_uri)
        metrics.KEYS_FAILURES.set(entry.failures, jwks_uri)


def _answer(entry: _Entry, response: Response) -> tuple[Mapping[str, str], KeySet]:
    if response.status != 304:
        return response.headers, read(strict_json.read_object(response.body))
    headers = http_caching.updated(entry.headers, response.headers)
    if headers is None or entry.keys is None:
        raise KeySetError("it confirms something that is not what we hold")
    return headers, KeySet(entry.keys, entry.passed_over)


def _failed(entry: _Entry, failure: str, *, withdrawn: bool, is_down: bool = False) -> None:
    entry.failures += 1
    entry.failed, entry.failed_at = time.time(), time.monotonic()
    entry.failure, entry.is_down = failure, is_down
    if withdrawn:
        entry.keys, entry.headers = None, {}


def _health(entry: _Entry) -> Health:
    return Health(
        keys=len(entry.keys or ()),
        fetched=entry.fetched,
        fresh_until=time.time() + entry.fresh_until - time.monotonic() if entry.fetched else 0.0,
        failures=entry.failures,
        failed=entry.failed,
        failure=entry.failure,
        passed_over=tuple(str(one) for one in entry.passed_over) if entry.keys is not None else (),
    )


def _cache_key(jwks_uri: str) -> str:
    return f"remote-keys:{sha256(jwks_uri.encode()).hexdigest()}"
