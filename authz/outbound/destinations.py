"""Where a request may go: one strict reading of the URL, one look-up of its name, and a check of every address.

> Authorization servers MUST validate that the Client ID Metadata Document URL does not resolve to special-use IP
> addresses as defined in RFC 6890 (draft-ietf-oauth-client-id-metadata-document §6.5)

`GATEHOUSE_OUTBOUND_ALLOWED_HOSTS` names host:port pairs that may have private addresses, and plain http on loopback,
for the roles that each entry serves (authz/protocol/allowed_hosts.py).
"""

import re
import socket
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from queue import Empty, SimpleQueue

from authz.conf import conf
from authz.outbound.deadlines import Deadline
from authz.outbound.roles import Cause, OutboundError, Role
from authz.protocol.allowed_hosts import EVERY_PORT
from authz.protocol.redirect_uris import is_host


def is_fetchable(url: str, role: Role) -> bool:
    """Whether `fetch` would try it for this role: https, or a pair that is allow-listed for it. Its addresses are
    checked at each call.
    """
    try:
        parse(url, role)
    except OutboundError:
        return False
    return True


_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?]*)?(?P<query>\?.*)?"
)
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]{1,2048}")


@dataclass(frozen=True, slots=True)
class Target:
    url: str
    scheme: str
    host: str
    port: int
    is_allow_listed: bool  # for the role that it is asked for


def parse(url: str, role: Role) -> Target:
    """One strict reading of the URL, so that no two parsers can disagree about its host. Raises `OutboundError`."""
    parts = _URL.fullmatch(url) if _CHARACTERS.fullmatch(url) else None
    # A trailing dot, a decimal or an octal address is a name that only some would read as an address.
    if parts is None or not is_host(parts["host"]):
        raise OutboundError(Cause.URL)
    port = int(parts["port"] or (443 if parts["scheme"] == "https" else 80))
    host = parts["host"].lower()
    is_allow_listed = any(_serves((host.strip("[]"), number), role) for number in (port, EVERY_PORT))
    target = Target(url, parts["scheme"], host, port, is_allow_listed)
    if not 0 < port <= 65535 or (target.scheme != "https" and not target.is_allow_listed):
        raise OutboundError(Cause.URL)
    return target


def _serves(pair: tuple[str, int], role: Role) -> bool:
    roles = conf.outbound_allowed_hosts.get(pair, frozenset())
    return roles is None or role.value in roles


# A resolver cannot be interrupted, so it runs beside us; a hanging one must not eat threads without limit.
_resolvers = threading.BoundedSemaphore(64)


def resolve(host: str, port: int, deadline: Deadline) -> list[str]:
    """Every address of the host, resolved once. Raises `OutboundError`."""
    if not _resolvers.acquire(timeout=deadline.left()):
        raise OutboundError(Cause.TIMEOUT, detail="resolving")
    answers: SimpleQueue[list[str] | None] = SimpleQueue()

    def resolve() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError):
            answers.put(None)
        finally:
            _resolvers.release()

    threading.Thread(target=resolve, name="resolve", daemon=True).start()
    try:
        addresses = answers.get(timeout=deadline.left())
    except Empty:
        raise OutboundError(Cause.TIMEOUT, detail="resolving") from None
    if not addresses:
        raise OutboundError(Cause.DNS)
    return addresses


def checked_addresses(target: Target, deadline: Deadline) -> list[str]:
    """The addresses of the target to be tried in turn, if all of them may be connected to. Raises `OutboundError`.

    One forbidden address among many is a rebinding attack.
    """
    addresses = resolve(target.host.strip("[]"), target.port, deadline)
    for text in addresses:
        address = ip_address(text)
        allowed = is_public(address) if not target.is_allow_listed else target.scheme == "https" or address.is_loopback
        if not allowed:
            raise OutboundError(Cause.ADDRESS_FORBIDDEN, detail=text)
    return addresses[:4]


_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Global unicast by number, but not public: Teredo and other IETF protocol assignments, documentation, 6to4.
_SPECIAL_V6 = (
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
)
_SPECIAL_V4 = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments, of which Python knows only a part
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("168.63.129.16/32"),  # Azure's wire server, which every virtual machine there can reach
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is on the public Internet (RFC 6890), also when it is an IPv4 address inside an IPv6 one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(address.packed[-4:]))
        # Python counts site-local and unassigned space as global; global unicast is 2000::/3 and nothing else.
        return address in _GLOBAL_UNICAST and not any(address in network for network in _SPECIAL_V6)
    return address.is_global and not address.is_multicast and not any(address in network for network in _SPECIAL_V4)
