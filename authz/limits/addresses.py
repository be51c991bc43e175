"""The address a request came from."""

from collections.abc import Mapping
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from authz.conf import conf
from authz.limits import unnamed_proxies, unreadable_headers
from authz.protocol import forwarded


def client_address(meta: Mapping[str, Any]) -> str:
    """The peer's address; behind trusted proxies (`GATEHOUSE_TRUSTED_PROXIES`) the nearest that is none of them.

    Their header (`GATEHOUSE_PROXY_HEADER`) is read from the right and only as far as trusted proxies wrote it: what a
    stranger put into it on the left is never believed. A hop that names no address ends the reading.
    """
    peer = str(meta.get("REMOTE_ADDR", ""))
    if not conf.trusted_proxies or not _is_trusted(peer):
        unnamed_proxies.look(meta, peer)
        return peer
    header = conf.proxy_header
    for hop in reversed(forwarded.hops(header, str(meta.get(f"HTTP_{header.upper().replace('-', '_')}", "")))):
        if hop is None:
            unreadable_headers.seen(peer)
            return peer
        peer = hop
        if not _is_trusted(hop):
            break
    return peer


def network_of(address: str) -> str:
    """What is counted for an address: itself; of an IPv6 address the /64, all of which one customer has."""
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"


@cache
def _networks(proxies: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(proxy) for proxy in proxies)


def _is_trusted(address: str) -> bool:
    if not _is_address(address):
        return False
    return any(ip_address(address) in network for network in _networks(conf.trusted_proxies))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
