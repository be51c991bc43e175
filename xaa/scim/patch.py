"""PATCH (RFC 7644 §3.5.2): operations on a resource, in the spellings of Entra and Okta, too. Pure.

Taken beyond the text, since these directories send it: `op` in any case; a `remove` whose `value` names what goes;
names with paths in them as members of a value (`{"name.givenName": …}`); `add` and `replace` of a value that a filter
of `eq`s describes and that is not there yet, which is made.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xaa.scim import filter_text, filters, paths, values
from xaa.scim.filter_text import Target
from xaa.scim.paths import Name
from xaa.scim.problems import ScimError, invalid
from xaa.scim.schemas import Attribute, Kind

MESSAGE = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MAXIMUM_OPERATIONS = 1000
OPS = frozenset({"add", "replace", "remove"})


@dataclass(frozen=True, slots=True)
class Operation:
    op: str
    target: Target | None
    value: Any


def read(body: Mapping[str, Any], kind: Kind) -> tuple[Operation, ...]:
    """Raises `ScimError`."""
    if not paths.names_schema(body, MESSAGE):
        raise ScimError(400, f"schemas has to name {MESSAGE}.", "invalidSyntax")
    given = paths.get(dict(body), "Operations")
    # > an array of one or more PATCH operations (§3.5.2). Of none nothing follows.
    if not isinstance(given, list):
        raise ScimError(400, "Operations is missing.", "invalidSyntax")
    if len(given) > MAXIMUM_OPERATIONS:
        raise ScimError(413, f"A PATCH has {MAXIMUM_OPERATIONS} operations at most.", "tooMany")
    return tuple(_operation(one, kind) for one in given)


def _operation(given: Any, kind: Kind) -> Operation:
    # > Attribute names are case insensitive (RFC 7643 §2.1)
    members = {key.lower(): value for key, value in given.items()} if isinstance(given, dict) else {}
    if members and len(members) != len(given):
        raise ScimError(400, "A member of an operation is there twice.", "invalidSyntax")
    op = members.get("op")
    # > Each PATCH operation object MUST have exactly one "op" member […] one of "add", "remove", or "replace"
    if not isinstance(op, str) or op.lower() not in OPS:
        raise ScimError(400, "op is add, replace or remove.", "invalidSyntax")
    path = members.get("path")
    if path is not None and not isinstance(path, str):
        raise ScimError(400, "path has to be a text.", "invalidPath")
    target = filter_text.read_path(path, kind) if path and path.strip() else None
    if op.lower() == "remove" and target is None:
        # > If "path" is unspecified, the operation fails with HTTP status code 400 and a "scimType" error code of
        # > "noTarget". (RFC 7644 §3.5.2.2)
        raise ScimError(400, "A remove needs a path.", "noTarget")
    if op.lower() != "remove" and "value" not in members:
        raise invalid(f"A {op.lower()} needs a value.")
    return Operation(op.lower(), target, members.get("value"))


def apply(resource: Mapping[str, Any], operations: tuple[Operation, ...], kind: Kind) -> dict[str, Any]:
    """The resource after all operations, as `values.kept` reads it. Raises `ScimError`, and then nothing is changed."""
    found = copy.deepcopy(dict(resource))
    for operation in operations:
        if operation.target is None:
            _apply_value(found, operation, kind)
        else:
            _apply_at(found, operation, operation.target, kind, is_named=True)
    return values.kept(found, kind)


def _apply_value(resource: dict[str, Any], operation: Operation, kind: Kind) -> None:
    """> If omitted, the target location is assumed to be the resource itself, and the "value" attribute contains a set
    of attributes (RFC 7644 §3.5.2.1)."""
    if not isinstance(operation.value, dict):
        raise invalid("Without a path, value has to be an object.")
    for key, value in operation.value.items():
        if kind.urn(key) is None and kind.find(key.partition(".")[0].partition("[")[0]) is None and ":" not in key:
            continue  # none of ours: dropped, as in a POST
        try:
            target = filter_text.read_path(key, kind)
        except ScimError:
            continue
        _apply_at(resource, Operation(operation.op, target, value), target, kind, is_named=False)


def _apply_at(resource: dict[str, Any], operation: Operation, target: Target, kind: Kind, *, is_named: bool) -> None:
    name = target.name
    if not name.name:
        _apply_to_schema(resource, operation, name, kind)
        return
    found = paths.attribute(name, kind)
    if found is None:
        if is_named and not paths.is_dropped(name, kind):
            raise ScimError(400, "No attribute of this name is kept here.", "invalidPath")
        return
    attribute, part = found
    if (part or attribute).is_ours or attribute.is_ours:
        if is_named:
            raise ScimError(400, f"{attribute.name} is read-only.", "mutability")
        return  # Okta repeats the id
    place = resource
    if name.urn:
        place = resource.setdefault(name.urn, {})
    if attribute.several:
        _several(place, attribute, part, target, operation)
    else:
        if target.filter is not None:
            raise ScimError(400, f"{attribute.name} has one value.", "invalidPath")
        _single(place, attribute, part, operation)


def _apply_to_schema(resource: dict[str, Any], operation: Operation, name: Name, kind: Kind) -> None:
    """The path or the member is a schema's URN: all attributes of it."""
    if operation.op == "remove":
        if not name.urn:
            raise ScimError(400, "A remove needs a path.", "noTarget")
        resource.pop(name.urn, None)
        return
    if operation.value is None and name.urn:
        resource.pop(name.urn, None)
        return
    if not isinstance(operation.value, dict):
        raise invalid("The value of a schema has to be an object.")
    if operation.op == "replace" and name.urn:
        resource[name.urn] = {}
    for key, value in operation.value.items():
        target = Target(Name(name.urn, key))
        _apply_at(resource, Operation(operation.op, target, value), target, kind, is_named=False)


def _single(place: dict[str, Any], attribute: Attribute, part: Attribute | None, operation: Operation) -> None:
    if operation.op == "remove" or operation.value is None:
        required = attribute.required and part is None
        if required:
            raise ScimError(400, f"{attribute.name} is required.", "mutability")
        if part is None:
            place.pop(attribute.name, None)
        else:
            place.get(attribute.name, {}).pop(part.name, None)
        return
    if part is not None:
        place.setdefault(attribute.name, {})[part.name] = operation.value
        return
    value = values.of(attribute, operation.value)
    if attribute.required and value in (None, ""):
        raise invalid(f"{attribute.name} is required.")
    if attribute.type == "complex" and value is not None:
        # > if the target location […] specifies a complex attribute, a set of sub-attributes SHALL be specified in the
        # > "value" parameter that replaces any existing values or adds where an attribute did not previously exist
        place.setdefault(attribute.name, {}).update(value)
    else:
        place[attribute.name] = value


def _several(
    place: dict[str, Any], attribute: Attribute, part: Attribute | None, target: Target, operation: Operation
) -> None:
    there: list[dict[str, Any]] = list(place.get(attribute.name, []))
    if operation.op == "remove" or (operation.value is None and operation.op == "replace"):
        place[attribute.name] = _removed(there, attribute, part, target, operation)
        return
    if target.filter is None and part is None:
        added = values.of(attribute, operation.value)
        place[attribute.name] = _with(there if operation.op == "add" else [], added)
        return
    chosen = [one for one in there if target.filter is None or filters.matches(target.filter, one)]
    if not chosen:
        described = filters.described(target.filter) if target.filter is not None else {}
        if described is None:
            raise ScimError(400, f"No value of {attribute.name} matches the filter.", "noTarget")
        chosen = [dict(described)]
        there.extend(chosen)
    for one in chosen:
        if part is not None:
            one[part.name] = operation.value
        elif isinstance(operation.value, dict):
            one.update(*values.of(attribute, operation.value))
        else:
            raise invalid(f"A value of {attribute.name} has to be an object.")
    place[attribute.name] = _one_primary(there, chosen)


def _removed(
    there: list[dict[str, Any]], attribute: Attribute, part: Attribute | None, target: Target, operation: Operation
) -> list[dict[str, Any]]:
    def is_chosen(one: dict[str, Any]) -> bool:
        return target.filter is None or filters.matches(target.filter, one)

    if part is not None:
        return [{k: v for k, v in one.items() if k != part.name or not is_chosen(one)} for one in there]
    if target.filter is None and operation.op == "remove" and operation.value not in (None, []):
        # Entra says by the value which members go; without it all would.
        named = {one.get("value") for one in values.of(attribute, operation.value)}
        return [one for one in there if one.get("value") not in named]
    return [one for one in there if not is_chosen(one)]


def _with(there: list[dict[str, Any]], added: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """> If the value already exists, no changes SHOULD be made (RFC 7644 §3.5.2.1)"""
    return _one_primary(values.without_twins([*there, *added]), added)


def _one_primary(all_of: list[dict[str, Any]], newest: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """> a PATCH operation that sets a value's "primary" sub-attribute to "true" SHALL cause the server to automatically
    set "primary" to "false" for any other values in the array. (RFC 7644 §3.5.2)"""
    if not any(one.get("primary") is True for one in newest):
        return all_of
    return [one if one in newest or "primary" not in one else {**one, "primary": False} for one in all_of]
