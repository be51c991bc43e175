"""Up to where no event can appear any more, so that what is sealed has its order for good.

On SQLite writers take turns, so ids appear in their order. On PostgreSQL an id is taken before its row is committed: a
row may appear below one that has been there for a while. Whoever writes to a table holds a ROW EXCLUSIVE lock on it
from before the first id is taken until the transaction ends. So: read the highest id, then read who holds that lock,
and wait until those are gone. Whoever comes later takes a higher id. Nobody who writes waits for us: we only look.
"""

import logging
import time
from collections.abc import Callable

from django.db import connection

logger = logging.getLogger(__name__)

# Seconds to wait for those who write just now; they take milliseconds.
TIMEOUT_SECONDS = 3.0
_HOLDERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'authz_auditevent'::regclass AND mode = 'RowExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND pid IS DISTINCT FROM pg_backend_pid()
"""


def horizon(clock: Callable[[], float] = time.monotonic) -> int | None:
    """The id up to which events may be sealed; None while somebody who may still bring a lower one has not ended."""
    highest = _highest_id()
    if connection.vendor != "postgresql":
        return highest
    patience = clock() + TIMEOUT_SECONDS
    waited_for = _holders()
    while waited_for:
        if clock() > patience:
            logger.warning("sealing waits for transactions that write to the audit and do not end: %s", waited_for)
            return None
        time.sleep(0.02)
        waited_for &= _holders()
    return highest


def _highest_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT MAX(id) FROM authz_auditevent")
        row = cursor.fetchone()
    return row[0] if row and row[0] is not None else 0


def _holders() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS)
        return {row[0] for row in cursor.fetchall()}
