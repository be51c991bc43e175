"""What a client is registered with: its client_id, and the secret that it may have."""

import secrets
import string

from authz import audit
from authz.audit.console_events import ConsoleEvent
from authz.configuration import By
from authz.database.transactions import unit_of_work
from authz.models import Client


def make_secret(client: Client, by: By) -> str:
    """A new secret, which replaces the old one. Only this return value has it in clear."""
    secret = secrets.token_urlsafe(36)
    with unit_of_work():
        client.set_secret(secret)
        client.save(update_fields=["secret_digest"])
        audit.record(
            ConsoleEvent.AGENT_SECRET_MADE, client_id=client.client_id, subject=by.subject, detail={"by": by.name}
        )
    return secret


def new_client_id() -> str:
    """Of characters that no percent-encoding touches (interop 4)."""
    return "agent-" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(20))
