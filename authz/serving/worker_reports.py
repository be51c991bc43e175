"""What each worker does every second beside its requests: it hands on what it has counted, what it left out, and which
proxy nobody named. Every half minute it renews what it says while the database does not answer
(authz/endpoints/from_memory.py).
"""

import itertools
import logging
import threading
import time

from django.db import connection

from authz.database import concurrency
from authz.endpoints import from_memory
from authz.limits import refusal_sampling, unnamed_proxies, unreadable_headers
from authz.operations import log_repeats
from authz.telemetry import metrics

logger = logging.getLogger(__name__)

EVERY = 1.0
# Beats between two looks at what is to be remembered.
REMEMBER_EVERY = 30


def start() -> None:
    threading.Thread(target=_beat, name="heartbeat", daemon=True).start()


def _beat() -> None:
    for beat in itertools.count():
        once(remembers=beat % REMEMBER_EVERY == 0)
        time.sleep(EVERY)


def once(*, remembers: bool = False) -> None:
    """One beat. It must outlive whatever goes wrong: a full disk, a database that is away."""
    try:
        metrics.publish()
        # With a request's deadline: else it would wait as long as a database hangs.
        with concurrency.in_thread():
            refusal_sampling.record_left_out()
            if remembers:
                from_memory.refresh()
            unnamed_proxies.note()
            unreadable_headers.note()
    except Exception:
        logger.exception("the heartbeat missed")
    finally:
        log_repeats.tell()
        connection.close()
