"""The entries of `GATEHOUSE_OUTBOUND_ALLOWED_HOSTS`: where this server may go that is not on the public Internet, and
what for.

    127.0.0.1:9300                   for everything, also what strangers name: documents, logos, their keys
    10.0.0.5:443=keys+discovery      for a trusted issuer's keys and metadata, and nothing else
    127.0.0.1:*=resources            every port of a loopback host, for what administrators name

An address that an administrator meant for an issuer is not a stranger's to make this server ask (attack 1).
"""

import re
from collections.abc import Mapping

# What an entry may say, and the roles (authz/outbound/roles.py) that it stands for.
USES: Mapping[str, frozenset[str]] = {
    "documents": frozenset({"client_metadata_document", "client_logo"}),
    "client-keys": frozenset({"client_keys"}),
    "keys": frozenset({"issuer_keys"}),
    "discovery": frozenset({"issuer_metadata"}),
    "sign-in": frozenset({"issuer_sign_in"}),
    "resources": frozenset({"resource_metadata", "resource_probe"}),
    "webhooks": frozenset({"webhook"}),
    "signals": frozenset({"signals", "signal_transmitter", "signal_poll"}),
    "audit": frozenset({"audit_collector", "audit_syslog"}),
    "traces": frozenset({"traces"}),
}
# A name or an address, exactly: no scheme, no pattern.
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\]")
# The port of an entry for every port; no URL has it.
EVERY_PORT = 0
# Only there, and never for what strangers name: each port of this machine would be theirs to ask.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
OF_STRANGERS = USES["documents"] | USES["client-keys"]
Entry = tuple[str, int] | tuple[str, int, frozenset[str]]


def parse(item: str) -> Entry:
    """(host, port), with the roles if it names any. Raises ValueError, with a text for administrators."""
    pair, equals, said = item.partition("=")
    host, _, port = pair.rpartition(":")
    if port == "*":
        return _on_every_port(item, host.strip("[]").lower(), said)
    if not _HOST.fullmatch(host) or not (port.isascii() and port.isdecimal()) or not 0 < int(port[:6]) <= 65535:
        meant = f"; did you mean {pair}:443?" if _HOST.fullmatch(pair) else ""
        raise ValueError(f"takes host:port pairs, such as idp.internal:443, not {item!r}{meant}")
    where = host.strip("[]").lower(), int(port)
    return (*where, _roles(item, said)) if equals else where


def _on_every_port(item: str, host: str, said: str) -> Entry:
    roles = _roles(item, said) if said else OF_STRANGERS
    if host not in LOOPBACK or roles & OF_STRANGERS:
        raise ValueError(f"takes `*` for a port only of {', '.join(sorted(LOOPBACK))}, with roles, not {item!r}")
    return host, EVERY_PORT, roles


def _roles(item: str, said: str) -> frozenset[str]:
    uses = said.split("+")
    if unknown := [use for use in uses if use not in USES]:
        raise ValueError(f"knows {', '.join(USES)}, and not {unknown[0]!r} (in {item!r})")
    return frozenset[str]().union(*(USES[use] for use in uses))
