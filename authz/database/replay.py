"""Once means once (law 3): an assertion is claimed by one INSERT whose row count is the answer."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

from authz.database import raw_sql
from authz.database.transactions import in_unit_of_work

# By which name authz/database/clocks.py marks what was removed.
REMOVED = "assertions"
# What ended before others like it were removed may have been used and removed, too: its clock is not that of whoever
# removed them (attack 45).
_CLAIM = (
    "INSERT INTO authz_usedassertion (digest, expires) SELECT %s, %s WHERE NOT EXISTS"
    " (SELECT 1 FROM authz_removalmark WHERE name = 'assertions' AND until > %s) ON CONFLICT (digest) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class _Claims:
    """Of one request: what it claimed when it was begun before, and what it claims now."""

    before: set[str] = field(default_factory=set)
    now: set[str] = field(default_factory=set)


_claims: ContextVar[_Claims | None] = ContextVar("claims", default=None)


@contextmanager
def remembered(before: frozenset[str] = frozenset()) -> Iterator[set[str]]:
    """For a request that may have to begin again (authz/serving/asgi.py): gives what it claims in here, and lets it
    claim again what it claimed `before`, each of it once.
    """
    claims = _Claims(set(before))
    token = _claims.set(claims)
    try:
        yield claims.now
    finally:
        _claims.reset(token)


def claim(issuer: str, jti: str, expires: float) -> bool:
    """Claim (`issuer`, `jti`) until `expires` (seconds since the epoch). False: it was used before.

    Claim last, when everything else about the request has been found good: a request that fails must not burn an
    assertion that somebody else may still present. Call it inside `unit_of_work()`, with what it allows, or by itself.
    """
    digest, claims = _digest(issuer, jti), _claims.get()
    if claims is not None and digest in claims.before:
        claims.before.remove(digest)
        return True
    ends = raw_sql.moment(datetime.fromtimestamp(expires, UTC))
    is_first = raw_sql.write(_CLAIM, (digest, ends, ends)) == 1
    # What belongs to a transaction may be rolled back with it.
    if is_first and claims is not None and not in_unit_of_work():
        claims.now.add(digest)
    return is_first


def is_claimed(issuer: str, jti: str) -> bool:
    """Whether an assertion was used, for looking without touching. Never to decide by: that is for `claim`."""
    return raw_sql.one("SELECT 1 FROM authz_usedassertion WHERE digest = %s", (_digest(issuer, jti),)) is not None


def _digest(issuer: str, jti: str) -> str:
    # The length keeps ("a", "bc") and ("ab", "c") apart.
    return hashlib.sha256(f"{len(issuer)}:{issuer}{jti}".encode()).hexdigest()
