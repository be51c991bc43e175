"""What each worker does every second in a thread of its own: it publishes its metrics, records the refusals that
sampling left out, writes the counts of calls, and notes proxies that are not configured. Every half minute it renews
the responses that it gives while the database does not answer (authz/endpoints/from_memory.py).
"""

import itertools
import logging
import threading
import time

from django.db import connection

from authz.database import concurrency
from authz.decisions import usage_counts
from authz.endpoints import from_memory
from authz.limits import refusal_sampling, unnamed_proxies, unreadable_headers
from authz.operations import log_repeats
from authz.telemetry import metrics

logger = logging.getLogger(__name__)

EVERY = 1.0
# Rounds between two renewals of what is remembered.
REMEMBER_EVERY = 30


def start() -> None:
    threading.Thread(target=_run, name="worker-reports", daemon=True).start()


def _run() -> None:
    for number in itertools.count():
        once(remembers=number % REMEMBER_EVERY == 0)
        time.sleep(EVERY)


def once(*, remembers: bool = False) -> None:
    """One round. It raises nothing: the thread must survive a full disk and a database that is away."""
    try:
        metrics.publish()
        # Statements have a request's deadline here. Otherwise this would wait as long as a database hangs.
        with concurrency.in_thread():
            refusal_sampling.record_left_out()
            usage_counts.flush()
            if remembers:
                from_memory.refresh()
            unnamed_proxies.note()
            unreadable_headers.note()
    except Exception:
        logger.exception("the worker's report failed")
    finally:
        log_repeats.tell()
        connection.close()
