"""Once means once (law 3): an assertion is claimed by one INSERT whose row count is the answer."""

import hashlib
from datetime import UTC, datetime

from django.db import connection

from authz import statements

_CLAIM = "INSERT INTO authz_usedassertion (digest, expires) VALUES (%s, %s) ON CONFLICT (digest) DO NOTHING"


def claim(issuer: str, jti: str, expires: float) -> bool:
    """Claim (`issuer`, `jti`) until `expires` (seconds since the epoch). False: it was used before.

    Claim last, when everything else about the request has been found good: a request that fails must not burn an
    assertion that somebody else may still present. Call it inside `settled()`, with what it allows, or by itself.
    """
    return statements.write(_CLAIM, (_digest(issuer, jti), _stored(expires))) == 1


def is_claimed(issuer: str, jti: str) -> bool:
    """Whether an assertion was used, for looking without touching. Never to decide by: that is for `claim`."""
    return statements.one("SELECT 1 FROM authz_usedassertion WHERE digest = %s", (_digest(issuer, jti),)) is not None


def _digest(issuer: str, jti: str) -> str:
    # The length keeps ("a", "bc") and ("ab", "c") apart.
    return hashlib.sha256(f"{len(issuer)}:{issuer}{jti}".encode()).hexdigest()


def _stored(seconds: float) -> str | None:
    return connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(seconds, UTC))
