"""The document at a client identifier: strict JSON that names its own URL, then client metadata (CIMD §4.1).

> The client metadata document MUST contain a client_id property whose value MUST match the URL of the document using
> simple string comparison as defined in RFC 3986 §6.2.1.
"""

import hashlib
from typing import Any

from authz.protocol import client_metadata, strict_json
from authz.protocol.client_metadata import Check, Terms, Validation, Verdict
from authz.protocol.display_names import shortened, visible

# MCP 2026-07-28, client registration: the document MUST include at least these.
REQUIRED = frozenset({"client_id", "client_name", "redirect_uris"})
_FORBIDDEN = ("client_secret", "client_secret_expires_at")


def validate(client_id: str, body: bytes, terms: Terms) -> Validation:
    """What the server makes of `body`, fetched from `client_id`: metadata, or the checks that refused it."""
    try:
        members = strict_json.read_object(body)
    except strict_json.StrictJsonError as error:
        return Validation(None, (Check("json", Verdict.REFUSED, error.sentence),))
    own = (Check("json", Verdict.PASSED, "It is a JSON object."), *_own_checks(client_id, members))
    judged = client_metadata.validate(members, terms)
    is_refused = any(check.verdict is Verdict.REFUSED for check in own)
    return Validation(None if is_refused else judged.metadata, (*own, *judged.checks), judged.hosts_left_out)


def _own_checks(client_id: str, members: dict[str, Any]) -> list[Check]:
    checks = []
    named = members.get("client_id")
    if named == client_id:
        checks.append(Check("client_id", Verdict.PASSED, "It is the document's URL."))
    else:
        said = f"“{shortened(visible(named))}”" if isinstance(named, str) else "no text"
        explanation = f"It must be the document's URL, {client_id}, character by character, and is {said}."
        checks.append(Check("client_id", Verdict.REFUSED, explanation))
    # > the client_secret and client_secret_expires_at properties MUST NOT be used (CIMD §4.1)
    checks += [
        Check(name, Verdict.REFUSED, "A public document cannot hold a secret: it must not be there.")
        for name in _FORBIDDEN
        if name in members
    ]
    return checks


def digest(body: bytes) -> str:
    """What a version of a document is known by: its SHA-256, as 64 hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()
