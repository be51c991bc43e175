"""What an MCP server may be called: one rule for the file, the API and the form."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from authz import resources
from authz.clients import identifiers
from authz.models import ProtectedResource
from authz.policy.near_miss import did_you_mean
from authz.protocol.errors import OAuthError

NEEDS = (
    "must be an https URL without a fragment (plain http only on loopback, and for hosts in"
    " GATEHOUSE_PLAIN_HTTP_RESOURCES; RFC 8707 §2)."
)


def problem_with(identifier: str, *, former: str = "") -> str:
    """Why it may not be the identifier of an MCP server that is called `former` ("": a new one); "" if it may.

    A predicate, such as “must be written …”, with the spelling that was probably meant.
    """
    try:
        canonical = resources.canonical(identifier)
    except OAuthError:
        return NEEDS + did_you_mean(_meant(identifier))
    if identifier == former:
        return ""
    # > both … with and without a trailing slash are technically valid (MCP, Canonical Server URI)
    # With another spelling of scheme, host or port no rule could name it (authz/policy/rules.py).
    if identifier not in {canonical, _with_slash(canonical)}:
        return f"must be written as “{canonical}”."
    for other in ProtectedResource.all_objects.exclude(identifier=identifier).values_list("identifier", flat=True):
        if other != former and resources.readable(other) == canonical:
            return f"is the same MCP server as “{other}”."
    if identifiers.is_client_id(identifier):
        return "is the client_id of an agent."
    return ""


def resembles(identifier: str) -> str:
    """Another MCP server whose identifier differs by a slash, a port or the case alone; "" if there is none."""
    form = _form(identifier)
    others = ProtectedResource.objects.exclude(identifier=identifier).values_list("identifier", flat=True)
    return next((other for other in others if _form(other) == form), "")


def _with_slash(canonical: str) -> str:
    """The form with a slash alone as the path, of a URI without a path."""
    parts = urlsplit(canonical)
    return canonical if parts.path else parts._replace(path="/").geturl()


def _meant(identifier: str) -> str:
    for guess in _guesses(identifier):
        try:
            return resources.canonical(guess)
        except OAuthError:
            continue
    return ""


def _guesses(identifier: str) -> Iterator[str]:
    text = identifier.strip().partition("#")[0]
    scheme, separator, rest = text.partition("://")
    yield text
    if separator and scheme.lower() in {"http", "ws", "wss", "mcp"}:
        yield f"https://{rest}"
    elif not separator and "." in text.partition("/")[0]:
        yield f"https://{text}"


def _form(identifier: str) -> tuple[str, str, str]:
    parts = urlsplit(identifier)
    return (parts.hostname or "", parts.path.rstrip("/").casefold(), parts.query)
