"""The policy in force, typed, and cached like all configuration."""

from collections.abc import Mapping
from dataclasses import dataclass

from authz import registry
from authz.database import configuration_cache
from authz.models.client import JWT_BEARER, TOKEN_EXCHANGE
from authz.protocol.client_metadata import PUBLIC_GRANT_TYPES, Terms
from authz.protocol.jwts import ALGORITHMS
from cimd import models, trust
from cimd.changes import Change, Consequence
from cimd.metadata_document import REQUIRED
from cimd.trust import Policy as Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the configuration says of clients that introduce themselves."""

    trust: Trust
    redirect_schemes: frozenset[str] = frozenset()
    redirect_hosts: tuple[str, ...] = ()
    changes: Mapping[Change, Consequence]
    public_exchange_hosts: tuple[str, ...] = ()
    registration: bool = False
    registration_hosts: tuple[str, ...] = ()
    registration_token_digests: tuple[str, ...] = ()


def cached() -> Policy:
    """The policy in force. Without a row no host is trusted and none is blocked."""
    return configuration_cache.cached("cimd policy", _load)


def _load() -> Policy:
    row = models.Policy.objects.first() or models.Policy()
    return Policy(
        trust=Trust(trusted=tuple(row.trusted_hosts), blocked=tuple(row.blocked_hosts)),
        redirect_schemes=frozenset(row.redirect_schemes),
        redirect_hosts=tuple(row.redirect_hosts),
        public_exchange_hosts=tuple(row.public_exchange_hosts),
        changes={Change(change): Consequence[consequence.upper()] for change, consequence in row.changes.items()},
        registration=row.registration,
        registration_hosts=tuple(row.registration_hosts),
        registration_token_digests=tuple(row.registration_token_digests),
    )


def terms(host: str) -> Terms:
    """What this server offers a client whose document is at `host`: what is plugged in, without shared secrets."""
    policy = cached()
    plugged_in = registry.client_auth_methods()
    return Terms(
        grant_types=frozenset(registry.grants()),
        auth_methods=tuple(method for method in ("private_key_jwt", "none") if method in plugged_in),
        signing_algorithms=ALGORITHMS,
        default_auth_method="none",
        required=REQUIRED,
        custom_schemes=policy.redirect_schemes,
        host=host,
        redirect_hosts=policy.redirect_hosts,
        public_grant_types=PUBLIC_GRANT_TYPES | registry.public_grants(host),
        # A document that redeems identity assertions at other servers gets them at the person's own: where the host is
        # named for that, one that lists jwt-bearer need not list the exchange, too. No published document does.
        implied_grants={JWT_BEARER: frozenset({TOKEN_EXCHANGE})}
        if trust.is_any(policy.public_exchange_hosts, host)
        else {},
    )
