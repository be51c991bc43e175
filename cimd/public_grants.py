"""Which public clients may exchange identity assertions: those whose document is at a host that is named for it.

> This specification SHOULD only be supported for confidential clients. (ID-JAG §8.1)

The largest MCP clients are public and have no way to keep a secret, so an administrator may say so for a host
(PUBLIC_GRANTS, authz/registry.py). The host vouches for the document, PKCE and the redirect URI for the person's
sign-in; what is issued lives a minute.
"""

from authz.models.client import TOKEN_EXCHANGE
from cimd import policy, trust


def allowed(host: str) -> frozenset[str]:
    """The grants of public clients whose document is at `host`. Nothing for a host that is blocked."""
    current = policy.cached()
    is_named = trust.is_any(current.public_exchange_hosts, host) and not trust.is_any(current.trust.blocked, host)
    return frozenset({TOKEN_EXCHANGE}) if is_named else frozenset()
