"""The tools' input and output as JSON Schema 2020-12, and what does not fit it, in words."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
LONGEST_TEXT = 1024


def text(description: str, most: int = LONGEST_TEXT) -> Schema:
    return {"type": "string", "description": description, "minLength": 1, "maxLength": most}


def choice(description: str, *values: str) -> Schema:
    return {"type": "string", "enum": list(values), "description": description}


def texts(description: str, most: int = 100) -> Schema:
    """A list of texts as input."""
    items = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most, "description": description}


def takes(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """A tool's input: these properties, and no others."""
    return {
        "type": "object",
        "properties": properties,
        **({"required": list(required)} if required else {}),
        "additionalProperties": False,
    }


TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
TEXTS: Schema = {"type": "array", "items": TEXT}
OBJECT: Schema = {"type": "object", "additionalProperties": True}


def answers(**properties: Schema) -> Schema:
    """A tool's output. All of these are there."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def problem(schema: Schema, value: object) -> str:
    """What first does not fit, as a sentence; "" if all does."""
    # Here, so that only a server that is asked loads it.
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(schema).iter_errors(value):
        where = ".".join(str(part) for part in error.absolute_path) or "arguments"
        return f"{where}: {_in_words(error)}."
    return ""


def _in_words(error: Any) -> str:
    """Without the value: it may be long, and is the caller's own."""
    match error.validator:
        case "required":
            return f"{', '.join(name for name in error.validator_value if name not in error.instance)} is missing"
        case "additionalProperties":
            known = error.schema.get("properties", {})
            other = next((str(name)[:64] for name in error.instance if name not in known), "")
            return f"{other} is not known; there are {', '.join(known) or 'none'}"
        case "enum":
            return f"is one of {', '.join(error.validator_value)}"
        case "type":
            return f"is of the type {error.validator_value}"
    return f"does not fit {error.validator}: {error.validator_value}"
