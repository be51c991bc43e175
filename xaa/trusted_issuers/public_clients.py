"""Clients that have no secret and redeem ID-JAGs all the same, where an administrator names their hosts.

> This specification SHOULD only be supported for confidential clients. (ID-JAG §8.1)

Claude and others are identified by a metadata document's URL and cannot keep a secret (MCP enterprise-managed
authorization §5). What stands in for one: the host of the document is named for just this issuer, the ID-JAG names the
document's URL, it lives a minute at the most, and it is good once, without a second answer (docs/decisions/0050).
"""

from authz.models import Client
from authz.models.client import JWT_BEARER
from authz.protocol import host_patterns
from authz.registry import PUBLIC
from xaa import trusted_issuers
from xaa.trusted_issuers import Trust, Use

LIFETIME = 60  # seconds, unless the issuer's configuration says otherwise
LONGEST_LIFETIME = 300  # seconds; what most issuers give an ID-JAG
SHORTEST_LIFETIME = 10
# In an authorization's lineage: the host by which it was given to a client without a secret.
PUBLIC_HOST = "public_host"


def allowed(host: str) -> frozenset[str]:
    """The grant types that some believed issuer lets documents on this host use without authenticating."""
    is_named = any(names(trust, host) for trust in trusted_issuers.cached().values())
    return frozenset({JWT_BEARER} if is_named else ())


def lifetime(trust: Trust, client: Client) -> int | None:
    """How many seconds an ID-JAG of this issuer may live that the client redeems without authenticating.

    None: it may not. A registered client never may: it could have been given a secret.
    """
    is_document = client.registration_source == Client.RegistrationSource.CIMD
    if client.token_endpoint_auth_method != PUBLIC or not is_document or not names(trust, client.host):
        return None
    return trust.public_client_lifetime


def is_named(client: Client) -> bool:
    """Whether any issuer's ID-JAGs may be redeemed by this client without authenticating."""
    return any(lifetime(trust, client) is not None for trust in trusted_issuers.cached().values())


def names(trust: Trust | None, host: str) -> bool:
    """Whether the issuer, if it is one that is believed for ID-JAGs, names this host."""
    if trust is None or not trust.enabled or Use.ID_JAG.value not in trust.accepts:
        return False
    return bool(host) and host_patterns.matches(trust.public_clients, host)
