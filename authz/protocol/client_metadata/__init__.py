"""Client metadata (RFC 7591 §2) from an unknown client: validated member by member, and narrowed to what is kept.

Client ID Metadata Documents and dynamic registration are validated alike; they differ in `Terms`. The result is a list
of checks, so that the client's developer can be told what the server thinks of the metadata, and why. What does no harm
is left out, not refused: a grant that the client cannot have, a scheme that policy does not allow.
"""

from collections.abc import Mapping
from typing import Any

from authz.protocol.client_metadata import authentication, grants, redirects, shown
from authz.protocol.client_metadata.grants import NO_REFRESH
from authz.protocol.client_metadata.reading import Reading
from authz.protocol.client_metadata.shown import is_web_url
from authz.protocol.client_metadata.values import (
    PUBLIC_GRANT_TYPES,
    SECRET_METHODS,
    Check,
    ClientMetadata,
    Terms,
    Validation,
    Verdict,
)
from authz.protocol.display_names import visible

__all__ = [
    "NO_REFRESH",
    "PUBLIC_GRANT_TYPES",
    "SECRET_METHODS",
    "Check",
    "ClientMetadata",
    "Terms",
    "Validation",
    "Verdict",
    "is_web_url",
    "validate",
]

# The members that are read, and what a document says of itself.
_READ = frozenset(
    {
        *(
            "client_id",
            "client_name",
            "client_uri",
            "logo_uri",
            "redirect_uris",
            "grant_types",
            "response_types",
            "scope",
        ),
        *("token_endpoint_auth_method", "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg"),
        *("jwks", "jwks_uri", "dpop_bound_access_tokens", "require_pushed_authorization_requests"),
    }
)


def validate(members: Mapping[str, Any], terms: Terms) -> Validation:
    """Validate a client's metadata. Members that RFC 7591 does not know are ignored, as it says."""
    reading = Reading({name: value for name, value in members.items() if value is not None}, terms)
    method = authentication.auth_method(reading)
    grant_types = grants.grant_types(reading, method)
    metadata = ClientMetadata(
        client_name=shown.client_name(reading),
        redirect_uris=redirects.kept(reading, grant_types),
        grant_types=grant_types,
        token_endpoint_auth_method=method,
        scope=grants.scope(reading),
        client_uri=shown.url(reading, "client_uri", same_host=True),
        logo_uri=shown.url(reading, "logo_uri"),
        jwks=reading.members.get("jwks") if method == "private_key_jwt" else None,
        jwks_uri=str(reading.members.get("jwks_uri", "")) if method == "private_key_jwt" else "",
        dpop_bound_access_tokens=reading.switch("dpop_bound_access_tokens"),
        require_pushed_authorization_requests=reading.switch("require_pushed_authorization_requests"),
    )
    # > The authorization server MUST ignore any client metadata sent by the client that it does not understand
    # > (RFC 7591 §2). A check names them, for the developer who mistyped a name.
    if ignored := sorted(reading.members.keys() - _READ):
        reading.passed("ignored", f"This server does not read {visible(', '.join(ignored))[:200]}.")
    is_refused = any(check.verdict is Verdict.REFUSED for check in reading.checks)
    return Validation(None if is_refused else metadata, tuple(reading.checks), tuple(reading.hosts_left_out))
