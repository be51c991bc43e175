"""`trusted_issuers:` whose assertions are believed, and for what."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.db.models import QuerySet
from rest_framework import serializers

from authz.models import Client
from authz.models.client import JWT_BEARER
from xaa.models import TrustedIssuer, WorkloadBinding

KEY = "trusted_issuers"
LOOKUP = "issuer"
SECRET: frozenset[str] = frozenset()


def check_issuer(value: str) -> None:
    """Refuse what cannot be an issuer identifier."""
    # > a URL that uses the "https" scheme and has no query or fragment components (RFC 8414 §2); http for one machine.
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
        raise serializers.ValidationError("must be an https URL")
    if parts.query or parts.fragment or value != value.strip():
        raise serializers.ValidationError("must have neither query nor fragment")


class SubjectsSerializer(serializers.Serializer[Any]):
    match = serializers.ListField(child=serializers.ChoiceField(TrustedIssuer.Match.values), default=lambda: ["sub"])
    create = serializers.BooleanField(default=False)  # type: ignore[assignment]  # the file's word; DRF has a method so
    groups = serializers.CharField(max_length=64, default="", allow_blank=True)
    tenants = serializers.ListField(child=serializers.CharField(max_length=255), default=list)


class WorkloadSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField(max_length=512)
    client_id = serializers.SlugRelatedField(slug_field="client_id", queryset=Client.objects.all())
    claims = serializers.DictField(default=dict)

    def validate_client_id(self, client: Client) -> Client:
        if JWT_BEARER not in client.grant_types:
            raise serializers.ValidationError(f"{client.client_id} is not registered for {JWT_BEARER}")
        return client


class TrustedIssuerSerializer(serializers.Serializer[Any]):
    issuer = serializers.CharField(max_length=512, validators=[check_issuer])
    name = serializers.CharField(max_length=255, default="", allow_blank=True)
    enabled = serializers.BooleanField(default=True)
    jwks_uri = serializers.CharField(max_length=1024, default="", allow_blank=True)
    # Nothing unless named: a trusted issuer that nobody said what for is believed in nothing (law 5).
    accepts = serializers.ListField(child=serializers.ChoiceField(TrustedIssuer.Use.values), default=list)
    subjects = SubjectsSerializer(default=lambda: {"match": ["sub"], "create": False, "groups": "", "tenants": []})
    client_ids = serializers.DictField(child=serializers.CharField(max_length=1024), default=dict)
    workloads = WorkloadSerializer(many=True, default=list)


SERIALIZER = TrustedIssuerSerializer


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["issuer"])


def rows() -> QuerySet[TrustedIssuer]:
    return TrustedIssuer.objects.prefetch_related("workloads__client").order_by("issuer")


def as_item(row: TrustedIssuer) -> dict[str, Any]:
    return {
        "issuer": row.issuer,
        "name": row.name,
        "enabled": row.enabled,
        "jwks_uri": row.jwks_uri,
        "accepts": row.accepts,
        "subjects": {"match": row.match, "create": row.create, "groups": row.groups_claim, "tenants": row.tenants},
        "client_ids": row.client_ids,
        "workloads": [_workload(binding) for binding in row.workloads.all()],
    }


def _workload(binding: WorkloadBinding) -> dict[str, Any]:
    return {"subject": binding.subject, "client_id": binding.client.client_id, "claims": binding.claims}


def write(item: Mapping[str, Any]) -> None:
    subjects = item["subjects"]
    row, _ = TrustedIssuer.objects.update_or_create(
        issuer=item["issuer"],
        defaults={
            "name": item["name"],
            "enabled": item["enabled"],
            "jwks_uri": item["jwks_uri"],
            "accepts": list(item["accepts"]),
            "match": list(subjects["match"]),
            "create": subjects["create"],
            "groups_claim": subjects["groups"],
            "tenants": list(subjects["tenants"]),
            "client_ids": dict(item["client_ids"]),
        },
    )
    _write_workloads(row, item["workloads"])


def _write_workloads(row: TrustedIssuer, wanted: list[Mapping[str, Any]]) -> None:
    """Bindings that stay as they are keep their row, since removing one ends what its workload has."""
    stale = {binding.pk: binding for binding in row.workloads.all()}
    for workload in wanted:
        same = [
            pk
            for pk, binding in stale.items()
            if (binding.subject, binding.client_id, binding.claims)
            == (workload["subject"], workload["client_id"].pk, workload["claims"])
        ]
        if same:
            del stale[same[0]]
        else:
            WorkloadBinding.objects.create(
                issuer=row, subject=workload["subject"], client=workload["client_id"], claims=workload["claims"]
            )
    for binding in stale.values():
        binding.delete()


def remove(key: str) -> None:
    TrustedIssuer.objects.get(issuer=key).delete()
