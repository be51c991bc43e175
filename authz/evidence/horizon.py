"""The id up to which no event can appear any more, so that the order of sealed events is final.

On SQLite there is one writer, so ids appear in their order. On PostgreSQL an id is taken before its row is committed: a
row may appear below an older one. A writer holds a ROW EXCLUSIVE lock on the table from before it takes the first id
until its transaction ends. So: read the highest id, then read which transactions hold that lock, and wait until those
have ended. Later writers take higher ids. Writers never wait for the sealer, which only reads.
"""

import logging
import time
from collections.abc import Callable

from django.db import connection

logger = logging.getLogger(__name__)

# Seconds to wait for current writers; they take milliseconds.
TIMEOUT_SECONDS = 3.0
_HOLDERS = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'authz_auditevent'::regclass AND mode = 'RowExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND pid IS DISTINCT FROM pg_backend_pid()
"""


def horizon(clock: Callable[[], float] = time.monotonic) -> int | None:
    """The id up to which events may be sealed; None while a transaction is open that may still commit a lower one."""
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
