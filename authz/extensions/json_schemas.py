"""JSON Schemas of extensions, and values that do not fit them, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 200
Path = tuple[str | int, ...]


def problem_with_schema(schema: object) -> str:
    """Why this is no schema for an object that can be used here, in words; "" if it is."""
    from jsonschema import Draft202012Validator, SchemaError

    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        return "is no JSON Schema of an object"
    # Attack: a schema that makes this server fetch another one.
    if any(not reference.startswith("#") for reference in _references(schema)):
        return "refers to a schema elsewhere"
    try:
        Draft202012Validator.check_schema(dict(schema))
    except (SchemaError, RecursionError) as error:
        return f"is no JSON Schema: {str(getattr(error, 'message', error))[:LONGEST]}"
    return ""


def problems(schema: Mapping[str, Any], value: object) -> list[tuple[Path, str]]:
    """(path, problem) of each member that does not fit."""
    from jsonschema import Draft202012Validator

    found: list[tuple[Path, str]] = []
    for error in Draft202012Validator(dict(schema)).iter_errors(value):
        path = tuple(error.absolute_path)
        if unknown := _unknown(error):
            known = ", ".join(error.schema.get("properties", {})) or "none"
            found += [((*path, name), f"is not known; there are {known}") for name in unknown]
        else:
            found.append((path, str(error.message)[:LONGEST]))
    return found


def _unknown(error: Any) -> list[str]:
    """The members that a schema without others does not know."""
    if error.validator != "additionalProperties" or error.validator_value is not False:
        return []
    return [str(name)[:64] for name in error.instance if name not in error.schema.get("properties", {})]


def _references(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in ("$ref", "$dynamicRef", "$schema") and isinstance(inner, str):
                # Its dialect is named by an address that is not fetched.
                if name != "$schema":
                    yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _references(inner)
