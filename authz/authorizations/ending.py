"""Ending what one agent may do for one person, or for itself, because one of them wants it to end."""

from datetime import datetime
from typing import Any

from authz import audit, authorizations
from authz.database.transactions import unit_of_work
from authz.models import Authorization, Client, Consent, ProtectedResource, User


def end_own(
    client: Client, person: User | None, server: ProtectedResource | None, *, reason: str, now: datetime
) -> int:
    """End it at one MCP server, or (None) at all, and withdraw the consent. Returns how many authorizations ended."""
    mine: dict[str, Any] = {"client": client, "user": person} | ({} if server is None else {"resource": server})
    with unit_of_work():
        ended = authorizations.end(Authorization.objects.filter(**mine), reason=reason, now=now)
        # It asks again next time, instead of coming back by itself.
        withdrawn = Consent.objects.filter(**mine).delete()[0] if person is not None else 0
        if withdrawn:
            audit.record(
                audit.Event.CONSENT_WITHDRAWN,
                client_id=client.client_id,
                subject=str(person.subject) if person is not None else "",
                resource=server.identifier if server is not None else "",
            )
    return ended
