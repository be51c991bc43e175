"""Trusted proxies whose header names no address that can be read. All visitors behind such a one count as the proxy, so
the operator is told (`manage.py doctor`, metrics, log). Each process writes down what it saw; nothing is decided by it.
"""

import logging
import threading
import time

from authz.conf import conf
from authz.models import PeriodicTask
from authz.telemetry import metrics

log = logging.getLogger(__name__)

# Its row among the periodic tasks: when such a request last came (`failed`), how many (`failures`) and from where.
ROW = "unreadable_headers"
# Seconds between two notes of a process.
NOTE_INTERVAL = 60.0
_lock = threading.Lock()
_proxy, _count, _noted = "", 0, float("-inf")


def seen(proxy: str) -> None:
    """The header of this trusted proxy could not be read."""
    global _proxy, _count
    metrics.FORWARDED_UNREADABLE.add()
    with _lock:
        _proxy, _count = proxy, _count + 1


def note() -> None:
    """Write down what was seen. Raises what the database raises."""
    global _count, _noted
    with _lock:
        proxy, count = _proxy, _count
        if not count or time.monotonic() - _noted < NOTE_INTERVAL:
            return
        _count, _noted = 0, time.monotonic()
    log.warning("%d requests of the trusted proxy %s have a %s that names no address", count, proxy, conf.proxy_header)
    values = {"failed": time.time(), "failures": count, "failure": proxy[:200]}
    PeriodicTask.objects.update_or_create(name=ROW, defaults=values)


def last_noted() -> PeriodicTask | None:
    return PeriodicTask.objects.filter(name=ROW).first()
