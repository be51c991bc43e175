"""`clients:` the agents that an administrator registers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import QuerySet
from rest_framework import serializers

from authz import authorizations, registry
from authz.authorizations import removal
from authz.clients import identifiers
from authz.configuration import leavers
from authz.configuration.environment import take_secret
from authz.configuration.shaped import JWKS, shaped
from authz.configuration.shown_text import KeyField, ShownField
from authz.configuration.validation import unknown_name
from authz.models import Client, User
from authz.models.pending_answer import PendingAnswer
from authz.policy import RuleError
from authz.policy.parsing import parse_time
from authz.protocol import jwks, redirect_uris, scopes
from authz.protocol.client_metadata import SECRET_METHODS
from authz.protocol.errors import OAuthError

KEY = "clients"
LOOKUP = "client_id"
# Only for a file on this machine: over the network it would read the server's own environment.
LOCAL = frozenset({"client_secret_env"})
SECRET = frozenset({"client_secret"})


class ClientSerializer(serializers.Serializer[Any]):
    """RFC 7591 §2's names and defaults, and the organisation's attributes of an agent."""

    client_id = serializers.RegexField(
        r"^[\x21-\x7e]+$", max_length=1024, error_messages={"invalid": "must be printable ASCII without blanks"}
    )
    client_name = ShownField(max_length=255, default="", allow_blank=True)
    status = serializers.ChoiceField(choices=Client.Status.values, default=Client.Status.PENDING)
    owner = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.all(), default=None, allow_null=True
    )
    successor = serializers.SlugRelatedField(
        slug_field="username", queryset=User.objects.all(), default=None, allow_null=True
    )
    grant_types = serializers.ListField(child=serializers.CharField(), default=lambda: ["authorization_code"])
    token_endpoint_auth_method = serializers.CharField(default="client_secret_basic")
    client_secret = serializers.CharField(required=False, max_length=512, write_only=True, trim_whitespace=False)
    client_secret_env = serializers.CharField(required=False, write_only=True)
    jwks = shaped(JWKS)(default=None, allow_null=True)
    jwks_uri = serializers.CharField(max_length=1024, default="", allow_blank=True)
    redirect_uris = serializers.ListField(child=serializers.CharField(max_length=2048), default=list)
    post_logout_redirect_uris = serializers.ListField(child=serializers.CharField(max_length=2048), default=list)
    scope = serializers.CharField(default=None, allow_null=True)
    environment = KeyField(max_length=64, default="", allow_blank=True)
    approved_until = serializers.CharField(default=None, allow_null=True)
    tags = serializers.ListField(child=KeyField(max_length=64), default=list)
    client_uri = serializers.CharField(max_length=1024, default="", allow_blank=True)
    reuse_assertions = serializers.BooleanField(default=False)
    dpop_bound_access_tokens = serializers.BooleanField(default=False)
    require_pushed_authorization_requests = serializers.BooleanField(default=False)
    pending_answer = serializers.ChoiceField(choices=PendingAnswer.values, default="", allow_blank=True)

    def validate_client_id(self, value: str) -> str:
        # One that is there goes on; `manage.py doctor` names it.
        if not Client.objects.filter(client_id=value).exists() and (problem := identifiers.client_id_problem(value)):
            raise serializers.ValidationError(problem)
        return value

    def validate_approved_until(self, value: str | None) -> datetime | None:
        if value is None:
            return None
        try:
            # As in rules: a date is the end of that day.
            return datetime.fromtimestamp(parse_time(value, "approved_until", end_of_day=True), UTC)
        except RuleError as error:
            raise serializers.ValidationError(error.problem) from None

    def validate_grant_types(self, value: list[str]) -> list[str]:
        for grant_type in value:
            if grant_type not in registry.grants():
                raise serializers.ValidationError(
                    f"{grant_type} {unknown_name(grant_type, registry.grants(), 'grant type')}"
                )
        return value

    def validate_token_endpoint_auth_method(self, value: str) -> str:
        if value not in registry.client_auth_methods():
            methods = registry.client_auth_methods()
            raise serializers.ValidationError(f"{value} {unknown_name(value, methods, 'authentication method')}")
        return value

    def validate_jwks(self, value: Any) -> Any:
        if value is not None and (problem := jwks.problem(value)):
            raise serializers.ValidationError(problem)
        return value

    def validate_redirect_uris(self, value: list[str]) -> list[str]:
        return _checked_redirect_uris(value)

    def validate_post_logout_redirect_uris(self, value: list[str]) -> list[str]:
        return _checked_redirect_uris(value)

    def validate_scope(self, value: str | None) -> str | None:
        try:
            scopes.parse(value)
        except OAuthError as error:
            raise serializers.ValidationError(error.sentence) from None
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        method = attrs["token_endpoint_auth_method"]
        take_secret(attrs, "client_secret")
        if "client_secret" in attrs and method not in SECRET_METHODS:
            raise serializers.ValidationError({"client_secret": f"has no use with {method}"})
        if bool(attrs["jwks"]) and bool(attrs["jwks_uri"]):
            # > The "jwks_uri" and "jwks" parameters MUST NOT both be present in the same request (RFC 7591 §2)
            raise serializers.ValidationError({"jwks_uri": "either jwks or jwks_uri, not both"})
        if method == "private_key_jwt" and not attrs["jwks"] and not attrs["jwks_uri"]:
            raise serializers.ValidationError({"token_endpoint_auth_method": "private_key_jwt needs jwks or jwks_uri"})
        if method == "none" and "client_credentials" in attrs["grant_types"]:
            # > The client credentials grant type MUST only be used by confidential clients. (RFC 6749 §4.4)
            raise serializers.ValidationError({"grant_types": "client_credentials needs a client that authenticates"})
        if "authorization_code" in attrs["grant_types"] and not attrs["redirect_uris"]:
            raise serializers.ValidationError({"redirect_uris": "authorization_code needs at least one redirect URI"})
        leavers.settle(attrs)
        return attrs


SERIALIZER = ClientSerializer
stays = leavers.stays


def _checked_redirect_uris(uris: list[str]) -> list[str]:
    for index, uri in enumerate(uris):
        # An administrator allows a private-use scheme by writing it here; documents and registrations may not (cimd/).
        problem = redirect_uris.problem(uri, custom_schemes=frozenset({redirect_uris.scheme_of(uri)}))
        if problem is not None:
            located: dict[Any, Any] = {index: f"{uri[:200]}: {problem.sentence}"}
            raise serializers.ValidationError(located)
    return uris


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["client_id"])


def rows() -> QuerySet[Client]:
    """Registered clients only: the other kinds belong to their apps."""
    registered = Client.objects.filter(registration_source=Client.RegistrationSource.MANUAL)
    found: QuerySet[Client] = registered.select_related("owner", "successor").order_by("client_id")
    return found


def as_item(row: Client) -> dict[str, Any]:
    """A client in the file's form; the secret as its digest, which is never shown."""
    return {
        "client_id": row.client_id,
        "client_name": row.name,
        "status": row.status,
        "owner": row.owner.username if row.owner else None,
        "successor": row.successor.username if row.successor else None,
        "grant_types": row.grant_types,
        "token_endpoint_auth_method": row.token_endpoint_auth_method,
        "client_secret": row.secret_digest,
        "jwks": row.client_jwks,
        "jwks_uri": row.client_jwks_uri,
        "redirect_uris": row.redirect_uri_list,
        "post_logout_redirect_uris": row.post_logout_redirect_uris.split(),
        "scope": scopes.join(row.scope) if row.scope is not None else None,
        "environment": row.environment,
        "approved_until": _written(row.approved_until),
        "tags": row.tags,
        "client_uri": row.client_uri,
        "reuse_assertions": row.reuse_assertions,
        "dpop_bound_access_tokens": row.dpop_bound_access_tokens,
        "require_pushed_authorization_requests": row.require_pushed_authorization_requests,
        "pending_answer": row.pending_answer,
    }


def write(item: Mapping[str, Any]) -> None:
    """Create or replace one client."""
    row = Client.all_objects.filter(client_id=item["client_id"]).first() or Client(client_id=item["client_id"])
    if row.ended:
        # The same row as a new registration: nothing from before is live (authz/authorizations/removal.py).
        row.ended, row.created = None, datetime.now(UTC)
    # A client in a file becomes a registered client, of whatever kind it was before.
    row.registration_source = Client.RegistrationSource.MANUAL
    row.name = item["client_name"]
    is_suspended = item["status"] == Client.Status.SUSPENDED and row.status == Client.Status.APPROVED
    _write_approval(row, item)
    row.owner, row.successor = item["owner"], item["successor"]
    row.grant_types = item["grant_types"]
    row.token_endpoint_auth_method = item["token_endpoint_auth_method"]
    row.client_jwks = item["jwks"]
    row.client_jwks_uri = item["jwks_uri"]
    row.redirect_uris = "\n".join(item["redirect_uris"])
    row.post_logout_redirect_uris = "\n".join(item["post_logout_redirect_uris"])
    row.scope = list(scopes.parse(item["scope"])) if item["scope"] is not None else None
    row.environment = item["environment"]
    row.tags = item["tags"]
    row.client_uri = item["client_uri"]
    row.reuse_assertions = item["reuse_assertions"]
    row.dpop_bound_access_tokens = item["dpop_bound_access_tokens"]
    row.require_pushed_authorization_requests = item["require_pushed_authorization_requests"]
    row.pending_answer = item["pending_answer"]
    _write_secret(row, item)
    row.save()
    if is_suspended:
        authorizations.rest([row], now=datetime.now(UTC))


def _write_approval(row: Client, item: Mapping[str, Any]) -> None:
    """The file approves: its reviewers do. It has no approver's name, and applying it again is no new approval."""
    is_same = row.status == item["status"] and row.approved_until == item["approved_until"]
    row.status, row.approved_until = item["status"], item["approved_until"]
    if row.status == Client.Status.APPROVED and not (is_same and row.approved):
        row.approved, row.approved_by, row.approval_reminders = datetime.now(UTC), None, 0


def _written(end: datetime | None) -> str | None:
    return end.astimezone(UTC).isoformat().replace("+00:00", "Z") if end else None


def _write_secret(row: Client, item: Mapping[str, Any]) -> None:
    if item["token_endpoint_auth_method"] not in SECRET_METHODS:
        row.secret_digest = ""
    elif "client_secret" in item:
        try:
            row.set_secret(item["client_secret"])
        except ModelValidationError as error:
            raise serializers.ValidationError(error.message_dict) from None
    elif not row.secret_digest:
        raise serializers.ValidationError({"client_secret": "is needed: this client has none yet"})


def remove(key: str) -> None:
    removal.remove(Client.objects.get(client_id=key))
