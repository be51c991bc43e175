"""A realm of Keycloak, as `kc.sh export` or the console's partial export writes it, or one client of it.

Keycloak has no resource indicators: which server a token is for is said by audience mappers of client scopes. A client
scope with one becomes a scope of the MCP server that it names.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from authz.conversion.draft import Draft, OtherClient
from authz.conversion.keycloak_audiences import Audiences
from authz.conversion.reading import NotAnExportError, is_true, mapping, mappings, text, texts

# Keycloak makes these in each realm, for itself.
ITS_OWN = frozenset(
    {"account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console", "master-realm"}
)
# What the partial export writes instead of a secret.
MASK = "**********"
_METHODS = {"client-secret": "client_secret_basic", "client-jwt": "private_key_jwt"}
_LOST_FLAGS = {
    "implicitFlowEnabled": "the implicit flow",
    "directAccessGrantsEnabled": "direct access grants (passwords)",
}
_LOST_ATTRIBUTES = {
    "oauth2.device.authorization.grant.enabled": "the device grant",
    "oidc.ciba.grant.enabled": "CIBA",
    "standard.token.exchange.enabled": "Keycloak's token exchange",
    "oauth2.jwt.authorization.grant.enabled": "Keycloak's JWT grant (here: `trusted_issuers`)",
}
_ELSEWHERE = {
    "users": "people: they can sign in by Keycloak, as a trusted issuer",
    "groups": "groups: a trusted issuer says whose they are",
    "identityProviders": "identity providers: they can be trusted issuers",
}


def convert(export: object, *, realm: str = "", has_secrets: bool = False) -> Draft:
    """`export` is parsed JSON. `realm` chooses one of several. Raises `NotAnExportError`."""
    found = _realm(export, realm)
    draft = Draft(f"Keycloak, realm {text(found, 'realm') or '(one client)'}", has_secrets)
    audiences = Audiences.of(found, draft)
    draft.resources.extend(audiences.resources)
    for client in mappings(found, "clients"):
        if text(client, "clientId") in ITS_OWN:
            continue
        method = _method(client, draft)
        if method and draft.add_client(_client(client, method, audiences, draft)):
            _propose_rules(client, audiences, draft)
    for name, what in _ELSEWHERE.items():
        if any("serviceAccountClientId" not in item for item in mappings(found, name)):
            draft.leave_out("realm", f"Its {what}.")
    return draft


def _realm(export: object, name: str) -> Mapping[str, Any]:
    if isinstance(export, dict) and "clientId" in export:
        return {"clients": [export]}
    realms = [one for one in (export if isinstance(export, list) else [export]) if isinstance(one, dict)]
    realms = [one for one in realms if text(one, "realm") and isinstance(one.get("clients"), list)]
    names = [text(one, "realm") for one in realms]
    if name:
        realms = [one for one in realms if text(one, "realm") == name]
    if not realms:
        has = f"it has {', '.join(names)}" if names else "it has no realm with clients"
        raise NotAnExportError(f"This is not an export of {'realm ' + name if name else 'Keycloak'}: {has}.")
    if len(realms) > 1:
        raise NotAnExportError(f"It has the realms {', '.join(names)}: choose one with --realm.")
    return realms[0]


def _client(client: Mapping[str, Any], method: str, audiences: Audiences, draft: Draft) -> OtherClient:
    attributes = mapping(client, "attributes")
    redirects = tuple(_redirects(client, texts(client, "redirectUris")))
    secret = text(client, "secret")
    name, home = text(client, "name"), text(client, "baseUrl")
    return OtherClient(
        client_id=text(client, "clientId"),
        name="" if name.startswith("${") else name,
        is_enabled=client.get("enabled") is not False,
        grant_types=_grants(client, draft),
        auth_method=method,
        secret=secret,
        no_secret=_no_secret(secret),
        jwks_uri=_jwks_uri(client, method, draft),
        redirect_uris=redirects if is_true(client, "standardFlowEnabled") else (),
        post_logout_redirect_uris=tuple(_after_logout(client, attributes, redirects)),
        scope=_scope(client, audiences),
        client_uri=home if home.startswith("https://") else "",
    )


def _method(client: Mapping[str, Any], draft: Draft) -> str:
    """ "": the client cannot be one of ours."""
    what, protocol = f"client {text(client, 'clientId')}", text(client, "protocol")
    if protocol not in {"", "openid-connect"}:
        draft.leave_out(what, f"It speaks {protocol}.")
    elif is_true(client, "bearerOnly"):
        draft.leave_out(what, "It is bearer-only, a server: write it under `resources`, by the URL that clients call.")
    elif is_true(client, "publicClient"):
        return "none"
    else:
        authenticator = text(client, "clientAuthenticatorType") or "client-secret"
        if authenticator in _METHODS:
            return _METHODS[authenticator]
        draft.leave_out(what, f"It authenticates by {authenticator}, which this server has not; use private_key_jwt.")
    return ""


def _grants(client: Mapping[str, Any], draft: Draft) -> tuple[str, ...]:
    what, attributes = f"client {text(client, 'clientId')}", mapping(client, "attributes")
    lost = [name for flag, name in _LOST_FLAGS.items() if is_true(client, flag)]
    lost += [name for flag, name in _LOST_ATTRIBUTES.items() if is_true(attributes, flag)]
    for name in lost:
        draft.leave_out(what, f"It may use {name}, which this server has not.")
    found = []
    if is_true(client, "standardFlowEnabled"):
        found.append("authorization_code")
        # Refresh tokens are switched on unless an attribute says otherwise.
        found += [] if attributes.get("use.refresh.tokens") == "false" else ["refresh_token"]
    if is_true(client, "serviceAccountsEnabled") and not is_true(client, "publicClient"):
        found.append("client_credentials")
    return tuple(found)


def _no_secret(secret: str) -> str:
    if secret in {"", MASK}:
        return "is not in the export (`kc.sh export` writes it, the console's does not)"
    return "is in a vault" if secret.startswith("${") else ""


def _jwks_uri(client: Mapping[str, Any], method: str, draft: Draft) -> str:
    attributes = mapping(client, "attributes")
    if method != "private_key_jwt":
        return ""
    if is_true(attributes, "use.jwks.url") and (found := text(attributes, "jwks.url")):
        return found
    draft.leave_out(
        f"client {text(client, 'clientId')}", "Its public key has to be written as `jwks` or `jwks_uri` before `apply`."
    )
    return ""


def _redirects(client: Mapping[str, Any], uris: list[str]) -> Iterator[str]:
    """Those that begin with a slash are relative to the root URL."""
    root = text(client, "rootUrl").rstrip("/")
    return (root + uri if uri.startswith("/") and root else uri for uri in uris)


def _after_logout(
    client: Mapping[str, Any], attributes: Mapping[str, Any], redirects: tuple[str, ...]
) -> Iterator[str]:
    for uri in filter(None, text(attributes, "post.logout.redirect.uris").split("##")):
        if uri == "+":
            yield from redirects
        elif uri != "-":
            yield from _redirects(client, [uri])


def _scope(client: Mapping[str, Any], audiences: Audiences) -> tuple[str, ...]:
    """Of the MCP servers and of a person's sign-in. Empty where it has none of the first: then rules alone decide."""
    given = dict.fromkeys(texts(client, "defaultClientScopes") + texts(client, "optionalClientScopes"))
    own = [name for name in given if name in audiences.scopes]
    signing_in = [name for name in ("profile", "email", "offline_access") if name in given]
    has_people = is_true(client, "standardFlowEnabled")
    return (*(("openid", *signing_in) if has_people else ()), *own) if own else ()


def _propose_rules(client: Mapping[str, Any], audiences: Audiences, draft: Draft) -> None:
    client_id, scopes = text(client, "clientId"), set(_scope(client, audiences))
    grants = draft.clients[-1]["grant_types"]
    for resource in audiences.resources:
        held = scopes & {scope["name"] for scope in resource["scopes"]}
        for grant, who in (("client_credentials", "by itself"), ("authorization_code", "for everyone")):
            if held and grant in grants:
                identifier = resource["identifier"]
                draft.add_rule(f"{client_id} {who} at {identifier}, as in Keycloak", client_id, grant, identifier, held)
