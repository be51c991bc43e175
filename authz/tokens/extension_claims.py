"""Claims of extensions in access tokens: each one's value under its id, for the MCP servers that depend on it.

A fault refuses the token: an MCP server that depends on the claim must not get one without it. An id has a slash and a
domain, so it is no registered claim's name (RFC 7519 §4.2: a collision-resistant name).
"""

import json
from typing import Any

from authz.decisions.extension_answers import facts
from authz.extensions import Extension, ExtensionFault, active, configured, switched_on
from authz.policy import AccessQuestion
from authz.protocol.errors import OAuthError, Reason

LONGEST = 2000


def claims_for(question: AccessQuestion, resource: str, now: float) -> dict[str, Any]:
    """The claims for a token at this MCP server. Raises `OAuthError` where an extension of it fails."""
    if not (named := switched_on()):
        return {}
    found: dict[str, Any] = {}
    for identifier in named:
        if not {resource, "*"} & set(configured()[identifier].get("resources", ())):
            continue
        try:
            extension = active(identifier)
            if extension.brought.claim is None:
                continue
            value = extension.call("claim", facts(question, now))
            if value is not None:
                found[identifier] = _storable(extension, value)
        except ExtensionFault as fault:
            raise OAuthError(Reason.EXTENSION_FAILED, detail=f"{identifier} ({fault.part})") from None
    return found


def _storable(extension: Extension, value: object) -> Any:
    """A copy, as JSON: no object of the extension's gets into a token."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise extension.fault("claim", "its value is no JSON") from None
    if len(text) > LONGEST:
        raise extension.fault("claim", f"its value has more than {LONGEST} characters")
    return json.loads(text)
