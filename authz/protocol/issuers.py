"""Which issuer identifiers can be served: each is the one form that browsers and SDKs make of it.

> The authorization server's issuer identifier, which is a URL that uses the "https" scheme and has no query or fragment
> components (RFC 8414 §2)

Clients compare it byte for byte, and most of them read it by a URL parser that writes hosts in lower case, drops
default ports and resolves dots. An issuer that such a parser changes is one that they don't recognise, and whose pages
refuse their Host and Origin.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

import idna

_PRINTABLE = re.compile(r"[\x21-\x7e]*")
_LABELS = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
# One trailing slash is the issuer's own (interop: both forms are in use).
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_DEFAULT_PORT = {"https": 443, "http": 80}


def problem(issuer: str) -> str:
    """Why this cannot be an issuer, as the rest of a sentence that says what to write; "" where it can."""
    try:
        parts = urlsplit(issuer)
        port = parts.port
    except ValueError as error:
        return f"is not a URL ({error})"
    if parts.scheme not in _DEFAULT_PORT or not parts.hostname:
        return "is not an absolute https URL, such as https://auth.example.com/o"
    if port == 0:
        return "must have a port that can be reached, or none"
    if "?" in issuer or "#" in issuer:
        return "must have no query and no fragment"
    if "@" in parts.netloc:
        return "must have no user name or password"
    host, against = _host(parts.hostname)
    if against:
        return against
    if not _PRINTABLE.fullmatch(issuer) or not _PATH.fullmatch(parts.path) or _has_dots(parts.path):
        return (
            "must have a path of plain segments: letters, digits and - . _ ~ between single slashes, nothing"
            " percent-encoded, no . and no .."
        )
    written = _written(parts, host, port)
    return "" if written == issuer else f"must be written as browsers and clients write it: {written}"


def authority_host(hostname: str) -> str:
    """A host as it stands in a Host header: an IPv6 address in brackets."""
    return f"[{hostname}]" if ":" in hostname else hostname


def _host(hostname: str) -> tuple[str, str]:
    """The host in its one form, and what is against it."""
    if ":" in hostname:
        if "%" in hostname:
            return "", "must have no IPv6 zone: only this machine knows it; write an address without one, or a name"
        try:
            return ipaddress.IPv6Address(hostname).compressed, ""
        except ValueError:
            return "", "has no valid IPv6 address in its brackets"
    if not hostname.isascii():
        try:
            label = idna.encode(hostname, uts46=True).decode()
        except idna.IDNAError:
            return "", "has a host that is no valid internationalised name"
        return "", f"must have the ASCII form of its host: {label}"
    if hostname.endswith("."):
        return "", f"must have no dot at the end of its host: {hostname.rstrip('.')}"
    if _NUMERIC.fullmatch(hostname.rpartition(".")[2]):
        try:
            return ipaddress.IPv4Address(hostname).compressed, ""
        except ValueError:
            return "", "must have an IPv4 address of four decimal numbers, such as 127.0.0.1"
    if not _LABELS.fullmatch(hostname) or len(hostname) > 253:
        return "", "must have a host name of letters, digits, hyphens and dots"
    return hostname, ""


def _has_dots(path: str) -> bool:
    return any(segment in {".", ".."} for segment in path.split("/"))


def _written(parts: SplitResult, host: str, port: int | None) -> str:
    authority = authority_host(host)
    if port is not None and port != _DEFAULT_PORT[parts.scheme]:
        authority += f":{port}"
    return f"{parts.scheme}://{authority}{parts.path}"
