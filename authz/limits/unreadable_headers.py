"""Trusted proxies whose header names no address that can be read. All visitors behind such a one count as the proxy, so
the operator is told (`manage.py doctor`, metrics, log). Each process writes down what it saw; nothing is decided by it.
"""

import logging

from authz.conf import conf
from authz.limits.sightings import Sightings
from authz.models import PeriodicTask
from authz.telemetry import metrics

log = logging.getLogger(__name__)

_seen = Sightings("unreadable_headers")


def seen(proxy: str) -> None:
    """The header of this trusted proxy could not be read."""
    metrics.FORWARDED_UNREADABLE.add()
    _seen.add(proxy)


def note() -> None:
    """Write down what was seen. Raises what the database raises."""
    _seen.note(_warn)


def _warn(count: int, proxy: str) -> None:
    log.warning("%d requests of the trusted proxy %s have a %s that names no address", count, proxy, conf.proxy_header)


def last_noted() -> PeriodicTask | None:
    return _seen.last_noted()
