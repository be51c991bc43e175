"""Who asks: a directory, by a SCIM token of its own or by an access token of the agent that it names."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from authz import audit, dpop, resources, tokens
from authz.conf import conf
from authz.database import configuration_cache
from authz.dpop import Presented
from authz.endpoints.machine import Request
from authz.limits import rate_limits
from authz.protocol import jwts
from authz.protocol.dpop_proofs import Asked
from authz.protocol.errors import OAuthError
from authz.tokens.live import live_token
from xaa.models import Directory, DirectoryToken
from xaa.scim.reasons import ScimReason
from xaa.scim.tokens import PREFIX

READ, WRITE = "scim:read", "scim:write"


@dataclass(frozen=True, slots=True)
class Caller:
    """`by` is its name in the audit."""

    directory: Directory
    by: str
    may_write: bool
    now: datetime

    @property
    def detail(self) -> dict[str, object]:
        return {"directory": self.directory.name, "by": self.by}


def identifier() -> str:
    """The `resource` of access tokens for this endpoint."""
    return conf.endpoint("scim/v2")


def authenticated(request: Request, now: float) -> Caller:
    """The directory of a request, by its Authorization header. Raises `OAuthError`."""
    rate_limits.admit()
    presented = dpop.presented(request.META.get("HTTP_AUTHORIZATION"))
    if presented is None:
        raise OAuthError(ScimReason.UNAUTHENTICATED)
    configuration_cache.begin()
    if presented.token.startswith(PREFIX) and not presented.is_bound:
        found = _by_scim_token(presented.token, datetime.fromtimestamp(now, UTC))
    else:
        found = _by_access_token(request, presented, now)
    directory = found.directory
    audit.proven(f"directory {directory.name}")
    # > A directory whose issuer is not trusted (any more) says nothing here (invariant 5).
    if not directory.enabled or (directory.issuer is not None and not directory.issuer.enabled):
        raise OAuthError(ScimReason.DIRECTORY_OFF, detail=directory.name)
    rate_limits.of_asker("scim:directory", directory.name, "")
    return found


def _by_scim_token(token: str, now: datetime) -> Caller:
    digest = hashlib.sha256(token.encode()).hexdigest()
    row = DirectoryToken.objects.select_related("directory__issuer").filter(digest=digest).first()
    if row is None:
        raise OAuthError(ScimReason.TOKEN_UNKNOWN)
    if row.withdrawn is not None:
        raise OAuthError(ScimReason.TOKEN_WITHDRAWN, detail=row.directory.name)
    if row.expires <= now:
        raise OAuthError(ScimReason.TOKEN_EXPIRED, detail=row.directory.name)
    return Caller(row.directory, f"directory {row.directory.name}", True, now)


def _by_access_token(request: Request, presented: Presented, now: float) -> Caller:
    try:
        claims = tokens.read(presented.token, now=now)
    except jwts.JwtError:
        raise OAuthError(ScimReason.TOKEN_UNKNOWN) from None
    # > the resource server MUST … reject any JWT access token … if the "aud" claim does not contain a resource
    # > indicator value corresponding to an identifier the resource server expects for itself (RFC 9068 §4)
    resource = resources.cached().get(resources.canonical(identifier()))
    if resource is None or claims["aud"] != resource.identifier:
        raise OAuthError(ScimReason.TOKEN_NOT_LIVE, client_id=claims["client_id"])
    found = live_token(claims, resource, now)
    # An agent that acts for a person is no directory.
    if found is None or found.authorization.user_id is not None:
        raise OAuthError(ScimReason.TOKEN_NOT_LIVE, client_id=claims["client_id"])
    name = found.client.client_id
    directory = Directory.objects.select_related("issuer").filter(client=name).first()
    scopes = frozenset(str(claims["scope"]).split())
    if directory is None:
        raise OAuthError(ScimReason.TOKEN_NOT_LIVE, client_id=name, detail="no directory names this agent")
    if not scopes & {READ, WRITE}:
        raise OAuthError(ScimReason.SCOPE_MISSING, client_id=name, detail=directory.name)
    address = dpop.address_of(request.META, request.path)
    dpop.confirm(request.META, presented, claims, Asked(method=str(request.method), address=address, now=now))
    moment = datetime.fromtimestamp(now, UTC)
    return Caller(directory, f"directory {directory.name} through {name}", WRITE in scopes, moment)
