"""What tests of discovery ask: find a client, read its refusal, let documents age, read events."""

from typing import Any

import pytest

from authz import clients
from authz.database import configuration_cache
from authz.models import AuditEvent, Client
from authz.protocol.errors import OAuthError
from cimd.models import Document

TRUSTED = "cimd: {trusted_hosts: [localhost]}"
CALLBACK = "http://localhost/callback"


def find(client_id: str) -> Client:
    configuration_cache.begin()
    return clients.find(client_id)


def refusal(client_id: str) -> Any:
    with pytest.raises(OAuthError) as caught:
        find(client_id)
    return caught.value.reason


def age(**changes: Any) -> None:
    """Let every document be stale."""
    Document.objects.update(**({"fresh_until": 1, "retry_at": 0} | changes))
    configuration_cache.forget()


def events(event: str) -> list[dict[str, Any]]:
    return list(AuditEvent.objects.filter(event=event).order_by("id").values_list("detail", flat=True))
