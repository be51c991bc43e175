"""`signal_sources:` streams of security events from trusted issuers. The command and the console make their tokens."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from authz.configuration.environment import take_secret
from authz.configuration.shown_text import KeyField
from authz.keys.secrets_at_rest import fingerprint
from authz.outbound import Role, is_fetchable
from authz.protocol.scope_names import is_scope_token
from xaa.models import SignalSource, TrustedIssuer
from xaa.models.signal_source import GREATEST_LIMIT, USUAL_LIMIT
from xaa.signals.receiving import keys
from xaa.signals.receiving.actions import CHOICES, CHOSEN

KEY = "signal_sources"
LOOKUP = "name"
SECRET = frozenset({"token", "client_secret"})
LOCAL = frozenset({"token_env", "client_secret_env"})
_NOT_CALLED = "is not a URL that this server calls: https, or a host:port of GATEHOUSE_OUTBOUND_ALLOWED_HOSTS"


# What `problem` looks at.
JUDGED = (
    *("tenant", "transmitter", "jwks_uri", "poll_url", "delivery"),
    *("client_id", "token_endpoint", "scope"),
)


def problem(
    issuer: TrustedIssuer,
    *,
    tenant: str,
    transmitter: str,
    jwks_uri: str,
    poll_url: str,
    delivery: str,
    client_id: str,
    token_endpoint: str,
    scope: str,
) -> dict[str, str]:
    """What is wrong with whose events they are and where they come from, by key; nothing if it can be so."""
    found: dict[str, str] = {}
    if tenant and issuer.tenants and tenant not in issuer.tenants:
        found["tenant"] = "is none of the issuer's tenants"
    if jwks_uri and not is_fetchable(jwks_uri, Role.ISSUER_KEYS):
        found["jwks_uri"] = _NOT_CALLED
    if transmitter and not transmitter.startswith(("https://", "http://")):
        found["transmitter"] = "is not a URL"
    if poll_url and delivery != SignalSource.Delivery.POLL:
        found["poll_url"] = "has no use with push"
    elif poll_url and not is_fetchable(poll_url, Role.SIGNAL_POLL):
        found["poll_url"] = _NOT_CALLED
    if token_endpoint and not is_fetchable(token_endpoint, Role.SIGNAL_TRANSMITTER):
        found["token_endpoint"] = _NOT_CALLED
    for name, given in (("token_endpoint", token_endpoint), ("scope", scope)):
        if given and not client_id:
            found[name] = "has no use without client_id"
    if scope and not all(is_scope_token(one) for one in scope.split(" ")):
        found["scope"] = "is not a list of scopes with a space between two"
    return found


# What says where each stored secret is sent.
_SENT_TO = {
    "token": ("issuer", "transmitter", "poll_url"),
    "client_secret": ("issuer", "transmitter", "token_endpoint"),
}


def again(row: SignalSource | None, given: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong where a stored secret would go to another server than it was entered for (attack 54), by its name.

    row    as it is stored; None for a new one.
    given  the values to come. A secret among them was entered again.
    """
    found = {}
    for secret, where in _SENT_TO.items():
        is_kept = row is not None and getattr(row, secret) and not given.get(secret)
        if is_kept and any(_is_another(row, name, given.get(name, "")) for name in where):
            found[secret] = f"is needed again where {', '.join(where[:-1])} or {where[-1]} changes"
    return found


def _is_another(row: SignalSource | None, name: str, value: object) -> bool:
    # Without a poll_url nothing is polled.
    return getattr(row, name) != value and not (name == "poll_url" and not value)


def wrong_actions(actions: Mapping[str, str]) -> str:
    """What is wrong with the choices of actions; "" if nothing is."""
    for event, action in actions.items():
        if event not in CHOSEN:
            return f"{event} is none of {', '.join(sorted(CHOSEN))}"
        if action not in CHOICES:
            return f"{action} is none of {', '.join(CHOICES)}"
    return ""


class SignalSourceSerializer(serializers.Serializer[Any]):
    name = KeyField(max_length=100)
    issuer = serializers.SlugRelatedField(slug_field="issuer", queryset=TrustedIssuer.objects.all())
    tenant = serializers.CharField(max_length=255, default="", allow_blank=True)
    transmitter = serializers.CharField(max_length=512, default="", allow_blank=True)
    jwks_uri = serializers.CharField(max_length=1024, default="", allow_blank=True)
    audience = serializers.ListField(child=serializers.CharField(max_length=1024), default=list, max_length=20)
    delivery = serializers.ChoiceField(choices=SignalSource.Delivery.values, default=SignalSource.Delivery.PUSH.value)
    poll_url = serializers.CharField(max_length=1024, default="", allow_blank=True)
    actions = serializers.DictField(child=serializers.CharField(max_length=16), default=dict)
    limit = serializers.IntegerField(min_value=1, max_value=GREATEST_LIMIT, default=USUAL_LIMIT)
    preview = serializers.BooleanField(default=False)
    enabled = serializers.BooleanField(default=True)
    token = serializers.CharField(required=False, max_length=4096, write_only=True, trim_whitespace=False)
    token_env = serializers.CharField(required=False, write_only=True)
    client_id = serializers.CharField(max_length=255, default="", allow_blank=True)
    client_secret = serializers.CharField(required=False, max_length=4096, write_only=True, trim_whitespace=False)
    client_secret_env = serializers.CharField(required=False, write_only=True)
    token_endpoint = serializers.CharField(max_length=1024, default="", allow_blank=True)
    scope = serializers.CharField(max_length=255, default="", allow_blank=True)

    def validate_actions(self, value: dict[str, str]) -> dict[str, str]:
        if wrong := wrong_actions(value):
            raise serializers.ValidationError(wrong)
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        take_secret(attrs, "token")
        take_secret(attrs, "client_secret")
        if wrong := problem(attrs["issuer"], **{name: attrs[name] for name in JUDGED}):
            raise serializers.ValidationError(wrong)
        if attrs.get("token") and attrs["client_id"]:
            raise serializers.ValidationError({"token": "either token or client_id, not both"})
        if attrs.get("client_secret") and not attrs["client_id"]:
            raise serializers.ValidationError({"client_secret": "has no use without client_id"})
        # The one that is not used any more is not kept (`keep_one_kind`).
        used = "client_secret" if attrs["client_id"] else "token"
        wrong = again(SignalSource.objects.filter(name=attrs["name"]).first(), attrs)
        if used in wrong:
            raise serializers.ValidationError({used: wrong[used]})
        return attrs


SERIALIZER = SignalSourceSerializer


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["name"])


def rows() -> QuerySet[SignalSource]:
    return SignalSource.objects.select_related("issuer").order_by("name")


_PLAIN = (
    *("tenant", "transmitter", "jwks_uri", "delivery", "poll_url", "limit", "preview", "enabled"),
    *("client_id", "token_endpoint", "scope"),
)


def as_item(row: SignalSource) -> dict[str, Any]:
    """A source in the file's form; our token there as its digest, which is never shown."""
    return {
        "name": row.name,
        "issuer": row.issuer.issuer,
        **{name: getattr(row, name) for name in _PLAIN},
        "audience": row.audience,
        "actions": row.actions,
        "token": fingerprint(lambda: keys.opened(row).encode()),
        "client_secret": fingerprint(lambda: keys.opened_secret(row).encode()),
    }


def write(item: Mapping[str, Any]) -> None:
    """A token or a secret that is not named stays as it is."""
    values = {name: item[name] for name in _PLAIN}
    values |= {"issuer": item["issuer"], "audience": list(item["audience"]), "actions": dict(item["actions"])}
    row, _ = SignalSource.objects.update_or_create(name=item["name"], defaults=values)
    if "token" in item:
        row.token = keys.sealed(item["token"], row.pk)
    if "client_secret" in item:
        row.client_secret = keys.sealed_secret(item["client_secret"], row.pk)
    keep_one_kind(row)
    row.save(update_fields=["token", "client_secret"])


def keep_one_kind(row: SignalSource) -> None:
    """Of a client and a token the one that counts: the other is not kept."""
    if row.client_id:
        row.token = b""
    else:
        row.client_secret = b""


def remove(key: str) -> None:
    SignalSource.objects.get(name=key).delete()
