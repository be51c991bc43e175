"""The protected resources as requests see them."""

import logging
from collections.abc import Collection, Mapping
from typing import Any

from authz.conf import conf
from authz.database import configuration_cache
from authz.models import Client, ProtectedResource, Scope
from authz.policy import near_miss, tool_calls
from authz.protocol import resources as rules
from authz.protocol.errors import OAuthError, Reason, harmless

log = logging.getLogger(__name__)


def cached() -> Mapping[str, ProtectedResource]:
    """By canonical URI; each with its `scopes` prefetched. Shared by all requests: read-only."""
    return configuration_cache.cached("resources", _load)


def _load() -> Mapping[str, ProtectedResource]:
    rows = ProtectedResource.objects.filter(is_active=True).prefetch_related(
        "scopes", "introspection_clients", "decision_clients", "claims_clients", "exchange_clients"
    )
    return {uri: row for row in rows if (uri := readable(row.identifier)) is not None}


def readable(identifier: str) -> str | None:
    """The canonical URI; None for a plain http one whose host is no longer listed: that resource alone is unknown."""
    try:
        return canonical(identifier)
    except OAuthError:
        log.warning("the resource %s is not served: GATEHOUSE_PLAIN_HTTP_RESOURCES does not name its host", identifier)
        return None


def canonical(uri: str) -> str:
    """A resource's canonical URI under this server's settings (authz/protocol/resources.py). Raises `OAuthError`."""
    return rules.canonical(uri, conf.plain_http_resources)


def single(resource: str | None) -> str | None:
    """The one resource a request names, in canonical form; None where it names none. Raises `OAuthError`."""
    return rules.single(resource, conf.plain_http_resources)


def requested(resource: str | None) -> ProtectedResource:
    """The resource that a request's `resource` parameter names, or the default one where it names none. Raises
    `OAuthError`.
    """
    # Most requests name it in canonical form already.
    if resource is not None and (found := cached().get(resource)) is not None:
        return found
    uri = single(resource)
    if uri is None:
        return default()
    # > The authorization server MUST reject … if the resource is invalid, missing, unknown, or malformed:
    # > invalid_target (RFC 8707 §2)
    found = cached().get(uri)
    if found is None:
        # Who sends all of it but a slash or the letter case knows it anyway.
        near = near_miss.same_address(uri, cached())
        told = f"{Reason.RESOURCE_UNKNOWN.sentence} To the character it is {near}" if near else ""
        raise OAuthError(Reason.RESOURCE_UNKNOWN, detail=harmless(uri), told=told)
    return found


def default() -> ProtectedResource:
    """The default resource (real clients often name none), unless the settings require each request to name
    one. Raises `OAuthError` if there is none, or they do.
    """
    if not conf.require_resource:
        for row in cached().values():
            if row.is_default:
                return row
    raise OAuthError(Reason.RESOURCE_MISSING)


def by_id(pk: int) -> ProtectedResource | None:
    """The active resource of a stored grant; None where it was removed or disabled."""
    return configuration_cache.cached("resources by id", lambda: {row.pk: row for row in cached().values()}).get(pk)


def scopes_of(resource: ProtectedResource) -> dict[str, Scope]:
    """A resource's scopes by name, in their order. Shared: read-only."""
    return configuration_cache.cached(
        ("scopes", resource.pk), lambda: {scope.name: scope for scope in resource.scopes.all()}
    )


def decides_itself(resource: ProtectedResource) -> bool:
    """Whether it is this server's own MCP server, which has each call decided (authz/mcp_server/deciding.py)."""
    return conf.mcp and resource.identifier == conf.endpoint("mcp")


def facts_of_resource(resource: ProtectedResource, *, asks_before_calls: bool) -> Mapping[str, Any]:
    """What an `AccessQuestion` or a `policy.Server` says of a resource besides its identifier and scopes."""
    return {
        "labels": tuple(resource.labels),
        "scope_labels": tuple((scope.name, label) for scope in resource.scopes.all() for label in scope.labels),
        "tool_labels": tuple(dict.fromkeys(label for tool in resource.tools for label in tool.get("labels", ()))),
        "asks_before_calls": asks_before_calls or decides_itself(resource),
    }


def cached_facts_of(resource: ProtectedResource) -> Mapping[str, Any]:
    """The same of a resource that requests see. Shared: read-only."""
    return configuration_cache.cached(
        ("labels", resource.pk),
        # Naming a client that may ask is the promise that it asks before each call.
        lambda: facts_of_resource(resource, asks_before_calls=bool(decision_clients_of(resource))),
    )


def introspection_clients_of(resource: ProtectedResource) -> frozenset[int]:
    """The keys of the clients that may introspect a resource's tokens."""
    return configuration_cache.cached(
        ("introspection clients", resource.pk),
        lambda: frozenset(client.pk for client in resource.introspection_clients.all()),
    )


def decision_clients_of(resource: ProtectedResource) -> frozenset[int]:
    """The keys of the clients that may ask for decisions about calls there."""
    return configuration_cache.cached(
        ("decision clients", resource.pk),
        lambda: frozenset(client.pk for client in resource.decision_clients.all()),
    )


def claims_clients_of(resource: ProtectedResource) -> frozenset[int]:
    """The keys of those of them whose word about a token's claims is taken."""
    return configuration_cache.cached(
        ("claims clients", resource.pk),
        lambda: frozenset(client.pk for client in resource.claims_clients.all()),
    )


def exchange_clients_of(resource: ProtectedResource) -> frozenset[int]:
    """The keys of the clients that the resource is, so that its tokens are issued for them."""
    return configuration_cache.cached(
        ("exchange clients", resource.pk),
        lambda: frozenset(client.pk for client in resource.exchange_clients.all()),
    )


def passed_on(resource: ProtectedResource, target: str, held: Collection[str]) -> frozenset[str]:
    """The scopes at another resource that scopes held at this one are good for; none where no mapping names it."""
    return frozenset(
        name
        for mapping in resource.scope_mappings
        if mapping["to"] == target
        for here, there in mapping["scopes"].items()
        if here in held
        for name in there
    )


def decided_by(client: Client) -> tuple[ProtectedResource, ...]:
    """The MCP servers about whose calls this client may ask."""
    return configuration_cache.cached(
        ("decided by", client.pk),
        lambda: tuple(row for row in cached().values() if client.pk in decision_clients_of(row)),
    )


def labels_of_tool(resource: ProtectedResource, name: str) -> frozenset[str] | None:
    """The labels that the organisation gave a tool; None where it isn't known (authz/policy/tool_calls.py)."""
    return tool_calls.labels_of_tool(name, ((tool["name"], tool.get("labels", ())) for tool in resource.tools))


def tools_of(resource: ProtectedResource) -> tuple[str, ...]:
    """The names of the tools that the organisation has described; of those by a pattern none is known."""
    return tuple(tool["name"] for tool in resource.tools if not tool["name"].endswith("*"))


def shown_arguments_of(resource: ProtectedResource) -> tuple[str, ...]:
    """The members of a call's arguments, by their path, that the audit and approvers may see."""
    return tuple(str(path) for path in resource.shown_arguments)


def all_scopes() -> list[str]:
    """Every scope of every resource, once, for the metadata."""
    return list(dict.fromkeys(name for resource in cached().values() for name in scopes_of(resource)))
