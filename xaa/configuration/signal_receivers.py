"""`signal_receivers:` who is told when access ends (docs/send-signals.md)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from authz.configuration.environment import take_secret
from authz.configuration.shown_text import KeyField
from authz.keys.secrets_at_rest import fingerprint
from authz.models import Client, ProtectedResource
from xaa.models import ResourceAuthorizationServer, SignalReceiver
from xaa.signals.sending import health, push, streams

KEY = "signal_receivers"
LOOKUP = "name"
SECRET = frozenset({"push_authorization"})
ANNOTATIONS = frozenset({"stream"})
LOCAL = frozenset({"push_authorization_env"})
MOST = 200


def problem(given: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a receiver as a whole, by key; nothing if it can be so."""
    if not given["client_id"] and not given["push_url"]:
        return {"client_id": "is needed, or push_url"}
    if not given["resources"] and not given["authorization_servers"]:
        return {"resources": "are needed, or authorization_servers: nothing else concerns a receiver"}
    if given["push_url"] and not push.is_pushable(given["push_url"]):
        return {"push_url": "is not a URL that this server calls: https, or one of GATEHOUSE_OUTBOUND_ALLOWED_HOSTS"}
    others = SignalReceiver.objects.exclude(name=given["name"])
    if given["client_id"] and others.filter(client=given["client_id"]).exists():
        return {"client_id": "is another receiver's"}
    return {}


class ReceiverSerializer(serializers.Serializer[Any]):
    name = KeyField(max_length=100)
    client_id = serializers.SlugRelatedField(
        slug_field="client_id", queryset=Client.objects.all(), allow_null=True, default=None
    )
    resources = serializers.ListField(
        child=serializers.SlugRelatedField(slug_field="identifier", queryset=ProtectedResource.objects.all()),
        default=list,
        max_length=MOST,
    )
    authorization_servers = serializers.ListField(
        child=serializers.SlugRelatedField(slug_field="issuer", queryset=ResourceAuthorizationServer.objects.all()),
        default=list,
        max_length=MOST,
    )
    subject = serializers.ChoiceField(
        choices=SignalReceiver.Subject.values, default=SignalReceiver.Subject.ISS_SUB.value
    )
    audience = serializers.CharField(max_length=512, default="", allow_blank=True)
    push_url = serializers.CharField(max_length=2048, default="", allow_blank=True)
    push_authorization = serializers.RegexField(
        r"^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$",
        required=False,
        max_length=4096,
        write_only=True,
        error_messages={"invalid": "must be printable ASCII"},
    )
    push_authorization_env = serializers.CharField(required=False, write_only=True)
    enabled = serializers.BooleanField(default=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        take_secret(attrs, "push_authorization")
        if "push_authorization" in attrs and not attrs["push_url"]:
            raise serializers.ValidationError({"push_authorization": "is only for push_url"})
        client = attrs["client_id"]
        if wrong := problem({**attrs, "client_id": client.client_id if client is not None else ""}):
            raise serializers.ValidationError(wrong)
        return attrs


SERIALIZER = ReceiverSerializer


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["name"])


def rows() -> QuerySet[SignalReceiver]:
    return SignalReceiver.objects.order_by("name")


def as_item(row: SignalReceiver) -> dict[str, Any]:
    """A receiver in the file's form; the header as its digest, which is never shown. Its own stream is not in it."""
    return {
        "name": row.name,
        "client_id": row.client or None,
        "resources": row.resources,
        "authorization_servers": row.authorization_servers,
        "subject": row.subject,
        "audience": row.audience,
        "push_url": row.push_url,
        "push_authorization": fingerprint(lambda: push.authorization(row).encode()),
        "enabled": row.enabled,
    }


def annotations(item: Mapping[str, Any]) -> dict[str, Any]:
    """How the receiver's stream is, for the API: None while it has made none."""
    row = SignalReceiver.objects.filter(name=item["name"]).first()
    return {"stream": None if row is None else health.of(row, datetime.now(UTC)).as_item()["stream"]}


def write(item: Mapping[str, Any]) -> None:
    row = rows().filter(name=item["name"]).first() or SignalReceiver(name=item["name"])
    client = item["client_id"]
    if row.push_authorization and row.push_url != item["push_url"] and "push_authorization" not in item:
        if item["push_url"]:
            # A person who may change receivers must not send another system's secret there.
            raise serializers.ValidationError(
                {"push_authorization": "is needed again, since push_url is another place"}
            )
        row.push_authorization = b""
    row.client = client.client_id if client is not None else ""
    row.resources = sorted({resource.identifier for resource in item["resources"]})
    row.authorization_servers = sorted({server.issuer for server in item["authorization_servers"]})
    row.subject, row.audience, row.push_url = item["subject"], item["audience"], item["push_url"]
    row.enabled = item["enabled"]
    if "push_authorization" in item:
        push.set_authorization(row, item["push_authorization"])
    row.save()
    streams.ensure_fixed(row, datetime.now(UTC))


def remove(key: str) -> None:
    rows().get(name=key).delete()
