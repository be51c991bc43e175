"""The secrets of webhook endpoints: shared with the receiver, and encrypted at rest (invariant 9)."""

import os
import uuid
from datetime import datetime

from authz.keys import secrets_at_rest
from authz.models import Notification, WebhookEndpoint
from authz.notifications import Kind
from authz.protocol import standard_webhooks

_PURPOSE = "webhook secrets"


def new_secret() -> str:
    """A random secret in its serialized form, to be shown once."""
    return standard_webhooks.serialized(os.urandom(32))


def set_secret(endpoint: WebhookEndpoint, secret: str) -> None:
    """Raises `standard_webhooks.SecretError`; saves nothing."""
    plain = standard_webhooks.key(secret)
    endpoint.secret = secrets_at_rest.encrypt(plain, purpose=_PURPOSE, about=str(endpoint.pk))


def key_of(endpoint: WebhookEndpoint) -> bytes:
    """Raises `secrets_at_rest.WrongKeyError`."""
    return secrets_at_rest.decrypt(bytes(endpoint.secret), purpose=_PURPOSE, about=str(endpoint.pk))


AT_REST = secrets_at_rest.AtRest(
    WebhookEndpoint,
    "secret",
    lambda endpoint: secrets_at_rest.moved(bytes(endpoint.secret), purpose=_PURPOSE, about=str(endpoint.pk)),
)


def send_test(endpoint: WebhookEndpoint, *, by: str, now: datetime) -> None:
    """Send a test message to one endpoint, for any kinds that it listens to."""
    Notification.objects.create(
        message=uuid.uuid4(),
        kind=Kind.WEBHOOK_TEST.value,
        endpoint=endpoint,
        subject=f"A test by {by}",
        data={"by": by},
        created=now,
        due=now,
    )
