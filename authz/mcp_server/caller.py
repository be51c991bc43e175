"""Who asks: an agent, for a person or for itself, by an access token of this very server for this very resource."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from authz import audit, dpop, resources, tokens
from authz.configuration.mcp_resource import identifier
from authz.database import configuration_cache
from authz.endpoints.machine import Request
from authz.limits import rate_limits
from authz.mcp_server.reasons import McpReason
from authz.mcp_server.refusing import refuse, refuse_proof
from authz.models import Client, ProtectedResource, User
from authz.protocol import jwts
from authz.protocol.dpop_proofs import Asked
from authz.protocol.errors import OAuthError
from authz.tokens.live import LiveToken, live_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`person` is None where the agent acts for itself. `now` is in seconds since the epoch. `claims` are those of the
    token.
    """

    client: Client
    person: User | None
    scopes: frozenset[str]
    token: LiveToken
    now: float
    claims: Mapping[str, Any] = field(default_factory=dict)

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def may(self, permission: str) -> bool:
        """Whether the caller has a right of the console; "" is everyone's.

        An agent for itself has no role: the rule that gave it the scope decided what it may do.
        """
        return not permission or self.person is None or self.person.has_perm(permission)


def registered() -> ProtectedResource | None:
    """Its row, if an administrator has registered it: without one, no token is accepted."""
    found = resources.cached().get(resources.canonical(identifier()))
    return found if found is not None and found.identifier == identifier() else None


def authenticated(request: Request, resource: ProtectedResource, now: float) -> Caller:
    """The caller of a request. Raises `Refused`, and `OAuthError` for one that has to wait."""
    rate_limits.admit()
    header = request.META.get("HTTP_AUTHORIZATION")
    # > Access tokens MUST NOT be included in the URI query string (MCP, Authorization)
    if "access_token=" in (request.META.get("QUERY_STRING") or ""):
        raise refuse(McpReason.CREDENTIALS_UNKNOWN, detail="a token in the URL")
    if header is None:
        raise refuse(McpReason.UNAUTHENTICATED, is_bound=resource.dpop_bound_access_tokens_required)
    presented = dpop.presented(header)
    if presented is None:
        raise refuse(McpReason.CREDENTIALS_UNKNOWN)
    configuration_cache.begin()
    try:
        claims = tokens.read(presented.token, now=now)
    except jwts.JwtError:
        raise refuse(McpReason.TOKEN_INVALID) from None
    # > MCP servers MUST validate that access tokens were issued specifically for them as the intended audience
    if claims["aud"] != resource.identifier:
        raise refuse(McpReason.TOKEN_FOR_ANOTHER, client_id=claims["client_id"])
    caller = _of(claims, resource, now)
    try:
        dpop.confirm(request.META, presented, claims, Asked(method="POST", address=identifier(), now=now))
    except OAuthError as error:
        raise refuse_proof(error, client_id=claims["client_id"]) from None
    audit.proven(caller.client.client_id)
    concerns(caller)
    rate_limits.of_asker("mcp:asker", caller.client.client_id, caller.token.subject)
    rate_limits.served(caller.client.client_id)
    return caller


def renewed(caller: Caller, now: float) -> Caller:
    """The same caller as it is now, for one that takes long. Raises `Refused` if its access has ended meanwhile."""
    configuration_cache.begin()
    resource = registered()
    if resource is None or caller.claims["exp"] <= now:
        raise refuse(McpReason.TOKEN_ENDED, client_id=caller.client.client_id)
    return _of(caller.claims, resource, now)


def concerns(caller: Caller) -> None:
    """From here on, refusals are recorded as about this caller."""
    token = caller.token
    audit.concerns(subject=token.subject, resource=identifier(), authorization=token.authorization.pk)


def _of(claims: Mapping[str, Any], resource: ProtectedResource, now: float) -> Caller:
    found = live_token(claims, resource, now)
    # The whole row, since the token path does not read the role.
    key = found.authorization.user_id if found else None
    person = User.objects.filter(pk=key, is_active=True).first() if key is not None else None
    if found is None or (person is None and key is not None):
        raise refuse(McpReason.TOKEN_ENDED, client_id=claims["client_id"])
    scopes = frozenset(str(claims["scope"]).split())
    return Caller(client=found.client, person=person, scopes=scopes, token=found, now=now, claims=claims)
