"""What an ID-JAG is presented as, and what it grants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from authz.protocol.jwks import Key
from authz.protocol.jwts import Unverified

TYP: Final = "oauth-id-jag+jwt"
TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:id-jag"  # noqa: S105  an identifier, not a secret
GRANT_PROFILE: Final = "urn:ietf:params:oauth:grant-profile:id-jag"

LIFETIME: Final = 300  # seconds; what we issue
LONGEST_LIFETIME: Final = 3600  # seconds; what we believe of others (MCP's own example says an hour)
PUBLIC_CLOCK_SKEW: Final = 5  # seconds, instead of 30: nothing but its lifetime stops a thief of this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """An ID-JAG as it is presented, and what it is judged by.

    issuer      the identifier of the trusted issuer that the token names; `keys` are that issuer's.
    audience    our own issuer identifier.
    client_id   the client that presents it, and `authenticated` whether that client has proved who it is.
    public_lifetime  where the issuer lets this client go without (xaa/trusted_issuers/public_clients.py): seconds that
                the ID-JAG may live; None where it does not.
    now         seconds since the epoch.
    jkt         the thumbprint of the key that the client has shown with the request; "" where it showed none.
    aud_tenant  what the issuer calls us among the tenants of one server; empty: nothing.
    """

    token: Unverified
    keys: Sequence[Key]
    issuer: str
    audience: str
    client_id: str
    authenticated: bool
    now: float
    public_lifetime: int | None = None
    jkt: str = ""
    aud_tenant: str = ""

    @property
    def claims(self) -> dict[str, Any]:
        return self.token.claims


@dataclass(frozen=True, slots=True, kw_only=True)
class IdJag:
    """An ID-JAG that has passed every rule. `resources` and `scopes` are what its issuer granted, at the most.

    resources   empty where the issuer named none, and so did not limit them.
    scopes      None where the issuer did not limit them.
    expires     seconds since the epoch from which on it can no longer be presented, clock skew included.
    claims      everything it says, for subject resolution by claims that the issuer's configuration names.
    """

    issuer: str
    tenant: str
    subject: str
    jti: str
    resources: tuple[str, ...]
    scopes: tuple[str, ...] | None
    auth_time: int | None
    acr: str
    amr: tuple[str, ...]
    act: dict[str, Any] | None
    expires: float
    claims: Mapping[str, Any]
