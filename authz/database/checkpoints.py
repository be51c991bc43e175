"""Checkpoints on SQLite: a thread moves committed pages from the write-ahead log into the database file, so that no
request has to (authz/database/sqlite3). It does nothing else, so no long task delays it.
"""

import logging
import threading
import time

from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection

logger = logging.getLogger(__name__)

# Seconds. Until then a commit is safe in the log (docs/decisions/0004-durability.md).
POLL_SECONDS = 1.0


def start() -> None:
    """Start the thread in this process. It does nothing on PostgreSQL."""
    if connection.vendor == "sqlite":
        threading.Thread(target=_go_on, name="checkpoints", daemon=True).start()


def _go_on() -> None:
    while True:
        try:
            close_old_connections()
            connection.checkpoint()  # type: ignore[attr-defined]  # ours has it
        except DatabaseFailure:
            logger.exception("no checkpoint")
        time.sleep(POLL_SECONDS)
