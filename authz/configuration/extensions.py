"""`extensions:` an organisation's own extensions: which are on, with their settings (docs/extensions.md)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.db.models import QuerySet
from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers

from authz.extensions import ExtensionFault
from authz.extensions.contract import OURS
from authz.extensions.installed import installed, usable
from authz.extensions.json_schemas import Path, problems
from authz.extensions.switches import loaded
from authz.models import ExtensionSwitches
from authz.policy import value_kinds
from authz.protocol import resources
from authz.protocol.errors import OAuthError

KEY = "extensions"
LOOKUP = "all"
SINGLE = True
SECRET: frozenset[str] = frozenset()
MAX_RESOURCES = 1000


class ExtensionsSerializer(serializers.Serializer[Any]):
    """A mapping of ids to switches and settings. Only ids of installed packages are known."""

    KEYS_ARE = "installed extension"

    def get_fields(self) -> dict[str, Any]:
        return {name: serializers.JSONField(required=False) for name in installed()}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        # DRF takes a dot in a field's name for a level.
        return {name: value for name, value in data.items() if name in self.fields}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        wrong: dict[str, Any] = {}
        for identifier, given in attrs.items():
            if found := _problems(identifier, given):
                wrong[identifier] = _nested(found)
        if wrong:
            raise serializers.ValidationError(wrong)
        return {identifier: {"enabled": False, **given} for identifier, given in attrs.items()}


class _Described(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """What the section is whatever is installed, for the API's document and the file's JSON Schema."""

    target_class = ExtensionsSerializer

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "description": "Extensions by id, each with its own settings beside these.",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "enabled": {"type": "boolean", "default": False},
                    "resources": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "MCP servers whose access requests and tokens depend on it; * for all.",
                    },
                },
                "additionalProperties": True,
            },
        }


SERIALIZER = ExtensionsSerializer


def _problems(identifier: str, given: object) -> list[tuple[Path, str]]:
    """(path, problem) of what is wrong with one extension's part."""
    if not isinstance(given, Mapping):
        return [((), value_kinds.refusal("a mapping", given))]
    if identifier not in usable():
        return [((), f"can’t be loaded: the id {installed()[identifier].problem}")]
    found = _of_ours(given)
    # The code of an extension that stays off doesn't run, so its settings are not read either.
    if given.get("enabled") is not True:
        return found
    try:
        schema = loaded(installed()[identifier]).settings
    except ExtensionFault as fault:
        return [*found, (("enabled",), f"can’t be switched on: {fault.problem}")]
    own = {name: value for name, value in given.items() if name not in OURS}
    return [*found, *problems(schema, own)]


def _of_ours(given: Mapping[str, Any]) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    if not isinstance(given.get("enabled", False), bool):
        found.append((("enabled",), value_kinds.refusal("true or false", given["enabled"])))
    named = given.get("resources", [])
    if not isinstance(named, list) or len(named) > MAX_RESOURCES:
        return [*found, (("resources",), value_kinds.refusal("a list", named))]
    for position, name in enumerate(named):
        if name != "*" and (not _is_identifier(name)):
            found.append((("resources", position), "is no identifier of an MCP server, and not *"))
    return found


def _is_identifier(name: object) -> bool:
    try:
        return isinstance(name, str) and resources.canonical(name, frozenset({urlsplit(name).netloc})) == name
    except (OAuthError, ValueError):
        return False


def _nested(found: list[tuple[Path, str]]) -> Any:
    """As DRF nests errors; of two about the same place the first."""
    whole: dict[Any, Any] = {}
    for path, problem in found:
        if not path:
            return [problem]
        inside = whole
        for step in path[:-1]:
            deeper = inside.setdefault(step, {})
            if not isinstance(deeper, dict):
                break
            inside = deeper
        else:
            inside.setdefault(path[-1], [problem])
    return whole


def natural_key(item: Mapping[str, Any]) -> str:
    return LOOKUP


def rows() -> QuerySet[ExtensionSwitches]:
    return ExtensionSwitches.objects.order_by("pk")[:1]


def as_item(row: ExtensionSwitches) -> dict[str, Any]:
    return dict(row.extensions)


def write(item: Mapping[str, Any]) -> None:
    row = ExtensionSwitches.objects.first() or ExtensionSwitches()
    row.extensions = {identifier: dict(given) for identifier, given in item.items()}
    row.save()


def remove(key: str) -> None:
    ExtensionSwitches.objects.all().delete()
