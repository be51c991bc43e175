"""The keys and audiences of a trusted issuer as an administrator writes them; for the file and the console."""

from typing import Any

from rest_framework import serializers

from authz.protocol import jwks
from xaa.workloads import spiffe


def check_keys(value: Any) -> None:
    """Refuse what is no set of public keys, or has none that counts here. Raises ValidationError."""
    if problem := jwks.problem(value):
        raise serializers.ValidationError(problem)


def check_trust_domain(issuer: str, *, accepts: list[str], has_keys: bool) -> str:
    """What is wrong with a SPIFFE trust domain as an issuer; "" if nothing is, or it is none."""
    if not spiffe.is_spiffe(issuer):
        return ""
    if set(accepts) - {"workload"}:
        return "a SPIFFE trust domain vouches for workloads alone"
    # There is no metadata to find them by (JWT-SVID has no discovery).
    return "" if has_keys else "a SPIFFE trust domain needs jwks_uri (its bundle endpoint) or jwks"


def check_audience(value: str) -> None:
    if not value.isprintable() or " " in value or "*" in value:
        raise serializers.ValidationError("must be one exact value, without blanks and stars")


class AudienceField(serializers.ListField):
    """A list of exact values; a lone one may stand without the list."""

    TAKES_ONE = True  # authz/configuration/value_types.py
    child = serializers.CharField(max_length=1024, validators=[check_audience])

    def to_internal_value(self, data: Any) -> list[Any]:
        found: list[Any] = super().to_internal_value([data] if isinstance(data, str) else data)
        return found
