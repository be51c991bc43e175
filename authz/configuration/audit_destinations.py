"""`audit_destinations:` the systems to which the audit is delivered."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from authz.configuration.environment import take_secret
from authz.configuration.shown_text import KeyField
from authz.evidence import targets
from authz.evidence.destination_tokens import set_token, token_of
from authz.keys.secrets_at_rest import fingerprint
from authz.models import AuditDestination

KEY = "audit_destinations"
LOOKUP = "name"
SECRET = frozenset({"bearer_token"})
LOCAL = frozenset({"bearer_token_env"})


class DestinationSerializer(serializers.Serializer[Any]):
    name = KeyField(max_length=100)
    format = serializers.ChoiceField(choices=AuditDestination.Format.values)
    to = serializers.CharField(max_length=2048)
    bearer_token = serializers.RegexField(
        r"^[\x21-\x7e]+$",
        required=False,
        max_length=4096,
        write_only=True,
        error_messages={"invalid": "must be printable ASCII without blanks"},
    )
    bearer_token_env = serializers.CharField(required=False, write_only=True)
    enabled = serializers.BooleanField(default=True)

    def validate_to(self, value: str) -> str:
        if not targets.is_target(value):
            raise serializers.ValidationError("is neither https://…, syslog+tls://host:port nor file:name")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        take_secret(attrs, "bearer_token")
        if "bearer_token" in attrs and not attrs["to"].startswith("https:"):
            raise serializers.ValidationError({"bearer_token": "is only for https"})
        if attrs["format"] == AuditDestination.Format.CHECKPOINT and targets.is_syslog(attrs["to"]):
            raise serializers.ValidationError({"format": "a checkpoint has several lines, which syslog has not"})
        return attrs


SERIALIZER = DestinationSerializer


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["name"])


def rows() -> QuerySet[AuditDestination]:
    return AuditDestination.objects.order_by("name")


def as_item(row: AuditDestination) -> dict[str, Any]:
    """A destination in the file's form; the token as its digest, which is never shown."""
    return {
        "name": row.name,
        "format": row.format,
        "to": row.to,
        "bearer_token": fingerprint(lambda: token_of(row).encode()),
        "enabled": row.enabled,
    }


def write(item: Mapping[str, Any]) -> None:
    row = AuditDestination.objects.filter(name=item["name"]).first() or AuditDestination(name=item["name"])
    if row.encrypted_token and row.to != item["to"] and "bearer_token" not in item:
        # A person who may change destinations must not send another system's token there.
        raise serializers.ValidationError({"bearer_token": "is needed again, since `to` is another place"})
    row.format, row.to, row.enabled = item["format"], item["to"], item["enabled"]
    if "bearer_token" in item:
        set_token(row, item["bearer_token"])
    # Only the configuration: the delivery's position is not part of it.
    if row._state.adding:
        row.save(force_insert=True)
    else:
        # After a correction the destination is tried again at once.
        row.next_try = 0
        row.save(update_fields=["format", "to", "enabled", "encrypted_token", "next_try"])


def remove(key: str) -> None:
    AuditDestination.objects.get(name=key).delete()
