"""`resource_authorization_servers:` where the ID-JAGs that we issue may go."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from authz import keys, resources
from authz.conf import conf
from authz.configuration.shown_text import ShownField
from authz.protocol.errors import OAuthError
from authz.protocol.scope_names import is_scope_token
from xaa.configuration.trusted_issuers import check_issuer
from xaa.models import ResourceAuthorizationServer, TargetResource

KEY = "resource_authorization_servers"
LOOKUP = "issuer"
SECRET: frozenset[str] = frozenset()


class TargetSerializer(serializers.Serializer[Any]):
    identifier = serializers.CharField(max_length=1024)
    scopes = serializers.ListField(child=serializers.CharField(max_length=255), default=list)

    def validate_identifier(self, value: str) -> str:
        try:
            resources.canonical(value)
        except OAuthError as error:
            raise serializers.ValidationError(error.sentence) from None
        return value

    def validate_scopes(self, value: list[str]) -> list[str]:
        if not all(is_scope_token(name) for name in value):
            raise serializers.ValidationError("are not scope names (RFC 6749 §3.3)")
        return list(dict.fromkeys(value))


class ResourceAuthorizationServerSerializer(serializers.Serializer[Any]):
    issuer = serializers.CharField(max_length=512, validators=[check_issuer])
    name = ShownField(max_length=255, default="", allow_blank=True)
    enabled = serializers.BooleanField(default=True)
    id_jag_signing_alg = serializers.ChoiceField(choices=keys.ALGORITHMS, default="RS256")
    resources = TargetSerializer(many=True, default=list)
    client_ids = serializers.DictField(child=serializers.CharField(max_length=1024), default=dict)
    tenant = serializers.CharField(max_length=255, default="", allow_blank=True)
    aud_tenant = serializers.CharField(max_length=255, default="", allow_blank=True)
    aud_sub = serializers.ChoiceField(
        choices=ResourceAuthorizationServer.AudSub.values, default=ResourceAuthorizationServer.AudSub.NONE.value
    )

    def validate_issuer(self, value: str) -> str:
        # > the IdP MUST NOT issue access tokens in response to an ID-JAG it issued itself (ID-JAG §8.3): none is issued
        # for ourselves in the first place.
        if value == conf.issuer:
            raise serializers.ValidationError("is this server itself")
        return value


SERIALIZER = ResourceAuthorizationServerSerializer


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["issuer"])


def rows() -> QuerySet[ResourceAuthorizationServer]:
    return ResourceAuthorizationServer.objects.prefetch_related("resources").order_by("issuer")


def as_item(row: ResourceAuthorizationServer) -> dict[str, Any]:
    return {
        "issuer": row.issuer,
        "name": row.name,
        "enabled": row.enabled,
        "id_jag_signing_alg": row.id_jag_signing_alg,
        "resources": [
            {"identifier": resource.identifier, "scopes": resource.scopes} for resource in row.resources.all()
        ],
        "client_ids": row.client_ids,
        "tenant": row.tenant,
        "aud_tenant": row.aud_tenant,
        "aud_sub": row.aud_sub,
    }


def write(item: Mapping[str, Any]) -> None:
    row, _ = ResourceAuthorizationServer.objects.update_or_create(
        issuer=item["issuer"],
        defaults={
            "name": item["name"],
            "enabled": item["enabled"],
            "id_jag_signing_alg": item["id_jag_signing_alg"],
            "client_ids": dict(item["client_ids"]),
            "tenant": item["tenant"],
            "aud_tenant": item["aud_tenant"],
            "aud_sub": item["aud_sub"],
        },
    )
    named = [resource["identifier"] for resource in item["resources"]]
    row.resources.exclude(identifier__in=named).delete()
    for resource in item["resources"]:
        TargetResource.objects.update_or_create(
            server=row, identifier=resource["identifier"], defaults={"scopes": list(resource["scopes"])}
        )


def remove(key: str) -> None:
    ResourceAuthorizationServer.objects.get(issuer=key).delete()
