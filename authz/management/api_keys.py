"""An API key in one step: an agent for itself, the rule that lets it in, and the API as a protected resource.

It is configuration like any other: applied in one transaction, audited, seen and ended in the console.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from authz.conf import conf
from authz.configuration import By, ConfigurationError, apply
from authz.configuration.api_resource import SCOPES, identifier
from authz.models import ProtectedResource, User


class CannotMake(Exception):
    """Why there is no such key, as a sentence."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What the program needs. The secret is nowhere else in clear."""

    client_id: str
    secret: str
    scopes: tuple[str, ...]

    def calls(self) -> tuple[str, str]:
        """Two lines for a shell: a token, and a call with it."""
        asked = f"-d grant_type=client_credentials -d resource={identifier()} -d 'scope={' '.join(self.scopes)}'"
        return (
            f"TOKEN=$(curl -s -u {self.client_id}:{self.secret} {asked} {conf.endpoint('token')}"
            " | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])')",
            f'curl -H "Authorization: Bearer $TOKEN" {identifier()}/v1/me',
        )


def make(name: str, scopes: Sequence[str], *, owner: User, until: datetime | None, by: By) -> ApiKey:
    """Register the agent, and write its rule. Raises `CannotMake`."""
    if not scopes or set(scopes) - SCOPES.keys():
        raise CannotMake(f"An API key has one or more of the scopes {', '.join(SCOPES)}.")
    # No person approves their own agent (docs/governance.md), and this one is approved at once.
    if by.subject and by.subject == str(owner.subject):
        raise CannotMake("No person approves an agent of their own: name another owner.")
    # Of characters that no percent-encoding touches.
    client_id, secret = f"api-key-{secrets.token_hex(8)}", secrets.token_urlsafe(36)
    document = {
        **({} if _is_registered(scopes) else {"resources": [_RESOURCE | {"identifier": identifier()}]}),
        "clients": [
            {
                "client_id": client_id,
                "client_name": name,
                "status": "approved",
                "owner": owner.username,
                "grant_types": ["client_credentials"],
                "token_endpoint_auth_method": "client_secret_basic",
                "client_secret": secret,
                "approved_until": until.isoformat() if until else None,
                "tags": ["api-key"],
            }
        ],
        "rules": [
            {
                # The client_id makes it another one than that of an earlier key of this name.
                "name": f"API key {name[:200]} ({client_id})",
                "effect": "allow",
                "clients": [client_id],
                "grant_types": ["client_credentials"],
                "resources": [identifier()],
                "scopes": list(scopes),
            }
        ],
    }
    try:
        apply(json.dumps(document), by=by)
    except ConfigurationError as error:
        raise CannotMake("; ".join(f"{mistake.path[-1]}: {mistake.problem}" for mistake in error.mistakes())) from None
    return ApiKey(client_id, secret, tuple(scopes))


_RESOURCE = {
    "name": "Gatehouse management API",
    "access_token_lifetime": 300,
    "scopes": [{"name": name, "description": text, "sensitivity": "high"} for name, text in SCOPES.items()],
}


def _is_registered(scopes: Sequence[str]) -> bool:
    """Whether the API is a protected resource already. Raises `CannotMake` where it lacks one of the scopes."""
    row = ProtectedResource.objects.filter(identifier=identifier()).first()
    if row is None:
        return False
    if lacking := set(scopes) - set(row.scopes.values_list("name", flat=True)):
        raise CannotMake(f"The MCP server {identifier()} is registered without {', '.join(sorted(lacking))}: add them.")
    if not row.is_active:
        raise CannotMake(f"The MCP server {identifier()} was removed; `apply` brings it back.")
    return True
