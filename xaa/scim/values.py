"""What a directory sends, as this server keeps it: the schema's attributes, in their types, within bounds. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from xaa.scim import paths
from xaa.scim.problems import ScimError, invalid
from xaa.scim.schemas import MAXIMUM_VALUES, Attribute, Kind

MAXIMUM_MEMBERS = 5000


def resource(given: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """The attributes of a POST or PUT that are kept. What is the server's to say, and what it does not keep, is
    dropped: a request can't set it (mass assignment). Raises `ScimError`.
    """
    schemas = given.get("schemas")
    if not isinstance(schemas, list) or not all(isinstance(one, str) for one in schemas):
        raise ScimError(400, "schemas is missing.", "invalidSyntax")
    if kind.schema.lower() not in {one.lower() for one in schemas}:
        raise ScimError(400, f"schemas has to name {kind.schema}.", "invalidSyntax")
    found = kept(given, kind)
    for attribute in kind.attributes:
        if attribute.usual is not None:
            found.setdefault(attribute.name, attribute.usual)
        if attribute.required and found.get(attribute.name) in (None, ""):
            raise invalid(f"{attribute.name} is required.")
    return found


def kept(given: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """The same, whatever is missing."""
    found = _members(given, kind.find)
    for urn in kind.extensions:
        theirs = paths.get(dict(given), urn)
        if theirs is None:
            continue
        if not isinstance(theirs, dict):
            raise invalid(f"{urn} has to be an object.")
        if extension := _members(theirs, lambda name, urn=urn: kind.find(name, urn)):
            found[urn] = extension
    return found


def _members(given: Mapping[str, Any], find: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in given.items():
        attribute = find(key)
        if attribute is None or attribute.is_ours:
            continue
        if attribute.name in found:
            raise invalid(f"{attribute.name} is there twice.")
        read = of(attribute, value)
        # > Unassigned attributes, the null value, or an empty array … are equivalent in "state" (RFC 7643 §2.5)
        if read not in (None, [], {}):
            found[attribute.name] = read
    return found


def of(attribute: Attribute, value: Any) -> Any:
    """A whole attribute's value; None where it has none. Raises `ScimError` (invalidValue)."""
    if not attribute.several:
        return _one(attribute, value if attribute.type == "complex" else _unwrapped(value))
    values = value if isinstance(value, list) else [] if value is None else [value]
    most = MAXIMUM_MEMBERS if attribute.name == "members" else MAXIMUM_VALUES
    if len(values) > most:
        raise invalid(f"{attribute.name} has more than {most} values.")
    found = [one for one in (_one(attribute, each) for each in values) if one not in (None, {})]
    if sum(isinstance(one, dict) and one.get("primary") is True for one in found) > 1:
        # > The primary attribute value "true" MUST appear no more than once (RFC 7643 §2.4)
        raise invalid(f"{attribute.name} has more than one primary value.")
    return without_twins(found)


def _unwrapped(value: Any) -> Any:
    """Some clients, Entra's older jobs among them, send an attribute of one value as `[{"value": …}]`."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value["value"] if isinstance(value, dict) and "value" in value else value


def without_twins(values: Sequence[Any]) -> list[Any]:
    seen, found = set(), []
    for value in values:
        key = repr(sorted(value.items())) if isinstance(value, dict) else repr(value)
        if key not in seen:
            seen.add(key)
            found.append(value)
    return found


def _one(attribute: Attribute, value: Any) -> Any:
    if value is None:
        return None
    if attribute.type == "complex":
        return _complex(attribute, value)
    if attribute.type == "boolean":
        return boolean(attribute.name, value)
    if not isinstance(value, str):
        raise invalid(f"{attribute.name} has to be a text.")
    text = value.strip() if attribute.required else value
    if len(text) > attribute.longest:
        raise invalid(f"{attribute.name} has more than {attribute.longest} characters.")
    if any(letter < " " or letter == "\x7f" for letter in text):
        raise invalid(f"{attribute.name} holds control characters.")
    if attribute.type == "dateTime":
        _check_moment(attribute.name, text)
    return text or None


def _complex(attribute: Attribute, value: Any) -> Any:
    if not isinstance(value, dict):
        if attribute.several and isinstance(value, str):
            value = {"value": value}
        else:
            raise invalid(f"{attribute.name} has to be an object.")
    found: dict[str, Any] = {}
    for part in attribute.sub:
        said = None if part.is_ours else of(part, paths.get(value, part.name))
        if said is not None:
            found[part.name] = said
    return found


def boolean(name: str, value: Any) -> bool:
    """Entra writes "True" and "False" as texts. Raises `ScimError`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    raise invalid(f"{name} has to be true or false.")


def _check_moment(name: str, text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"{name} has to be a moment.") from None
