"""Resource indicators in MCP's canonical form (RFC 8707 §2; MCP authorization, “Canonical Server URI”)."""

import re
from functools import lru_cache
from urllib.parse import urlsplit

from authz.protocol.errors import OAuthError, Reason, harmless

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\<>\"{}|^`]|[^\x00-\x7f]")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_DEFAULT_PORT = {"https": 443, "http": 80}


# Requests name the same few resources again and again; what is malformed is not remembered.
@lru_cache(maxsize=1024)
def canonical(uri: str, plain_http: frozenset[str] = frozenset()) -> str:
    """A resource's canonical URI: scheme and host in lower case, no default port, no slash alone as a path.

    `plain_http` names hosts, and host:port pairs, off loopback that may be reached without TLS (inside a cluster).
    Raises `OAuthError` (invalid_target) for what cannot name a protected resource.
    """
    # > Its value MUST be an absolute URI, as specified by Section 4.3 of [RFC3986]. (RFC 8707 §2)
    if len(uri) > 1024 or _FORBIDDEN.search(uri):
        raise OAuthError(Reason.RESOURCE_MALFORMED, detail=harmless(uri))
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise OAuthError(Reason.RESOURCE_MALFORMED, detail=harmless(uri)) from None
    host = parts.hostname
    # > The URI MUST NOT include a fragment component. (RFC 8707 §2)
    if "#" in uri or not host or "@" in parts.netloc:
        raise OAuthError(Reason.RESOURCE_MALFORMED, detail=harmless(uri))
    authority = f"[{host}]" if ":" in host else host
    is_listed = authority in plain_http or f"{authority}:{port or 80}" in plain_http
    if parts.scheme != "https" and not (parts.scheme == "http" and (host in _LOOPBACK or is_listed)):
        raise OAuthError(Reason.RESOURCE_MALFORMED, detail=harmless(uri))
    if port is not None and port != _DEFAULT_PORT[parts.scheme]:
        authority += f":{port}"
    # MCP: "both with and without a trailing slash are technically valid"; implementations SHOULD use the form without.
    path = "" if parts.path == "/" else parts.path
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{authority}{path}{query}"


def single(resource: str | None, plain_http: frozenset[str] = frozenset()) -> str | None:
    """The one resource a request names, in canonical form; None where it names none. Raises `OAuthError`.

    A token is for exactly one resource, so naming several is refused (RFC 8707 §2 leaves that to the server). The same
    one twice is one.
    """
    if resource is None:
        return None
    named = {canonical(uri, plain_http) for uri in resource.split(" ")}
    if len(named) > 1:
        raise OAuthError(Reason.RESOURCE_SEVERAL, detail=harmless(resource))
    return named.pop()


def metadata_address(identifier: str) -> str:
    """Where a protected resource publishes its metadata.

    > … formed by inserting a well-known URI string into the protected resource's resource identifier between the host
    > component and the path and/or query components (RFC 9728 §3)
    """
    parts = urlsplit(identifier)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path.rstrip('/')}{query}"
