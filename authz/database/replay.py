"""Replay protection (invariant 3): an assertion is claimed by one INSERT, and the row count is the answer."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

from authz.database import raw_sql
from authz.database.transactions import in_unit_of_work

# The name of the removal mark in authz/database/clocks.py.
REMOVED = "assertions"
# An assertion that expired before the removal mark is refused: it may have been used, and its row removed by a process
# whose clock is ahead of this one's (attack 45).
_NOT_REMOVED = "NOT EXISTS (SELECT 1 FROM authz_removalmark WHERE name = 'assertions' AND until > {})"
_CLAIM = (
    f"INSERT INTO authz_usedassertion (digest, expires) SELECT %s, %s WHERE {_NOT_REMOVED.format('%s')}"
    " ON CONFLICT (digest) DO NOTHING"
)
# The first SELECT finds no row: PostgreSQL takes the columns' types from it.
_CLAIM_ALL = (
    "INSERT INTO authz_usedassertion (digest, expires) SELECT digest, expires FROM"
    " (SELECT digest, expires FROM authz_usedassertion WHERE 1 = 0 {}) AS claimed WHERE {}"
    " ON CONFLICT (digest) DO NOTHING RETURNING digest"
)
_ONE_OF_ALL = "UNION ALL SELECT %s, %s"


@dataclass(frozen=True, slots=True)
class _Claims:
    """The claims of one request: those of its earlier beginnings, and those of this one."""

    before: set[str] = field(default_factory=set)
    now: set[str] = field(default_factory=set)


_claims: ContextVar[_Claims | None] = ContextVar("claims", default=None)


@contextmanager
def remembered(before: frozenset[str] = frozenset()) -> Iterator[set[str]]:
    """For a request that may begin again (authz/serving/asgi.py). Yields the set of what it claims in here. It may
    claim again what it claimed `before`, each once.
    """
    claims = _Claims(set(before))
    token = _claims.set(claims)
    try:
        yield claims.now
    finally:
        _claims.reset(token)


def claim(issuer: str, jti: str, expires: float) -> bool:
    """Claim (`issuer`, `jti`) until `expires` (seconds since the epoch). False: it was used before.

    Claim last, when all other checks have passed: a request that fails must not use up an assertion that its owner may
    still present. Call it inside `unit_of_work()`, together with what it allows, or by itself.
    """
    digest, claims = _digest(issuer, jti), _claims.get()
    if claims is not None and digest in claims.before:
        claims.before.remove(digest)
        return True
    is_first = raw_sql.write(*statement(issuer, jti, expires)) == 1
    # A claim inside a transaction may be rolled back with it.
    if is_first and claims is not None and not in_unit_of_work():
        claims.now.add(digest)
    return is_first


def statement(issuer: str, jti: str, expires: float) -> raw_sql.Statement:
    """The statement of `claim`, for a caller that has it written along with another one. No row: it was used before."""
    ends = raw_sql.timestamp(datetime.fromtimestamp(expires, UTC))
    return _CLAIM, (_digest(issuer, jti), ends, ends)


def claim_all(issuer: str, expires: Mapping[str, float]) -> set[str]:
    """Claim many at once, each until its end, by one statement, and return those that were not used before, and whose
    use cannot have been forgotten. Inside `unit_of_work()`, together with what it allows: a request that begins again
    finds none of them claimed.
    """
    digests = {_digest(issuer, jti): jti for jti in expires}
    values = [
        value
        for digest, jti in digests.items()
        for value in (digest, raw_sql.timestamp(datetime.fromtimestamp(expires[jti], UTC)))
    ]
    rows = raw_sql.every(
        _CLAIM_ALL.format(" ".join([_ONE_OF_ALL] * len(digests)), _NOT_REMOVED.format("claimed.expires")), values
    )
    return {digests[digest] for (digest,) in rows}


def is_claimed(issuer: str, jti: str) -> bool:
    """Whether an assertion was used. For display only: `claim` decides."""
    return raw_sql.one("SELECT 1 FROM authz_usedassertion WHERE digest = %s", (_digest(issuer, jti),)) is not None


def _digest(issuer: str, jti: str) -> str:
    # The length keeps ("a", "bc") and ("ab", "c") apart.
    return hashlib.sha256(f"{len(issuer)}:{issuer}{jti}".encode()).hexdigest()
