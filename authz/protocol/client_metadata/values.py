"""What is offered to a client, what is kept of its metadata, and the checks that led to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# The methods by which a client shows a secret that it shares with this server.
SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post"})
PUBLIC_GRANT_TYPES = frozenset({"authorization_code", "refresh_token"})


class Verdict(StrEnum):
    """What one check came to."""

    PASSED = "passed"
    NARROWED = "narrowed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: the member or rule, the verdict, and a sentence for the author of the metadata."""

    name: str
    verdict: Verdict
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What this server offers a client of this kind. `auth_methods` begin with the strongest.

    `host` is the host that vouches for the client, `""` for none. `redirect_hosts` are host patterns beside it that
    https redirect URIs may be on; None: any host. `public_grant_types` are those of clients that cannot authenticate;
    `implied_grants` maps a grant type that the metadata lists to those that come with it.
    """

    grant_types: frozenset[str]
    auth_methods: Sequence[str]
    signing_algorithms: frozenset[str]
    default_auth_method: str
    required: frozenset[str]
    custom_schemes: frozenset[str] = frozenset()
    host: str = ""
    redirect_hosts: tuple[str, ...] | None = None
    public_grant_types: frozenset[str] = PUBLIC_GRANT_TYPES
    implied_grants: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetadata:
    """What is kept of a client's metadata. Empty strings and None stand for members that are absent."""

    client_name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    token_endpoint_auth_method: str
    scope: tuple[str, ...] | None
    client_uri: str
    logo_uri: str
    jwks: Mapping[str, Any] | None
    jwks_uri: str
    dpop_bound_access_tokens: bool = False
    require_pushed_authorization_requests: bool = False


@dataclass(frozen=True, slots=True)
class Validation:
    """`metadata` is None if any check refused. `hosts_left_out` are those of https redirect URIs that policy does not
    name."""

    metadata: ClientMetadata | None
    checks: tuple[Check, ...]
    hosts_left_out: tuple[str, ...] = ()

    @property
    def refusals(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.verdict is Verdict.REFUSED)
