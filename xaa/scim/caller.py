"""Who asks: a directory, by a SCIM token of its own or by an access token of the agent that it names."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from authz import audit, resources, tokens
from authz.conf import conf
from authz.database import configuration_cache
from authz.limits import rate_limits
from authz.protocol import jwts
from authz.protocol.errors import OAuthError
from authz.tokens.live import live_token
from xaa.models import Directory, DirectoryToken
from xaa.scim.reasons import ScimReason
from xaa.scim.tokens import PREFIX

READ, WRITE = "scim:read", "scim:write"
MAXIMUM_TOKEN = 8192


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


def authenticated(header: str | None, now: float) -> Caller:
    """The directory of a request's Authorization header. Raises `OAuthError`."""
    rate_limits.admit()
    scheme, _, token = (header or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > MAXIMUM_TOKEN:
        raise OAuthError(ScimReason.UNAUTHENTICATED)
    configuration_cache.begin()
    moment = datetime.fromtimestamp(now, UTC)
    found = _by_scim_token(token, moment) if token.startswith(PREFIX) else _by_access_token(token, now, moment)
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


def _by_access_token(token: str, now: float, moment: datetime) -> Caller:
    try:
        claims = tokens.read(token, now=now)
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
    return Caller(directory, f"directory {directory.name} through {name}", WRITE in scopes, moment)
