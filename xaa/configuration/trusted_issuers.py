"""`trusted_issuers:` whose assertions are believed, and for what."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.db.models import QuerySet
from rest_framework import serializers

from authz.clients import identifiers
from authz.configuration.environment import take_secret
from authz.configuration.shaped import CLAIM, JWKS, shaped
from authz.configuration.shown_text import ShownField
from authz.keys.secrets_at_rest import fingerprint
from authz.models import Client
from authz.models.client import JWT_BEARER
from authz.protocol import host_patterns
from authz.protocol.scope_names import is_scope_token
from xaa.configuration import sign_in
from xaa.configuration.issuer_keys import AudienceField, check_keys, check_trust_domain
from xaa.models import ResourceAuthorizationServer, SignInClient, TrustedIssuer, WorkloadBinding
from xaa.models.sign_in_client import SCOPES, VOUCHING
from xaa.models.trusted_issuer import GREATEST_LIFETIME, LEAST_LIFETIME, USUAL_LIFETIME
from xaa.sign_in import secret
from xaa.trusted_issuers import presets, usable
from xaa.trusted_issuers.public_clients import LIFETIME, LONGEST_LIFETIME, SHORTEST_LIFETIME
from xaa.workloads import spiffe

KEY = "trusted_issuers"
LOOKUP = "issuer"
# Where a file on this machine keeps its secrets; over the network it would read the server's own environment.
LOCAL = frozenset({"sign_in_secret_env"})
# It stands for other keys, and an export has those.
SHORTHANDS = frozenset({"preset"})
SECRET = frozenset({"sign_in_secret"})


def check_issuer(value: str) -> None:
    """Refuse what cannot be an issuer identifier. Raises `ValidationError`."""
    # > a URL that uses the "https" scheme and has no query or fragment components (RFC 8414 §2); http for one machine.
    if spiffe.is_spiffe(value):
        if not spiffe.is_trust_domain(value):
            raise serializers.ValidationError("must be spiffe:// and a trust domain, without a path")
        return
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
        raise serializers.ValidationError("must be an https URL")
    if parts.query or parts.fragment or value != value.strip():
        raise serializers.ValidationError("must have neither query nor fragment")
    is_known = any(
        model.objects.filter(issuer=value).exists() for model in (TrustedIssuer, ResourceAuthorizationServer)
    )
    if not is_known and identifiers.is_client_id(value):
        raise serializers.ValidationError("is the client_id of an agent")


def host_problem(patterns: list[str]) -> str:
    """What is wrong with a list of hosts or domains that has been made normal; "" if nothing is."""
    wrong = next((pattern for pattern in patterns if not host_patterns.is_pattern(pattern)), None)
    if wrong is None:
        return ""
    return f"{wrong} is not a host such as claude.ai or *.example.com (no scheme, port or path; not * alone)"


def address_problem(email_trusted: bool, email_domains: list[str]) -> str:
    """Why an issuer's word about addresses can't be meant so; "" if it can."""
    # An issuer that could speak for every domain could sign in as any person (attack 23).
    return "needs email_domains: for which domains" if email_trusted and not email_domains else ""


class HostsField(serializers.ListField):
    """Host patterns, the same however they are spelt."""

    child = serializers.CharField(max_length=255)

    def to_internal_value(self, data: Any) -> list[str]:
        found = list(dict.fromkeys(host_patterns.normal(host) for host in super().to_internal_value(data)))
        if problem := host_problem(found):
            raise serializers.ValidationError(problem)
        return found


class SubjectsSerializer(serializers.Serializer[Any]):
    match = serializers.ListField(child=serializers.ChoiceField(TrustedIssuer.Match.values), default=lambda: ["sub"])
    create = serializers.BooleanField(default=False)  # type: ignore[assignment]  # the file's word; DRF has a method so
    groups = serializers.CharField(max_length=64, default="", allow_blank=True)
    tenants = serializers.ListField(child=serializers.CharField(max_length=255), default=list)


class WorkloadSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField(max_length=512)
    client_id = serializers.SlugRelatedField(slug_field="client_id", queryset=Client.objects.all())
    claims = serializers.DictField(child=shaped(CLAIM)(allow_null=True), default=dict)
    reuse = serializers.BooleanField(default=False)

    def validate_client_id(self, client: Client) -> Client:
        if JWT_BEARER not in client.grant_types:
            raise serializers.ValidationError(f"{client.client_id} is not registered for {JWT_BEARER}")
        return client


class SignInSerializer(serializers.Serializer[Any]):
    client_id = serializers.CharField(max_length=255)
    scopes = serializers.ListField(child=serializers.CharField(max_length=255), default=lambda: list(SCOPES))
    logout_ends = serializers.ChoiceField(SignInClient.LogoutEnds.values, default=SignInClient.LogoutEnds.SIGN_IN.value)
    vouches = serializers.ListField(
        child=serializers.CharField(max_length=255), default=lambda: list(VOUCHING), max_length=20
    )

    def validate_scopes(self, value: list[str]) -> list[str]:
        if not all(is_scope_token(name) for name in value):
            raise serializers.ValidationError("must be scopes")
        return value


class TrustedIssuerSerializer(serializers.Serializer[Any]):
    preset = serializers.CharField(required=False, write_only=True, max_length=64)
    issuer = serializers.CharField(max_length=512, validators=[check_issuer])
    name = ShownField(max_length=255, default="", allow_blank=True)
    enabled = serializers.BooleanField(default=True)
    jwks_uri = serializers.CharField(max_length=1024, default="", allow_blank=True)
    jwks = shaped(JWKS)(default=None, allow_null=True)
    # Nothing unless named: an issuer without a use is trusted for nothing (invariant 5).
    accepts = serializers.ListField(child=serializers.ChoiceField(TrustedIssuer.Use.values), default=list)
    subjects = SubjectsSerializer(default=lambda: {"match": ["sub"], "create": False, "groups": "", "tenants": []})
    aud_tenant = serializers.CharField(max_length=255, default="", allow_blank=True)
    client_ids = serializers.DictField(child=serializers.CharField(max_length=1024), default=dict)
    trusted_audiences = serializers.ListField(
        child=serializers.CharField(max_length=1024), default=list, max_length=100
    )
    workloads = WorkloadSerializer(many=True, default=list)
    audience = AudienceField(default=list)
    max_lifetime = serializers.IntegerField(
        min_value=LEAST_LIFETIME, max_value=GREATEST_LIFETIME, default=USUAL_LIFETIME
    )
    reuse = serializers.BooleanField(default=False)
    public_clients = HostsField(default=list)
    public_client_lifetime = serializers.IntegerField(
        default=LIFETIME,
        min_value=SHORTEST_LIFETIME,
        max_value=LONGEST_LIFETIME,
    )
    email_trusted = serializers.BooleanField(default=False)
    email_domains = HostsField(default=list)
    sign_in = SignInSerializer(default=None, allow_null=True)
    sign_in_secret = serializers.CharField(required=False, max_length=512, write_only=True, trim_whitespace=False)
    sign_in_secret_env = serializers.CharField(required=False, write_only=True)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        try:
            return super().to_internal_value(presets.filled(data))
        except presets.UnknownPresetError as error:
            raise serializers.ValidationError({"preset": str(error)}) from None

    def validate_jwks(self, value: Any) -> Any:
        if value is not None:
            check_keys(value)
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        take_secret(attrs, "sign_in_secret")
        if "sign_in_secret" in attrs and attrs["sign_in"] is None:
            raise serializers.ValidationError({"sign_in_secret": "has no use without sign_in"})
        # A button that leads to a refusal would be no sign-in.
        if attrs["sign_in"] is not None and (found := _sign_in_problem(attrs)):
            raise serializers.ValidationError({found.field: found.sentence})
        has_keys = bool(attrs["jwks_uri"] or attrs["jwks"])
        if problem := check_trust_domain(attrs["issuer"], accepts=attrs["accepts"], has_keys=has_keys):
            raise serializers.ValidationError({"issuer": problem})
        if problem := address_problem(attrs["email_trusted"], attrs["email_domains"]):
            raise serializers.ValidationError({"email_trusted": problem})
        return attrs


def _sign_in_problem(attrs: Mapping[str, Any]) -> usable.Problem | None:
    subjects = attrs["subjects"]
    return sign_in.problem(
        attrs["issuer"],
        enabled=attrs["enabled"],
        accepts=attrs["accepts"],
        scopes=attrs["sign_in"]["scopes"],
        match=subjects["match"],
        create=subjects["create"],
    )


SERIALIZER = TrustedIssuerSerializer


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["issuer"])


def rows() -> QuerySet[TrustedIssuer]:
    return TrustedIssuer.objects.select_related("sign_in").prefetch_related("workloads__client").order_by("issuer")


def as_item(row: TrustedIssuer) -> dict[str, Any]:
    return {
        "issuer": row.issuer,
        "name": row.name,
        "enabled": row.enabled,
        "jwks_uri": row.jwks_uri,
        "jwks": row.jwks,
        "accepts": row.accepts,
        "subjects": {"match": row.match, "create": row.create, "groups": row.groups_claim, "tenants": row.tenants},
        "aud_tenant": row.aud_tenant,
        "client_ids": row.client_ids,
        "trusted_audiences": row.trusted_audiences,
        "workloads": [_workload(binding) for binding in row.workloads.all()],
        "audience": row.audience,
        "max_lifetime": row.max_lifetime,
        "reuse": row.reuse,
        "public_clients": row.public_clients,
        "public_client_lifetime": row.public_client_lifetime,
        "email_trusted": row.email_trusted,
        "email_domains": row.email_domains,
        **_sign_in(row),
    }


def _sign_in(row: TrustedIssuer) -> dict[str, Any]:
    """As which client we sign people in; the secret as its digest, which is never shown."""
    client = getattr(row, "sign_in", None)
    if client is None:
        return {"sign_in": None, "sign_in_secret": ""}
    return {
        "sign_in": {
            "client_id": client.client_id,
            "scopes": client.scopes,
            "logout_ends": client.logout_ends,
            "vouches": client.vouches,
        },
        "sign_in_secret": fingerprint(lambda: secret.opened(client).encode()),
    }


def _workload(binding: WorkloadBinding) -> dict[str, Any]:
    return {
        "subject": binding.subject,
        "client_id": binding.client.client_id,
        "claims": binding.claims,
        "reuse": binding.reuse,
    }


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
            "aud_tenant": item["aud_tenant"],
            "client_ids": dict(item["client_ids"]),
            "trusted_audiences": list(item["trusted_audiences"]),
            "jwks": item["jwks"],
            "audience": list(item["audience"]),
            "max_lifetime": item["max_lifetime"],
            "reuse": item["reuse"],
            "public_clients": list(item["public_clients"]),
            "public_client_lifetime": item["public_client_lifetime"],
            "email_trusted": item["email_trusted"],
            "email_domains": list(item["email_domains"]),
        },
    )
    _write_workloads(row, item["workloads"])
    _write_sign_in(row, item)


def _write_sign_in(row: TrustedIssuer, item: Mapping[str, Any]) -> None:
    """A secret that is not named stays as it is."""
    wanted = item["sign_in"]
    if wanted is None:
        SignInClient.objects.filter(issuer=row).delete()
        return
    values = {
        "client_id": wanted["client_id"],
        "scopes": list(wanted["scopes"]),
        "logout_ends": wanted["logout_ends"],
        "vouches": list(wanted["vouches"]),
    }
    if "sign_in_secret" in item:
        values["secret"] = secret.sealed(item["sign_in_secret"], row.pk)
    SignInClient.objects.update_or_create(issuer=row, defaults=values)


def _write_workloads(row: TrustedIssuer, wanted: list[Mapping[str, Any]]) -> None:
    """Bindings that stay as they are keep their row, since removing one ends what its workload has."""
    stale = {binding.pk: binding for binding in row.workloads.all()}
    for workload in wanted:
        client, reuse = workload["client_id"], workload["reuse"]
        is_same = (workload["subject"], client.pk, workload["claims"])
        same = [pk for pk, binding in stale.items() if (binding.subject, binding.client_id, binding.claims) == is_same]
        if not same:
            WorkloadBinding.objects.create(
                issuer=row, subject=workload["subject"], client=client, claims=workload["claims"], reuse=reuse
            )
            continue
        kept = stale.pop(same[0])
        if kept.reuse != reuse:
            kept.reuse = reuse
            kept.save(update_fields=["reuse"])
    for binding in stale.values():
        binding.delete()


def remove(key: str) -> None:
    TrustedIssuer.objects.get(issuer=key).delete()
