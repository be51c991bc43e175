"""`resources:` the MCP servers, with their scopes."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from authz.authorizations import removal
from authz.configuration import resource_identifiers, scope_mappings
from authz.configuration.rules import nested
from authz.configuration.shaped import APPROVERS, LABELS, shaped
from authz.configuration.shown_text import ShownField
from authz.configuration.validation import MAX_NAMES, no_such
from authz.models import Client, ProtectedResource, Scope, User
from authz.models.pending_answer import PendingAnswer
from authz.policy import Approvers, RuleError
from authz.policy.tool_calls import label_names, tool_patterns
from authz.protocol.scope_names import IDENTITY_SCOPES, is_scope_token

KEY = "resources"
LOOKUP = "identifier"
TOUCHES_OTHERS = True  # at most one is the default
SECRET: frozenset[str] = frozenset()
MAX_SHOWN_ARGUMENTS = 20


class LabelsField(shaped(LABELS)):  # type: ignore[misc]  # a class that is made
    """Labels, as rules name them (authz/policy/tool_calls.py)."""

    def to_internal_value(self, data: Any) -> list[str]:
        try:
            return list(label_names(super().to_internal_value(data), ""))
        except RuleError as error:
            raise serializers.ValidationError(nested(error.field, error.problem)) from None


class ToolSerializer(serializers.Serializer[Any]):
    """A tool, or several by a pattern such as payroll_*."""

    name = serializers.CharField(max_length=129)
    labels = LabelsField(default=list)
    description = ShownField(max_length=255, default="", allow_blank=True)

    def validate_name(self, value: str) -> str:
        try:
            return tool_patterns([value], "")[0]
        except RuleError as error:
            raise serializers.ValidationError(error.problem) from None


class ScopeMappingSerializer(serializers.Serializer[Any]):
    """What the scopes of this MCP server are good for at another one."""

    to = serializers.CharField(max_length=1024)
    scopes = serializers.DictField(child=serializers.ListField(child=serializers.CharField(max_length=255)))

    def validate_to(self, value: str) -> str:
        if problem := scope_mappings.target_problem(value):
            raise serializers.ValidationError(problem)
        return value

    def validate_scopes(self, value: dict[str, list[str]]) -> dict[str, list[str]]:
        if problem := scope_mappings.scopes_problem(value):
            raise serializers.ValidationError(problem)
        return value


class ScopeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=255)
    description = ShownField(max_length=255, default="", allow_blank=True)
    sensitivity = serializers.ChoiceField(choices=Scope.Sensitivity.values, default=Scope.Sensitivity.LOW)
    labels = LabelsField(default=list)

    def validate_name(self, value: str) -> str:
        if not is_scope_token(value):
            raise serializers.ValidationError("is not a scope token (RFC 6749 §3.3)")
        if value in IDENTITY_SCOPES:
            raise serializers.ValidationError("is a scope of the authorization server itself")
        return value


class ResourceSerializer(serializers.Serializer[Any]):
    identifier = serializers.CharField(max_length=1024)
    name = ShownField(max_length=255, default="", allow_blank=True)
    default = serializers.BooleanField(default=False)
    active = serializers.BooleanField(default=True)
    owner = serializers.CharField(default=None, allow_null=True)
    owners = serializers.ListField(child=serializers.CharField(), default=list)
    approvers = shaped(APPROVERS)(default=None, allow_null=True)
    access_token_lifetime = serializers.IntegerField(default=600, min_value=30, max_value=86_400)
    access_token_signing_alg = serializers.ChoiceField(
        choices=ProtectedResource.Algorithm.values, default=ProtectedResource.Algorithm.RS256
    )
    status_list = serializers.BooleanField(default=False)
    dpop_bound_access_tokens_required = serializers.BooleanField(default=False)
    pending_answer = serializers.ChoiceField(choices=PendingAnswer.values, default=PendingAnswer.ALWAYS)
    introspection_clients = serializers.ListField(child=serializers.CharField(), default=list)
    decision_clients = serializers.ListField(child=serializers.CharField(), default=list)
    claims_clients = serializers.ListField(child=serializers.CharField(), default=list)
    exchange_clients = serializers.ListField(child=serializers.CharField(), default=list)
    may_act = serializers.CharField(max_length=2048, default="", allow_blank=True)
    scope_mappings = ScopeMappingSerializer(many=True, default=list)
    recorded_calls = serializers.IntegerField(default=1, min_value=1, max_value=10_000)
    usual_calls = serializers.IntegerField(default=200, min_value=1, max_value=1_000_000)
    usual_times = serializers.IntegerField(default=3, min_value=1, max_value=1000)
    shown_arguments = serializers.ListField(
        child=serializers.CharField(max_length=100), default=list, max_length=MAX_SHOWN_ARGUMENTS
    )
    labels = LabelsField(default=list)
    scopes = ScopeSerializer(many=True, default=list)
    tools = ToolSerializer(many=True, default=list)

    def validate_identifier(self, value: str) -> str:
        # One that is stored stays as it is. One that was removed comes back.
        is_stored = ProtectedResource.all_objects.filter(identifier=value).exists()
        if problem := resource_identifiers.problem_with(value, former=value if is_stored else ""):
            raise serializers.ValidationError(problem.rstrip("."))
        return value

    def validate_tools(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        names = [tool["name"] for tool in value]
        if len(names) != len(set(names)):
            raise serializers.ValidationError("names one tool twice")
        return value

    def validate_approvers(self, value: object) -> object:
        try:
            return None if value is None else Approvers.from_mapping(value, "").to_mapping()
        except RuleError as error:
            raise serializers.ValidationError(nested(error.field, error.problem)) from None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if alone := set(attrs["claims_clients"]) - set(attrs["decision_clients"]):
            problem = f"names {min(alone)}, which decision_clients does not name"
            raise serializers.ValidationError({"claims_clients": problem})
        if problem := scope_mappings.problem_with(attrs["may_act"], attrs["exchange_clients"]):
            raise serializers.ValidationError({"may_act": problem})
        return attrs

    def validate_scope_mappings(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        targets = [mapping["to"] for mapping in value]
        if len(targets) != len(set(targets)):
            raise serializers.ValidationError("names one resource twice")
        return value


SERIALIZER = ResourceSerializer


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["identifier"])


def rows() -> QuerySet[ProtectedResource]:
    found = ProtectedResource.objects.select_related("owner").prefetch_related(
        "scopes", "introspection_clients", "decision_clients", "claims_clients", "exchange_clients", "owners"
    )
    return found.order_by("identifier")


def as_item(row: ProtectedResource) -> dict[str, Any]:
    return {
        "identifier": row.identifier,
        "name": row.name,
        "default": row.is_default,
        "active": row.is_active,
        "owner": row.owner.username if row.owner else None,
        "owners": sorted(person.username for person in row.owners.all()),
        "approvers": row.approvers,
        "access_token_lifetime": row.access_token_lifetime,
        "access_token_signing_alg": row.access_token_signing_alg,
        "status_list": row.status_list,
        "dpop_bound_access_tokens_required": row.dpop_bound_access_tokens_required,
        "pending_answer": row.pending_answer,
        "introspection_clients": sorted(client.client_id for client in row.introspection_clients.all()),
        "decision_clients": sorted(client.client_id for client in row.decision_clients.all()),
        "claims_clients": sorted(client.client_id for client in row.claims_clients.all()),
        "exchange_clients": sorted(client.client_id for client in row.exchange_clients.all()),
        "may_act": row.may_act,
        "scope_mappings": row.scope_mappings,
        "recorded_calls": row.recorded_calls,
        "usual_calls": row.usual_calls,
        "usual_times": row.usual_times,
        "shown_arguments": row.shown_arguments,
        "labels": row.labels,
        "scopes": [
            {
                "name": scope.name,
                "description": scope.description,
                "sensitivity": scope.sensitivity,
                "labels": scope.labels,
            }
            for scope in row.scopes.all()
        ],
        "tools": row.tools,
    }


def write(item: Mapping[str, Any]) -> None:
    """Create or replace one MCP server with its scopes."""
    if item["default"]:
        others = ProtectedResource.objects.filter(is_default=True).exclude(identifier=item["identifier"])
        # At most one: the file that names another default means it.
        others.update(is_default=False)
    row, _ = ProtectedResource.all_objects.update_or_create(
        identifier=item["identifier"],
        defaults={
            "name": item["name"] or item["identifier"],
            "is_default": item["default"],
            "ended": None,
            "is_active": item["active"],
            "owner": None if item["owner"] is None else _person("owner", item["owner"]),
            "approvers": item["approvers"],
            "access_token_lifetime": item["access_token_lifetime"],
            "access_token_signing_alg": item["access_token_signing_alg"],
            "status_list": item["status_list"],
            "dpop_bound_access_tokens_required": item["dpop_bound_access_tokens_required"],
            "pending_answer": item["pending_answer"],
            "may_act": item["may_act"],
            "scope_mappings": [
                {"to": mapping["to"], "scopes": dict(mapping["scopes"])} for mapping in item["scope_mappings"]
            ],
            "recorded_calls": item["recorded_calls"],
            "usual_calls": item["usual_calls"],
            "usual_times": item["usual_times"],
            "shown_arguments": item["shown_arguments"],
            "labels": item["labels"],
            "tools": [dict(tool) for tool in item["tools"]],
        },
    )
    row.owners.set([_person("owners", username) for username in item["owners"]])
    for member in ("introspection_clients", "decision_clients", "claims_clients"):
        getattr(row, member).set([_client(member, client_id) for client_id in item[member]])
    row.exchange_clients.set([_any_client("exchange_clients", client_id) for client_id in item["exchange_clients"]])
    _write_scopes(row, item["scopes"])


def check_together(items: Sequence[Mapping[str, Any]]) -> None:
    """At most one default in a file: otherwise the last one would silently win. Raises `ValidationError`."""
    defaults = [index for index, item in enumerate(items) if item["default"]]
    if len(defaults) > 1:
        located: dict[Any, Any] = {defaults[1]: {"default": "another resource is the default already"}}
        raise serializers.ValidationError(located)


def _write_scopes(row: ProtectedResource, wanted: list[dict[str, Any]]) -> None:
    names = [scope["name"] for scope in wanted]
    if len(names) != len(set(names)):
        raise serializers.ValidationError({"scopes": "names one scope twice"})
    row.scopes.exclude(name__in=names).delete()
    for scope in wanted:
        Scope.objects.update_or_create(
            resource=row,
            name=scope["name"],
            defaults={
                "description": scope["description"],
                "sensitivity": scope["sensitivity"],
                "labels": scope["labels"],
            },
        )


def _person(member: str, username: str) -> User:
    found = User.objects.filter(username=username).first()
    if found is None:
        names = User.objects.values_list("username", flat=True)[:MAX_NAMES]
        raise serializers.ValidationError({member: no_such("person", username, names)})
    return found


def _client(member: str, client_id: str) -> Client:
    client = _any_client(member, client_id)
    # Public clients prove nothing, so they may learn nothing (RFC 7662 §2.1).
    if not client.is_confidential:
        raise serializers.ValidationError({member: f"{client_id} does not authenticate"})
    return client


def _any_client(member: str, client_id: str) -> Client:
    """Of those that exchange tokens, one without a secret proves itself by its workload's assertion."""
    client = Client.objects.filter(client_id=client_id).first()
    if client is None:
        names = Client.objects.values_list("client_id", flat=True)[:MAX_NAMES]
        raise serializers.ValidationError({member: no_such("agent", client_id, names)})
    return client


def remove(key: str) -> None:
    removal.remove(ProtectedResource.objects.get(identifier=key))
