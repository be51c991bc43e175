"""`webhooks:` systems that receive notifications (docs/notifications.md)."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from authz.configuration.environment import take_secret
from authz.configuration.shown_text import KeyField
from authz.keys.secrets_at_rest import fingerprint
from authz.models import WebhookEndpoint
from authz.notifications import webhook_secrets
from authz.outbound import Role, is_fetchable
from authz.protocol.standard_webhooks import SecretError, key

KEY = "webhooks"
LOOKUP = "name"
SECRET = frozenset({"secret"})
LOCAL = frozenset({"secret_env"})


class WebhookSerializer(serializers.Serializer[Any]):
    name = KeyField(max_length=100)
    url = serializers.CharField(max_length=2048)
    events = serializers.ListField(
        child=serializers.RegexField(
            r"^(?:\*|[a-z0-9_]+(?:\.[a-z0-9_]+)*)$",
            max_length=64,
            error_messages={"invalid": "must be * or a kind such as access_request.opened (docs/notifications.md)"},
        ),
        default=lambda: ["*"],
    )
    enabled = serializers.BooleanField(default=True)
    secret = serializers.CharField(required=False, write_only=True)
    secret_env = serializers.CharField(required=False, write_only=True)

    def validate_url(self, value: str) -> str:
        if not is_fetchable(value, Role.WEBHOOK):
            raise serializers.ValidationError(
                "is not a URL that this server calls: https, or a host:port of GATEHOUSE_OUTBOUND_ALLOWED_HOSTS"
            )
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        take_secret(attrs, "secret")
        if "secret" in attrs:
            try:
                key(attrs["secret"])
            except SecretError as error:
                raise serializers.ValidationError({"secret": f"is not a webhook secret: it {error}"}) from None
        return attrs


SERIALIZER = WebhookSerializer


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["name"])


def rows() -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.order_by("name")


def as_item(row: WebhookEndpoint) -> dict[str, Any]:
    """An endpoint in the file's form; the secret as its digest, which is never shown."""
    return {
        "name": row.name,
        "url": row.url,
        "events": row.events,
        "enabled": row.enabled,
        "secret": fingerprint(lambda: webhook_secrets.key_of(row)),
    }


def write(item: Mapping[str, Any]) -> None:
    row = rows().filter(name=item["name"]).first() or WebhookEndpoint(name=item["name"])
    row.url, row.events, row.enabled = item["url"], item["events"], item["enabled"]
    if "secret" in item:
        webhook_secrets.set_secret(row, item["secret"])
    elif not row.secret:
        raise serializers.ValidationError({"secret": "is needed: this endpoint has none yet"})
    row.save()


def remove(key: str) -> None:
    rows().get(name=key).delete()
