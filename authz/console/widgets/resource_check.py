"""What is wrong with a protected resource's metadata document, in sentences (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` is `good`, `warning`, `error`, or `unknown` where the answer shows nothing."""

    level: str
    sentence: str


def findings(document: object, *, identifier: str, issuer: str, scopes: Sequence[str]) -> list[Finding]:
    """Judge a document (RFC 9728 §2) that was fetched for `identifier`."""
    if not isinstance(document, Mapping):
        return [Finding("error", "The document is not a JSON object.")]
    return [
        _resource(document.get("resource"), identifier),
        _authorization_servers(document.get("authorization_servers"), issuer),
        *_scopes(document.get("scopes_supported"), scopes),
        *_methods(document.get("bearer_methods_supported", ["header"])),
    ]


def _resource(named: object, identifier: str) -> Finding:
    # > The resource value returned MUST be identical to the protected resource's resource identifier value …
    # > If these values are not identical, the data contained in the response MUST NOT be used. (RFC 9728 §3.3)
    if named == identifier:
        return Finding("good", "“resource” is the identifier that is registered here.")
    return Finding("error", f"“resource” must be exactly {identifier}; it is {named!r}. Clients will refuse it.")


def _authorization_servers(servers: object, issuer: str) -> Finding:
    if not isinstance(servers, list) or not servers:
        return Finding("error", "“authorization_servers” is missing: clients cannot find this server.")
    if issuer in servers:
        return Finding("good", "“authorization_servers” names this server.")
    if any(isinstance(server, str) and server.rstrip("/") == issuer.rstrip("/") for server in servers):
        return Finding(
            "error",
            f"“authorization_servers” differs from {issuer} by a slash at the end. Clients compare letter by letter.",
        )
    return Finding("error", f"“authorization_servers” does not name {issuer}.")


def _scopes(offered: object, registered: Sequence[str]) -> list[Finding]:
    if offered is None:
        return [Finding("warning", "“scopes_supported” is missing: many clients then ask for no scope at all.")]
    if not isinstance(offered, list):
        return [Finding("error", "“scopes_supported” is not a list.")]
    found = []
    if unknown := [str(name) for name in offered if name not in registered]:
        found.append(Finding("warning", f"Scopes that are not registered here: {', '.join(unknown)}."))
    if unnamed := [name for name in registered if name not in offered]:
        found.append(Finding("warning", f"Scopes registered here that it does not offer: {', '.join(unnamed)}."))
    return found


def _methods(methods: object) -> list[Finding]:
    if not isinstance(methods, list):
        return [Finding("error", "“bearer_methods_supported” is not a list.")]
    found = []
    if "header" not in methods:
        found.append(
            Finding("error", "“bearer_methods_supported” leaves out “header”, the way MCP clients send a token.")
        )
    if "query" in methods:
        found.append(Finding("warning", "It takes tokens in the query, where they end in logs (RFC 6750 §2.3)."))
    return found
