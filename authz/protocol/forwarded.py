"""The addresses that proxies write down for those behind them: `X-Forwarded-For` and `Forwarded` (RFC 7239).

Both are lists, the nearest hop last. Proxies write one address in many forms: with a port (Azure Application Gateway,
IIS), in brackets, in quotes, with blanks. No I/O.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Final

_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
MAXIMUM_LENGTH: Final = 4096


def address(text: str) -> str | None:
    """The IP address that one hop names, in its usual form; None for `unknown`, `_hidden` and what is no address.

    An IPv4 address inside an IPv6 one is the IPv4 address; a zone is left out, since it means nothing elsewhere.
    """
    text = text.strip(" \t")
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1]).strip(" \t")
    if text.startswith("["):
        text, _, rest = text[1:].partition("]")
        if rest and not (rest[0] == ":" and _PORT.fullmatch(rest[1:])):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _PORT.fullmatch(port):
            return None
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(found)


def x_forwarded_for(value: str) -> list[str | None]:
    """The hops of `X-Forwarded-For`, the nearest last; None for one that names no address."""
    return [address(hop) for hop in value.split(",") if hop.strip(" \t")]


def forwarded(value: str) -> list[str | None]:
    """The hops of `Forwarded`, the nearest last; None for an element without `for`, with two, or with no address."""
    # > Forwarded = 1#forwarded-element (RFC 7239 §4)
    return [_for(element) for element in _split(value, ",") if element.strip(" \t")]


def _split(text: str, separator: str) -> list[str]:
    """Split where the separator stands outside a quoted string."""
    parts, quoted, escaped = [""], False, False
    for character in text:
        if character == separator and not quoted:
            parts.append("")
            continue
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = quoted and character == "\\" and not escaped
        parts[-1] += character
    return parts


def _for(element: str) -> str | None:
    pairs = [pair.strip(" \t").partition("=") for pair in _split(element, ";")]
    # > parameter names are case-insensitive (RFC 7239 §4)
    nodes = [node for name, _, node in pairs if name.lower() == "for"]
    return address(nodes[0]) if len(nodes) == 1 else None


READERS: Final[Mapping[str, Callable[[str], list[str | None]]]] = {
    "x-forwarded-for": x_forwarded_for,
    "forwarded": forwarded,
}


def hops(header: str, value: str) -> list[str | None]:
    """The hops of one of `READERS`; a value of more than `MAXIMUM_LENGTH` characters names none that can be read."""
    return READERS[header](value) if len(value) <= MAXIMUM_LENGTH else [None]
