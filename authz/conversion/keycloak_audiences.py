"""Keycloak's client scopes, and the servers for which their tokens are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from authz.conversion.draft import Draft
from authz.conversion.reading import mapping, mappings, text
from authz.protocol import resources
from authz.protocol.errors import OAuthError
from authz.protocol.scope_names import IDENTITY_SCOPES, is_scope_token

# In every realm, and about tokens or people, not about a server.
BUILT_IN = frozenset(
    {*IDENTITY_SCOPES, "acr", "address", "basic", "microprofile-jwt", "organization", "phone", "roles"}
    | {"service_account", "web-origins"}
)


@dataclass(frozen=True, slots=True)
class Audiences:
    """`scopes` are the names of all client scopes that are the realm's own; `resources` items of our file."""

    scopes: frozenset[str]
    resources: list[dict[str, Any]]

    @classmethod
    def of(cls, realm: Mapping[str, Any], draft: Draft) -> Self:
        found: dict[str, dict[str, Any]] = {}
        names = set()
        for scope in _own(realm, draft):
            names.add(name := text(scope, "name"))
            what = f"client scope {name}"
            servers = [server for server in dict.fromkeys(_named(scope)) if _is_usable(server, what, draft)]
            if not servers:
                draft.leave_out(what, "No audience mapper names a server's URL: add it to `resources`.")
            for server in servers:
                item = found.setdefault(server, {"identifier": server, "scopes": []})
                item["scopes"].append({"name": name, "description": _description(scope)})
        for client in mappings(realm, "clients"):
            for server in filter(None, _named(client)):
                if _is_usable(server, f"client {text(client, 'clientId')}", draft):
                    found.setdefault(server, {"identifier": server, "scopes": []})
        return cls(frozenset(names), list(found.values()))


def _own(realm: Mapping[str, Any], draft: Draft) -> Iterator[Mapping[str, Any]]:
    for scope in mappings(realm, "clientScopes"):
        name = text(scope, "name")
        if name in BUILT_IN or text(scope, "protocol") not in {"", "openid-connect"}:
            continue
        # `*` in a rule means every scope.
        if not is_scope_token(name) or name == "*":
            draft.leave_out(f"client scope {name}", "Its name is not one that a scope can have (RFC 6749 §3.3).")
            continue
        yield scope


def _named(holder: Mapping[str, Any]) -> Iterator[str]:
    """The audiences that its mappers put into access tokens."""
    for mapper in mappings(holder, "protocolMappers"):
        config = mapping(mapper, "config")
        if text(mapper, "protocolMapper") == "oidc-audience-mapper" and config.get("access.token.claim") != "false":
            # Keycloak prefers the client where both are given.
            yield text(config, "included.client.audience") or text(config, "included.custom.audience")


def _is_usable(server: str, what: str, draft: Draft) -> bool:
    try:
        # Another spelling of scheme, host or port would be refused.
        usable = resources.canonical(server) in {server, server.removesuffix("/")}
    except OAuthError:
        usable = False
    if not usable:
        draft.leave_out(what, f"Its audience {server[:200]} is not the URL of a server, which `resources` needs.")
    return usable


def _description(scope: Mapping[str, Any]) -> str:
    shown = text(mapping(scope, "attributes"), "consent.screen.text")
    return (text(scope, "description") if not shown or shown.startswith("${") else shown)[:255]
