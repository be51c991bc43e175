"""Which URLs are client identifiers (draft-ietf-oauth-client-id-metadata-document §3), judged on the raw string.

Identifiers are compared as simple strings, so each client must have one spelling only: what every parser would write
differently (letter case, default port, encoded dots) is refused rather than normalised (attack 5).
"""

import re
from enum import StrEnum

from authz.protocol.redirect_uris import is_host

PREFIX = "https://"
MAX_LENGTH = 1024

_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?")
_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff]|5[Cc])")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


class Problem(StrEnum):
    """Why a string cannot be a client identifier; `sentence` says it to the client's developer."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> "Problem":
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    TOO_LONG = "too_long", f"It is longer than {MAX_LENGTH} characters."
    SCHEME = "scheme", "It does not begin with “https://”, in small letters."
    CHARACTERS = "characters", "It holds characters that a URL cannot hold, or encodes control characters."
    FRAGMENT = "fragment", "It has a fragment."
    USERINFO = "userinfo", "It has a user name or password in it."
    HOST = "host", "It has no valid host name in small letters."
    PORT = "port", "Its port is not valid, or is the default one spelt out."
    NO_PATH = "no_path", "It has no path."
    DOT_SEGMENT = "dot_segment", "Its path has a “.” or “..” segment, plain or encoded."


def problem(client_id: str) -> Problem | None:
    """Why `client_id` cannot be a client identifier; None if it can."""
    if len(client_id) > MAX_LENGTH:
        return Problem.TOO_LONG
    # > Client identifier URLs MUST have an "https" scheme (CIMD §3)
    if not client_id.startswith(PREFIX):
        return Problem.SCHEME
    if not _CHARACTERS.fullmatch(client_id) or _ENCODED_CONTROL.search(client_id):
        return Problem.CHARACTERS
    # > MUST NOT contain a fragment component (CIMD §3)
    if "#" in client_id:
        return Problem.FRAGMENT
    authority, path = _split(client_id)
    # > MUST NOT contain a username or password (CIMD §3)
    if "@" in authority:
        return Problem.USERINFO
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or not is_host(parts["host"]) or parts["host"] != parts["host"].lower():
        return Problem.HOST
    if parts["port"] is not None and not _is_plain_port(parts["port"]):
        return Problem.PORT
    # > MUST contain a path component (CIMD §3)
    if not path.startswith("/"):
        return Problem.NO_PATH
    # > MUST NOT contain single-dot or double-dot path segments (CIMD §3)
    if any(_is_dots(segment) for segment in path.partition("?")[0].split("/")):
        return Problem.DOT_SEGMENT
    return None


def host(client_id: str) -> str:
    """The host that vouches for a client, without its port. `client_id` has no `problem`."""
    parts = _AUTHORITY.fullmatch(_split(client_id)[0])
    return parts["host"] if parts else ""


def origin(client_id: str) -> str:
    """Host and port: what fetch budgets are counted by. `client_id` has no `problem`."""
    return _split(client_id)[0]


def _split(client_id: str) -> tuple[str, str]:
    rest = client_id[len(PREFIX) :]
    end = re.search(r"[/?#]|$", rest)
    position = end.start() if end else len(rest)
    return rest[:position], rest[position:]


def _is_plain_port(port: str) -> bool:
    return _PORT.fullmatch(port) is not None and int(port) <= 65535 and port != "443"


def _is_dots(segment: str) -> bool:
    return re.sub(r"%2[eE]", ".", segment) in {".", ".."}
