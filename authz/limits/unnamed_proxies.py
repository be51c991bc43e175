"""Proxies that `GATEHOUSE_TRUSTED_PROXIES` does not name. For the server all visitors come from such a proxy's address,
so that rules by network, the audit and limits by address take them for one.

It shows in requests whose header names an address before the peer's. A visitor may write that header, too; it is only
told to the operator (`manage.py doctor`, metrics, log), and nothing is decided by it.
"""

import logging
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from authz.conf import conf
from authz.limits.sightings import Sightings
from authz.models import PeriodicTask
from authz.telemetry import metrics

log = logging.getLogger(__name__)

# Its row among the periodic tasks.
ROW = "unnamed_proxies"
_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")
_seen = Sightings(ROW)


def stands_for_all_visitors() -> bool:
    """Whether an address may stand for all visitors: TLS ends at a proxy (this server has none), and none is named."""
    return conf.issuer.startswith("https://") and not conf.trusted_proxies


def look(meta: Mapping[str, Any], peer: str) -> None:
    """See whether the `peer`, which is no trusted proxy, has sent a proxy's header."""
    if not any(header in meta for header in _HEADERS):
        return
    # Where proxies are named, strangers who write their header come from elsewhere.
    if conf.trusted_proxies and not _is_private(peer):
        return
    metrics.FORWARDED_UNTRUSTED.add()
    _seen.add(peer)


def note() -> None:
    """Write down what was seen, for `manage.py doctor`. Raises what the database raises."""
    _seen.note(_warn)


def _warn(count: int, peer: str) -> None:
    log.warning(
        "%d requests name an address before %s, which GATEHOUSE_TRUSTED_PROXIES does not name: if that is your proxy,"
        " all visitors share one address",
        count,
        peer,
    )


def last_noted() -> PeriodicTask | None:
    return _seen.last_noted()


def _is_private(peer: str) -> bool:
    try:
        return ip_address(peer).is_private
    except ValueError:
        return False
