"""`/api/v1/reference`: the OpenAPI document as a page, from this origin and without a script."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from authz.api.framework.schema import document

# How deep members are written out; what is deeper is named by its kind.
MAX_DEPTH = 6


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """Every operation with its parameters, body and answers. Like the document itself it is open to everyone."""
    return render(request, "api_reference.html", {"sections": sections()})


@cache
def sections() -> tuple[Mapping[str, Any], ...]:
    """The operations by the first part of their paths."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for path, operations in document()["paths"].items():
        title = path.removeprefix("/api/v1/").partition("/")[0]
        for method, operation in operations.items():
            found.setdefault(title, []).append(_operation(path, method.upper(), operation))
    return tuple({"title": title, "operations": operations} for title, operations in sorted(found.items()))


def _operation(path: str, method: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    said, _, permission = given.get("description", "").partition("\n\nPermission: ")
    scopes = [scope for way in given.get("security", ()) for scope in way.get("oauth2", ())]
    return {
        "id": given["operationId"],
        "path": path,
        "method": method,
        "says": said,
        "permission": permission.strip("`."),
        "scopes": scopes,
        "parameters": given.get("parameters", ()),
        "body": _first(given.get("requestBody", {}).get("content", {})),
        "answers": [
            {"status": "otherwise" if status == "default" else status, "shape": _first(answer.get("content", {}))}
            for status, answer in given["responses"].items()
        ],
    }


def _first(content: Mapping[str, Any]) -> str:
    for kind in content.values():
        return "\n".join(_lines(kind.get("schema", {}), "", "", 0))
    return ""


def _lines(schema: Mapping[str, Any], name: str, indent: str, depth: int) -> Iterator[str]:
    """A shape as indented lines: `name: kind  description`."""
    resolved = _resolved(schema)
    says = resolved.get("description", "").partition("\n")[0]
    yield f"{indent}{name}{': ' if name else ''}{_kind(resolved)}{f'  — {says}' if says else ''}"
    inner = resolved.get("items", resolved)
    inner = _resolved(inner)
    if depth >= MAX_DEPTH:
        return
    required = inner.get("required", ())
    for member, shape in inner.get("properties", {}).items():
        mark = " (required)" if member in required and not _resolved(shape).get("readOnly") else ""
        yield from _lines(shape, f"{member}{mark}", f"{indent}  ", depth + 1)


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without a reference, and without the null of a choice."""
    if "$ref" in schema:
        return _resolved(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for choice in ("oneOf", "anyOf", "allOf"):
        real = [one for one in schema.get(choice, ()) if one.get("type") != "null"]
        if len(real) == 1:
            return {**_resolved(real[0]), **{key: value for key, value in schema.items() if key != choice}}
    return schema


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    kind = schema.get("type", "any")
    kinds = [str(one) for one in kind] if isinstance(kind, list) else [str(kind)]
    if "array" in kinds:
        kinds[kinds.index("array")] = f"list of {_kind(_resolved(schema.get('items', {})))}"
    return " or ".join([schema["format"] if schema.get("format") and one == "string" else one for one in kinds])
