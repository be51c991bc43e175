"""`/configuration_schema`: the configuration file as JSON Schema, for editors and for a check without a server.

It is made from the serializers of the API, so it says what `apply` takes. What depends on other items, such
as an owner's name, only `apply` knows.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.schema import document
from authz.api.framework.shapes import ANY
from authz.api.framework.view import ApiView
from authz.configuration import all_sections

_COMPONENTS = "#/components/schemas/"


class ConfigurationSchema(ApiView):
    """The configuration file as JSON Schema, for editors (docs/configuration.md)."""

    requires = None
    authentication_classes = ()
    answers = {"GET": ANY}

    def get(self, request: Request) -> Response:
        return Response(schema(), headers={"Cache-Control": "public, max-age=300"})


@cache
def schema() -> dict[str, Any]:
    sections, needed = {}, set[str]()
    for section in all_sections():
        item: dict[str, Any] = {"$ref": _def(_body(section.KEY), needed)}
        sections[section.KEY] = (
            item if getattr(section, "SINGLE", False) else {"type": ["array", "null"], "items": item}
        )
    definitions: dict[str, Any] = {}
    while needed - definitions.keys():
        name = min(needed - definitions.keys())
        definitions[name] = _rewritten(document()["components"]["schemas"][name], needed)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gatehouse configuration",
        "type": "object",
        "properties": sections,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _body(key: str) -> str:
    """The component's name of what PUT of one item takes."""
    paths = document()["paths"]
    found = paths.get(f"/api/v1/configuration/{key}/{{key}}") or paths[f"/api/v1/configuration/{key}"]
    content: Mapping[str, Any] = found["put"]["requestBody"]["content"]
    return str(next(iter(content.values()))["schema"]["$ref"])


def _def(reference: str, needed: set[str]) -> str:
    name = reference.removeprefix(_COMPONENTS)
    needed.add(name)
    return f"#/$defs/{name}"


def _rewritten(value: Any, needed: set[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _def(inner, needed) if key == "$ref" else _rewritten(inner, needed) for key, inner in value.items()
        }
    return [_rewritten(inner, needed) for inner in value] if isinstance(value, list) else value
