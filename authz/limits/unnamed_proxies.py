"""Proxies that `GATEHOUSE_TRUSTED_PROXIES` does not name. For the server all visitors come from such a proxy's address,
so that rules by network, the audit and limits by address take them for one.

It shows in requests whose header names an address before the peer's. A visitor may write that header, too; it is only
told to the operator (`manage.py doctor`, metrics, log), and nothing is decided by it.
"""

import logging
import threading
import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from authz.conf import conf
from authz.models import PeriodicTask
from authz.telemetry import metrics

log = logging.getLogger(__name__)

# Its row among the periodic tasks: when such a request last came (`failed`), how many (`failures`) and from where.
ROW = "unnamed_proxies"
# Seconds between two notes of a process.
NOTE_INTERVAL = 60.0
_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")
_lock = threading.Lock()
_peer, _count, _noted = "", 0, float("-inf")


def stands_for_all_visitors() -> bool:
    """Whether an address may stand for all visitors: TLS ends at a proxy (this server has none), and none is named."""
    return conf.issuer.startswith("https://") and not conf.trusted_proxies


def look(meta: Mapping[str, Any], peer: str) -> None:
    """See whether the `peer`, which is no trusted proxy, has sent a proxy's header."""
    global _peer, _count
    if not any(header in meta for header in _HEADERS):
        return
    # Where proxies are named, strangers who write their header come from elsewhere.
    if conf.trusted_proxies and not _is_private(peer):
        return
    metrics.FORWARDED_UNTRUSTED.add()
    with _lock:
        _peer, _count = peer, _count + 1


def note() -> None:
    """Write down what was seen, for `manage.py doctor`. Raises what the database raises."""
    global _count, _noted
    with _lock:
        peer, count = _peer, _count
        if not count or time.monotonic() - _noted < NOTE_INTERVAL:
            return
        _count, _noted = 0, time.monotonic()
    log.warning(
        "%d requests name an address before %s, which GATEHOUSE_TRUSTED_PROXIES does not name: if that is your proxy,"
        " all visitors share one address",
        count,
        peer,
    )
    values = {"failed": time.time(), "failures": count, "failure": peer[:200]}
    PeriodicTask.objects.update_or_create(name=ROW, defaults=values)


def last_noted() -> PeriodicTask | None:
    return PeriodicTask.objects.filter(name=ROW).first()


def _is_private(peer: str) -> bool:
    try:
        return ip_address(peer).is_private
    except ValueError:
        return False
