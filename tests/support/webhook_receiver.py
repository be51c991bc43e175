"""A receiver of webhooks: a host on loopback, its endpoint, and the received requests."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.test import override_settings

from authz.models import WebhookEndpoint
from authz.notifications import webhook_secrets
from tests.support.document_host import DocumentHost, Handler, document_host, reply

PATH = "/hook"


@dataclass(frozen=True, slots=True)
class Receiver:
    host: DocumentHost
    endpoint: WebhookEndpoint
    secret: str

    def answers(self, handler: Handler) -> None:
        self.host.serve(PATH, handler)

    def deliveries(self) -> list[dict[str, Any]]:
        """The messages that arrived, each with its signature checked: `id`, `timestamp` and `body`."""
        return [_checked(text, self.secret) for text in self.host.requests]


def _checked(text: str, secret: str) -> dict[str, Any]:
    head, _, body = text.partition("\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    headers = {name.lower(): value for name, value in headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode("latin-1")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["content-type"] == "application/json"
    return {"id": headers["webhook-id"], "timestamp": int(headers["webhook-timestamp"]), "body": json.loads(body)}


@contextmanager
def webhook_receiver(name: str = "Receiver", events: tuple[str, ...] = ("*",)) -> Iterator[Receiver]:
    """An endpoint that answers 204 and is allow-listed. Call it with the database at hand."""
    with document_host() as host:
        url = host.serve(PATH, reply(b"", status="204 No Content"))
        endpoint = WebhookEndpoint(name=name, url=url, events=list(events))
        secret = webhook_secrets.new_secret()
        webhook_secrets.set_secret(endpoint, secret)
        endpoint.save()
        allowed = [*settings.GATEHOUSE["OUTBOUND_ALLOWED_HOSTS"], ("localhost", host.port)]
        with override_settings(GATEHOUSE={**settings.GATEHOUSE, "OUTBOUND_ALLOWED_HOSTS": allowed}):
            yield Receiver(host, endpoint, secret)
