"""`cimd:` the hosts whose clients are trusted, and how clients may register (docs/configuration.md)."""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.db.models import QuerySet
from rest_framework import serializers

from authz.configuration.validation import unknown_name
from authz.policy.value_kinds import not_this
from authz.protocol.redirect_uris import NEVER
from cimd.changes import NEVER_ACCEPTED, Change, Consequence
from cimd.models import Policy
from cimd.trust import is_pattern

KEY = "cimd"
LOOKUP = "policy"
SINGLE = True
SECRET = frozenset({"registration_tokens"})
MINIMUM_TOKEN_LENGTH = 32


def _list() -> serializers.ListField:
    return serializers.ListField(child=serializers.CharField(max_length=255), default=list)


class PolicySerializer(serializers.Serializer[Any]):
    """Host patterns match the host name without its port: a name, `*.example.com`, or `*`."""

    trusted_hosts = _list()
    blocked_hosts = _list()
    redirect_schemes = _list()
    redirect_hosts = _list()
    public_exchange_hosts = _list()
    changes = serializers.DictField(child=serializers.CharField(), default=dict)
    registration = serializers.BooleanField(default=False)
    registration_hosts = _list()
    registration_tokens = serializers.ListField(
        child=serializers.CharField(max_length=512), required=False, write_only=True
    )

    def validate_trusted_hosts(self, value: list[str]) -> list[str]:
        return _patterns(value)

    def validate_blocked_hosts(self, value: list[str]) -> list[str]:
        return _patterns(value)

    def validate_redirect_hosts(self, value: list[str]) -> list[str]:
        return _patterns(value)

    def validate_public_exchange_hosts(self, value: list[str]) -> list[str]:
        # > This specification SHOULD only be supported for confidential clients. (ID-JAG §8.1) An exception has a name.
        if "*" in value:
            raise serializers.ValidationError("names hosts; “*” would be every public client there is")
        return _patterns(value)

    def validate_registration_hosts(self, value: list[str]) -> list[str]:
        # Registration is for hosts that are named. Open to all hosts, it could be abused (attack 29).
        if "*" in value:
            raise serializers.ValidationError("names hosts; “*” names none in particular")
        return _patterns(value)

    def validate_redirect_schemes(self, value: list[str]) -> list[str]:
        for scheme in value:
            if not is_private_use(scheme):
                name = scheme.partition(":")[0].lower()
                hint = f": write {name}" if ":" in scheme and is_private_use(name) else ""
                raise serializers.ValidationError(f"{scheme} is not a private-use scheme that can be allowed{hint}")
        return value

    def validate_changes(self, value: dict[str, str]) -> dict[str, str]:
        for change, consequence in value.items():
            if change not in set(Change):
                raise serializers.ValidationError({change: unknown_name(change, Change, "class of change")})
            if consequence not in {choice.name.lower() for choice in Consequence}:
                raise serializers.ValidationError(
                    {change: f"must be accept, consent or quarantine{not_this(consequence)}"}
                )
            if Change(change) in NEVER_ACCEPTED and consequence == "accept":
                raise serializers.ValidationError(f"{change} is never just accepted")
        return value

    def validate_registration_tokens(self, value: list[str]) -> list[str]:
        if any(len(token) < MINIMUM_TOKEN_LENGTH for token in value):
            raise serializers.ValidationError(f"an initial access token has at least {MINIMUM_TOKEN_LENGTH} characters")
        return value


SERIALIZER = PolicySerializer


def is_private_use(scheme: str) -> bool:
    """Whether a name is that of a scheme that clients may use for themselves, in small letters, without a colon."""
    is_scheme = scheme.isascii() and scheme.replace("+", "").replace("-", "").replace(".", "").isalnum()
    return is_scheme and scheme == scheme.lower() and scheme not in NEVER | {"http", "https"}


def _patterns(patterns: list[str]) -> list[str]:
    for pattern in patterns:
        if not is_pattern(pattern):
            host = urlsplit(pattern).hostname or "" if "://" in pattern else ""
            hint = f": write {host}" if is_pattern(host) else ""
            raise serializers.ValidationError(f"{pattern[:100]!r} is not a host, *.host or *{hint}")
    return patterns


def natural_key(item: Mapping[str, Any]) -> str:
    return "policy"


def rows() -> QuerySet[Policy]:
    return Policy.objects.order_by("pk")[:1]


def as_item(row: Policy) -> dict[str, Any]:
    return {
        "trusted_hosts": row.trusted_hosts,
        "blocked_hosts": row.blocked_hosts,
        "redirect_schemes": row.redirect_schemes,
        "redirect_hosts": row.redirect_hosts,
        "public_exchange_hosts": row.public_exchange_hosts,
        "changes": row.changes,
        "registration": row.registration,
        "registration_hosts": row.registration_hosts,
        "registration_tokens": row.registration_token_digests,
    }


def write(item: Mapping[str, Any]) -> None:
    row = Policy.objects.first() or Policy()
    row.trusted_hosts = item["trusted_hosts"]
    row.blocked_hosts = item["blocked_hosts"]
    row.redirect_schemes = item["redirect_schemes"]
    row.redirect_hosts = item["redirect_hosts"]
    row.public_exchange_hosts = item["public_exchange_hosts"]
    row.changes = item["changes"]
    row.registration = item["registration"]
    row.registration_hosts = item["registration_hosts"]
    # Tokens are kept as digests, and a file without them (an export) leaves them as they are.
    if "registration_tokens" in item:
        row.registration_token_digests = [
            hashlib.sha256(token.encode()).hexdigest() for token in item["registration_tokens"]
        ]
    row.save()


def remove(key: str) -> None:
    Policy.objects.all().delete()
