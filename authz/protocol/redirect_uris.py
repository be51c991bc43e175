"""Redirect URIs: which may be registered, which request matches a registered one, and what people are shown of it.

The rules of OAuth 2.1 §2.3, RFC 8252 §7 and RFC 9700 §2.1, as functions of the raw string. What a browser reads more
generously than RFC 3986 (backslashes, white space, numeric hosts) is refused, so that both read the same host.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from authz.protocol.sentences import WithSentence

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "[::1]", "localhost"})
# Schemes that run or read something in the person's browser, whatever a policy says.
NEVER = frozenset({"javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source", "intent"})
MAX_LENGTH = 2048

_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_NAME = re.compile(r"(?!-)[A-Za-z0-9_\-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_\-]{1,63}(?<!-))*")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LOOPBACK = re.compile(
    r"http://(?P<host>127\.0\.0\.1|\[::1\]|localhost)(?::(?P<port>[0-9]{1,5}))?(?P<rest>(?:[/?].*)?)", re.DOTALL
)


class Problem(WithSentence):
    """Why a redirect URI cannot be registered; `sentence` says it to the client's developer."""

    TOO_LONG = "too_long", f"It is longer than {MAX_LENGTH} characters."
    CHARACTERS = (
        "characters",
        "It holds characters that a URI cannot hold (white space, backslash, control, non-ASCII).",
    )
    NOT_ABSOLUTE = "not_absolute", "It is not an absolute URI."
    SCHEME_FORBIDDEN = "scheme_forbidden", "Its scheme is never allowed for a redirect."
    SCHEME_NOT_ALLOWED = "scheme_not_allowed", "Its private-use scheme is not allowed by this server's policy."
    FRAGMENT = "fragment", "It has a fragment."
    USERINFO = "userinfo", "It has a user name or password in it."
    HOST = "host", "It has no valid host."
    PORT = "port", "It has no valid port."
    HTTP_OFF_LOOPBACK = "http_off_loopback", "Plain http is only for 127.0.0.1, [::1] and localhost; use https."


@dataclass(frozen=True, slots=True)
class Shown:
    """What the consent page says of a redirect URI. `host` is empty for a private-use scheme without an authority."""

    scheme: str
    host: str
    is_loopback: bool


def problem(uri: str, *, custom_schemes: frozenset[str] = frozenset()) -> Problem | None:  # noqa: PLR0912  one guard a rule
    """Why `uri` cannot be a registered redirect URI; None if it can. `custom_schemes` are in lower case."""
    if len(uri) > MAX_LENGTH:
        return Problem.TOO_LONG
    if not _CHARACTERS.fullmatch(uri):
        return Problem.CHARACTERS
    # > The redirection endpoint URI MUST be an absolute URI … MUST NOT include a fragment component. (RFC 6749 §3.1.2)
    scheme_match = _SCHEME.match(uri)
    if scheme_match is None:
        return Problem.NOT_ABSOLUTE
    if "#" in uri:
        return Problem.FRAGMENT
    scheme = scheme_match[1].lower()
    if scheme in NEVER:
        return Problem.SCHEME_FORBIDDEN
    authority = _authority(uri)
    if scheme in {"http", "https"}:
        # A browser reads `https:evil.example` and `https:///evil.example` as a host too.
        if authority is None or not authority:
            return Problem.HOST
    elif scheme not in custom_schemes:
        return Problem.SCHEME_NOT_ALLOWED
    elif len(uri) == len(scheme_match[0]):
        return Problem.NOT_ABSOLUTE
    if authority is None or (not authority and scheme not in {"http", "https"}):
        return None
    if "@" in authority:
        return Problem.USERINFO
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        return Problem.PORT if is_host(authority.rpartition(":")[0]) else Problem.HOST
    if not is_host(parts["host"]):
        return Problem.HOST
    if parts["port"] is not None and not 0 < int(parts["port"]) <= 65535:
        return Problem.PORT
    if scheme == "http" and parts["host"].lower() not in LOOPBACK_HOSTS:
        return Problem.HTTP_OFF_LOOPBACK
    return None


def scheme_of(uri: str) -> str:
    """The scheme in lower case; `""` where there is none."""
    found = _SCHEME.match(uri)
    return found[1].lower() if found else ""


def matches(registered: str, requested: str) -> bool:
    """Whether a request's redirect URI is the registered one.

    > … the authorization server MUST … compare the two URIs using simple string comparison … except for port numbers in
    > localhost redirection URIs of native apps. (RFC 9700 §2.1; OAuth 2.1 §2.3.1)
    """
    if registered == requested:
        return True
    # > The authorization server MUST allow any port to be specified at the time of the request for loopback IP redirect
    # > URIs (RFC 8252 §7.3). MCP clients use `localhost` the same way.
    ours, theirs = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(requested)
    if ours is None or theirs is None:
        return False
    if theirs["port"] is not None and not 0 < int(theirs["port"]) <= 65535:
        return False
    return ours["host"] == theirs["host"] and ours["rest"] == theirs["rest"]


def display(uri: str) -> Shown:
    """Scheme, host (without its port) and whether it stays on the person's own machine. `uri` has no `problem`."""
    scheme = uri.partition(":")[0].lower()
    parts = _AUTHORITY.fullmatch(_authority(uri) or "")
    host = parts["host"].lower() if parts else ""
    return Shown(scheme=scheme, host=host, is_loopback=scheme in {"http", "https"} and host in LOOPBACK_HOSTS)


def is_host(host: str) -> bool:
    """Whether `host` is a DNS name, a dotted-quad IPv4 or a bracketed IPv6 address, read the same way by every parser.

    `2130706433`, `0x7f.1` and `0177.0.0.1` are addresses to a browser and names to RFC 3986: they are neither here.
    """
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1])
        except AddressValueError:
            return False
        return host.endswith("]") and "%" not in host
    if len(host) > 253 or not _NAME.fullmatch(host):
        return False
    if _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]):
        try:
            IPv4Address(host)
        except AddressValueError:
            return False
    return True


def _authority(uri: str) -> str | None:
    """What stands between `://` and the path or query; None where there is no `://`."""
    after = uri.partition(":")[2]
    if not after.startswith("//"):
        return None
    return re.split(r"[/?#]", after[2:], maxsplit=1)[0]
