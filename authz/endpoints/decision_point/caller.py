"""Who asks: a client of this server, authenticated as at introspection, that an MCP server names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authz import client_auth, resources
from authz.endpoints.machine import Request, now
from authz.limits import rate_limits
from authz.models import Client, ProtectedResource
from authz.protocol.authzen import MalformedError
from authz.protocol.errors import OAuthError, Reason, harmless
from authz.registry import Credentials

# Members of the body that are the caller's credentials, where it doesn't use the Authorization header.
_CREDENTIALS = ("client_id", "client_secret", "client_assertion", "client_assertion_type")


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated client, and the MCP servers about whose calls it may ask. `now`: seconds since the epoch."""

    client: Client
    servers: tuple[ProtectedResource, ...]
    now: float

    def server(self, identifier: object) -> ProtectedResource | None:
        """The MCP server of this identifier, if the caller may ask about it."""
        return next((row for row in self.servers if row.identifier == identifier), None)

    @property
    def only_server(self) -> ProtectedResource | None:
        return self.servers[0] if len(self.servers) == 1 else None


def authenticated(request: Request, body: Mapping[str, Any] | None = None) -> Caller:
    """The caller of a request with this JSON body. Raises `OAuthError`.

    > a 401 HTTPS status code indicates that the PEP did not properly authenticate to the PDP
    """
    params = {name: value for name in _CREDENTIALS if isinstance(value := (body or {}).get(name), str)}
    return caller_of(Credentials(request.META.get("HTTP_AUTHORIZATION"), params, now()))


def caller_of(credentials: Credentials) -> Caller:
    """The caller that these credentials prove. Raises `OAuthError`."""
    client, _ = client_auth.authenticate_approved(credentials)
    # Public clients prove nothing, so they learn nothing.
    if not client.is_confidential:
        raise OAuthError(Reason.CLIENT_AUTHENTICATION_WRONG_METHOD, detail="none")
    servers = resources.decided_by(client)
    if not servers:
        raise OAuthError(Reason.DECISIONS_NOT_ALLOWED, client_id=client.client_id)
    rate_limits.served(client.client_id)
    return Caller(client, servers, credentials.now)


def malformed(problem: MalformedError) -> OAuthError:
    """The refusal of a request that isn't as the Authorization API describes it: it says the member, not its value."""
    return OAuthError(Reason.EVALUATION_MALFORMED, detail=harmless(problem.member), told=f"{problem}.")
