"""Validates an object against the published schema: ocsf-1.8.0.json has the parts of OCSF 1.8.0 in use.

They were taken from https://github.com/ocsf/ocsf-schema (tag 1.8.0): classes with what they inherit and include, and
the objects that events of ours can hold.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

TYPES = {
    "integer_t": int, "long_t": int, "timestamp_t": int, "port_t": int, "boolean_t": bool, "float_t": float,
}  # fmt: skip


@cache
def schema() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "ocsf-1.8.0.json").read_text())


def problems(record: dict[str, Any]) -> list[str]:
    """What of an event is not as its class says."""
    described = schema()["classes"][str(record["class_uid"])]
    found = _problems(record, described, described["name"])
    if record["type_uid"] != record["class_uid"] * 100 + record["activity_id"]:
        found.append("type_uid")
    if record["category_uid"] != record["class_uid"] // 1000:
        found.append("category_uid")
    # > The event activity name, as defined by the activity_id.
    if record["activity_name"] != described["activities"].get(str(record["activity_id"]), record["activity_name"]):
        found.append("activity_name")
    return found


def _problems(record: dict[str, Any], described: dict[str, Any], path: str) -> list[str]:
    attributes = described["attributes"]
    found = [f"{path}.{name} is unknown" for name in record if name not in attributes]
    found += [
        f"{path}.{name} is required"
        for name, attribute in attributes.items()
        if attribute.get("requirement") == "required" and name not in record
    ]
    for constraint, names in described["constraints"].items():
        count = sum(name in record for name in names)
        if count == 0 or (constraint == "just_one" and count > 1):
            found.append(f"{path} {constraint} {names}")
    for name, value in record.items():
        if name in attributes:
            found += _value_problems(value, attributes[name], f"{path}.{name}")
    return found


def _value_problems(value: Any, attribute: dict[str, Any], path: str) -> list[str]:
    if attribute.get("is_array"):
        if not isinstance(value, list):
            return [f"{path} is no array"]
        single = {key: kept for key, kept in attribute.items() if key != "is_array"}
        return [problem for item in value for problem in _value_problems(item, single, path)]
    if "object" in attribute:
        if not isinstance(value, dict):
            return [f"{path} is no object"]
        if attribute["object"] == "object":  # of any shape
            return []
        return _problems(value, schema()["objects"][attribute["object"]], path)
    kind = TYPES.get(attribute["type"], TYPES.get(attribute["base"], str))
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return [f"{path} is no {attribute['type']}"]
    if "enum" in attribute and str(value) not in attribute["enum"]:
        return [f"{path} is none of {attribute['enum']}"]
    return []
