"""Authorization server metadata (RFC 8414) and OpenID discovery: computed from what is plugged in, so it cannot lie."""

import re
from typing import Any

from django.urls import URLPattern, path, re_path

from authz import keys, registry, resources
from authz.conf import conf
from authz.database import configuration_cache
from authz.endpoints.machine import Answer, Request, View, json_response, machine_endpoint
from authz.protocol.scope_names import IDENTITY_SCOPES


def document() -> dict[str, Any]:
    """The metadata of this server, with what each plugged-in part adds."""
    return configuration_cache.cached("metadata", _document)


def _document() -> dict[str, Any]:
    parts = registry.metadata()
    # offline_access is honoured but not advertised: with it Python's SDK asks for consent every time (interop 7).
    identity = [scope for scope in IDENTITY_SCOPES if scope in parts.get("scopes_supported", ())]
    return {
        "issuer": conf.issuer,
        **parts,
        "scopes_supported": [*resources.all_scopes(), *identity],
        "access_token_signing_alg_values_supported": list(keys.ALGORITHMS),
    }


@machine_endpoint("GET", "HEAD", is_remembered=True)
def metadata(request: Request) -> Answer:
    """Clients may keep it for five minutes."""
    return json_response(document(), cache="public, max-age=300")


def addresses() -> list[str]:
    """Every address that the documents are looked for at, issuers with a path included.

    RFC 8414 §3.1 inserts `/.well-known/…` before the issuer's path; OpenID Connect Discovery §4 appends it; MCP clients
    try all three (MCP authorization, “Authorization Server Metadata Discovery”).
    """
    inserted = conf.issuer_path
    # > any terminating "/" MUST be removed before inserting "/.well-known/" (RFC 8414 §3.1)
    found = [
        f".well-known/oauth-authorization-server{inserted}",
        f".well-known/openid-configuration{inserted}",
    ]
    if inserted:
        found += [
            f"{inserted[1:]}/.well-known/openid-configuration",
            f"{inserted[1:]}/.well-known/oauth-authorization-server",
        ]
    return found


@machine_endpoint("GET", "HEAD", "POST", name="not_found")
def not_found(request: Request) -> Answer:
    """Where nothing is: JSON that every origin may read, so that a client's discovery goes on to its next address.

    > The "issuer" value returned MUST be identical to the authorization server's issuer identifier value into which the
    > well-known URI string was inserted to create the URL used to retrieve the metadata. (RFC 8414 §3.3)

    So no other address than the issuer's answers its document, were it the only one.
    """
    looks = f"The metadata of {conf.issuer} is at {conf.origin}/{addresses()[0]}."
    return json_response({"error": "not_found", "error_description": f"There is nothing here. {looks}"}, status=404)


def at_well_known(request_path: str) -> View | None:
    """The view of a well-known address at which nothing else is, None for all others (authz/serving/wsgi.py)."""
    is_ours = "/.well-known/" in request_path and request_path not in _by_django()
    return not_found.answer if is_ours else None


def _by_django() -> frozenset[str]:
    """Where Django finds a document: of this server's own protected resources (the management API, the MCP server), and
    of parts that are plugged in."""
    begin = "/.well-known/oauth-protected-resource"
    ours = {f"{begin}/api", f"{begin}{conf.issuer_path}/mcp"}
    return frozenset(ours | {f"/{address}" for address in registry.documents_at()})


def misses() -> list[URLPattern]:
    """Addresses where clients look for something, after all those where something is."""
    anywhere = re_path(r"^(?:.*/)?\.well-known(?:/.*)?$", not_found)
    under_issuer = re_path(f"^{re.escape(conf.issuer_path[1:])}(?:/.*)?$", not_found)
    return [anywhere, under_issuer] if conf.issuer_path else [anywhere]


def well_known() -> list[URLPattern]:
    plugged_in = [path(address, view) for address, view in registry.documents_at().items()]
    return [*(path(address, metadata) for address in addresses()), *plugged_in]
