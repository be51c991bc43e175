"""`directories:` that tell by SCIM which people and groups there are. The command and the console make SCIM tokens."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from authz.configuration.shown_text import KeyField
from authz.models import Client
from xaa.models import Directory, TrustedIssuer
from xaa.scim import state

KEY = "directories"
LOOKUP = "name"
SECRET: frozenset[str] = frozenset()
ANNOTATIONS = frozenset({"state"})


def pattern_problem(patterns: list[str]) -> str:
    """What is wrong with the groups that count; "" if nothing is."""
    wrong = next((one for one in patterns if "*" in one[:-1]), None)
    return "" if wrong is None else f"{wrong} has a star that is not at its end"


def problem(issuer: TrustedIssuer | None, tenant: str, subject: str) -> dict[str, str]:
    """What is wrong with whose people the directory has, by key; nothing if it can be so."""
    if issuer is None and (tenant or subject):
        key = "tenant" if tenant else "subject"
        return {key: "needs an issuer"}
    if issuer is not None and not subject and "email" not in issuer.match:
        return {"subject": "is needed, since the issuer finds people by their sub alone"}
    return {}


class DirectorySerializer(serializers.Serializer[Any]):
    name = KeyField(max_length=100)
    issuer = serializers.SlugRelatedField(
        slug_field="issuer", queryset=TrustedIssuer.objects.all(), allow_null=True, default=None
    )
    tenant = serializers.CharField(max_length=255, default="", allow_blank=True)
    subject = serializers.ChoiceField(choices=Directory.Subject.values, default="", allow_blank=True)
    groups = serializers.ListField(child=serializers.CharField(max_length=150), default=list)
    client_id = serializers.SlugRelatedField(
        slug_field="client_id", queryset=Client.objects.all(), allow_null=True, default=None
    )
    enabled = serializers.BooleanField(default=True)

    def validate_groups(self, value: list[str]) -> list[str]:
        if wrong := pattern_problem(value):
            raise serializers.ValidationError(wrong)
        return list(dict.fromkeys(value))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        issuer, tenant = attrs["issuer"], attrs["tenant"]
        if wrong := problem(issuer, tenant, attrs["subject"]):
            raise serializers.ValidationError(wrong)
        others = Directory.objects.exclude(name=attrs["name"])
        if issuer is not None and others.filter(issuer=issuer, tenant=tenant).exists():
            raise serializers.ValidationError({"issuer": "has another directory already"})
        client = attrs["client_id"]
        if client is not None and others.filter(client=client.client_id).exists():
            raise serializers.ValidationError({"client_id": "is another directory's"})
        return attrs


SERIALIZER = DirectorySerializer


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["name"])


def rows() -> QuerySet[Directory]:
    return Directory.objects.select_related("issuer").order_by("name")


def as_item(row: Directory) -> dict[str, Any]:
    return {
        "name": row.name,
        "issuer": row.issuer.issuer if row.issuer is not None else None,
        "tenant": row.tenant,
        "subject": row.subject,
        "groups": row.groups,
        "client_id": row.client or None,
        "enabled": row.enabled,
    }


def annotations(item: Mapping[str, Any]) -> dict[str, Any]:
    """When the directory was last here and what went wrong, its people, groups and tokens, for the API."""
    row = Directory.objects.select_related("issuer", "contact").filter(name=item["name"]).first()
    found = {} if row is None else state.of(row, datetime.now(UTC)).as_item()
    return {"state": {name: value for name, value in found.items() if name not in item}}


def write(item: Mapping[str, Any]) -> None:
    client = item["client_id"]
    values = {
        "issuer": item["issuer"],
        "tenant": item["tenant"],
        "subject": item["subject"],
        "groups": list(item["groups"]),
        "client": client.client_id if client is not None else "",
        "enabled": item["enabled"],
    }
    Directory.objects.update_or_create(name=item["name"], defaults=values)


def remove(key: str) -> None:
    Directory.objects.get(name=key).delete()
