"""Which URLs are client identifiers (draft-ietf-oauth-client-id-metadata-document §3), judged on the raw string.

Identifiers are compared as simple strings, so each client must have one spelling only: what every parser would write
differently (letter case, default port, encoded dots) is refused rather than normalised (attack 5).
"""

import re
from dataclasses import dataclass

from authz.protocol.redirect_uris import is_host
from authz.protocol.sentences import WithSentence

PREFIX = "https://"
MAX_LENGTH = 1024

_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?")
_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff]|5[Cc])")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


class Problem(WithSentence):
    """Why a string cannot be a client identifier; `sentence` says it to the client's developer."""

    TOO_LONG = "too_long", f"It is longer than {MAX_LENGTH} characters."
    SCHEME = "scheme", "It does not begin with “https://”, in small letters."
    CHARACTERS = "characters", "It holds characters that a URL cannot hold, or encodes control characters."
    FRAGMENT = "fragment", "It has a fragment."
    USERINFO = "userinfo", "It has a user name or password in it."
    HOST = "host", "It has no valid host name in small letters."
    PORT = "port", "Its port is not valid, or is the default one spelt out."
    NO_PATH = "no_path", "It has no path."
    DOT_SEGMENT = "dot_segment", "Its path has a “.” or “..” segment, plain or encoded."


class IdentifierError(ValueError):
    """The string cannot be a client identifier; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class ClientIdentifier:
    """A client identifier, read once. `host` (without the port) vouches for the client; fetches are counted by `origin`
    (host and port).
    """

    url: str
    host: str
    origin: str


def parse(client_id: str) -> ClientIdentifier:
    """The identifier that the string is. Raises `IdentifierError`."""
    if len(client_id) > MAX_LENGTH:
        raise IdentifierError(Problem.TOO_LONG)
    # > Client identifier URLs MUST have an "https" scheme (CIMD §3)
    if not client_id.startswith(PREFIX):
        raise IdentifierError(Problem.SCHEME)
    if not _CHARACTERS.fullmatch(client_id) or _ENCODED_CONTROL.search(client_id):
        raise IdentifierError(Problem.CHARACTERS)
    # > MUST NOT contain a fragment component (CIMD §3)
    if "#" in client_id:
        raise IdentifierError(Problem.FRAGMENT)
    origin, path = _split(client_id)
    host = _host(origin)
    _require_plain_path(path)
    return ClientIdentifier(client_id, host, origin)


def _host(authority: str) -> str:
    # > MUST NOT contain a username or password (CIMD §3)
    if "@" in authority:
        raise IdentifierError(Problem.USERINFO)
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or not is_host(parts["host"]) or parts["host"] != parts["host"].lower():
        raise IdentifierError(Problem.HOST)
    if parts["port"] is not None and not _is_plain_port(parts["port"]):
        raise IdentifierError(Problem.PORT)
    return parts["host"]


def _require_plain_path(path: str) -> None:
    # > MUST contain a path component (CIMD §3)
    if not path.startswith("/"):
        raise IdentifierError(Problem.NO_PATH)
    # > MUST NOT contain single-dot or double-dot path segments (CIMD §3)
    if any(_is_dots(segment) for segment in path.partition("?")[0].split("/")):
        raise IdentifierError(Problem.DOT_SEGMENT)


def _split(client_id: str) -> tuple[str, str]:
    rest = client_id[len(PREFIX) :]
    end = re.search(r"[/?#]|$", rest)
    position = end.start() if end else len(rest)
    return rest[:position], rest[position:]


def _is_plain_port(port: str) -> bool:
    return _PORT.fullmatch(port) is not None and int(port) <= 65535 and port != "443"


def _is_dots(segment: str) -> bool:
    return re.sub(r"%2[eE]", ".", segment) in {".", ".."}
