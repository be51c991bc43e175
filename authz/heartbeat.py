"""What each worker does every second beside its requests: it hands on what it has counted, and what it left out."""

import logging
import threading
import time

from django.db import connection

from authz import metrics, refusals

logger = logging.getLogger(__name__)

EVERY = 1.0


def start() -> None:
    threading.Thread(target=_beat, name="heartbeat", daemon=True).start()


def _beat() -> None:
    while True:
        time.sleep(EVERY)
        once()


def once() -> None:
    """One beat. It must outlive whatever goes wrong: a full disk, a database that is away."""
    try:
        metrics.publish()
        refusals.record_left_out()
    except Exception:
        logger.exception("the heartbeat missed")
    finally:
        connection.close()
