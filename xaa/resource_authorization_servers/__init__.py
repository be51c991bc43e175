"""The resource authorization servers that our ID-JAGs may go to, as requests see them."""

from collections.abc import Mapping
from dataclasses import dataclass

from authz import resources
from authz.database import configuration_cache
from authz.models import Client
from authz.protocol.errors import OAuthError, harmless
from xaa.models import ResourceAuthorizationServer
from xaa.reasons import Reason


@dataclass(frozen=True, slots=True)
class Target:
    """One resource of one resource authorization server. `identifier` as it was configured, for the ID-JAG."""

    identifier: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A resource authorization server; `resources` by canonical URI, `client_ids` ours → theirs."""

    issuer: str
    name: str
    signing_alg: str
    resources: Mapping[str, Target]
    client_ids: Mapping[str, str]
    tenant: str = ""
    aud_tenant: str = ""
    aud_sub: str = ""


def cached() -> Mapping[str, Server]:
    """The enabled servers by issuer identifier."""
    return configuration_cache.cached("resource authorization servers", _load)


def _load() -> Mapping[str, Server]:
    rows = ResourceAuthorizationServer.objects.filter(enabled=True).prefetch_related("resources")
    return {
        row.issuer: Server(
            issuer=row.issuer,
            name=row.name,
            signing_alg=row.id_jag_signing_alg,
            resources={
                uri: Target(resource.identifier, tuple(resource.scopes))
                for resource in row.resources.all()
                if (uri := resources.readable(resource.identifier)) is not None
            },
            client_ids=dict(row.client_ids),
            tenant=row.tenant,
            aud_tenant=row.aud_tenant,
            aud_sub=row.aud_sub,
        )
        for row in rows
    }


def requested(audience: str, resource: str | None) -> tuple[Server, tuple[Target, ...]]:
    """The server and the resource that a request names; where it names none, all that are behind the server. Raises
    `OAuthError`.
    """
    # > `audience`: REQUIRED - The identifier of the Resource Authorization Server in another trust domain as the
    # > intended audience for the ID-JAG. (ID-JAG §4.3)
    # One, byte for byte: a slash more or less is another server (attack 22).
    if " " in audience:
        raise OAuthError(Reason.AUDIENCE_SEVERAL)
    server = cached().get(audience)
    if server is None:
        raise OAuthError(Reason.AUDIENCE_UNKNOWN, detail=harmless(audience))
    # > `resource`: OPTIONAL - The Resource Identifier of the Resource Server (ID-JAG §4.3)
    named = resources.single(resource)
    if named is None:
        found = tuple(server.resources.values())
    else:
        found = (server.resources[named],) if named in server.resources else ()
    if not found:
        raise OAuthError(Reason.TARGET_UNKNOWN, detail=harmless(named or server.issuer))
    return server, found


def client_id_at(server: Server, client: Client) -> str:
    """What the client is called there. Raises `OAuthError`.

    > if clients use "Client ID Metadata Document" [...] as their client identifiers, this acts as a shared global
    > namespace of Client IDs and removes the need for the IdP Authorization Server to maintain a mapping of each client
    > registration. (ID-JAG §5)
    """
    found = name_at(server, client.client_id, client.kind)
    if found is None:
        raise OAuthError(Reason.CLIENT_UNKNOWN_TO_TARGET)
    return found


def name_at(server: Server, client_id: str, kind: str) -> str | None:
    """The same of a client by its id and its kind; None for one that is unknown there."""
    mapped = server.client_ids.get(client_id)
    return client_id if mapped is None and kind == "cimd" else mapped
