"""What is committed on SQLite is carried from its log into the database by a thread beside those who answer
(authz/database/sqlite3). It has nothing else to do, so that no long task keeps it.
"""

import logging
import threading
import time

from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection

logger = logging.getLogger(__name__)

# Seconds. What a power cut takes is what was committed since (docs/decisions/0004-durability.md).
POLL_SECONDS = 1.0


def start() -> None:
    """Begin, in this process. On another database there is nothing to do."""
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
