"""Bulk (RFC 7644 §3.7): several operations in one request, each a transaction of its own, with names for new ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from authz.conf import conf
from xaa.scim import listing, operations, paths
from xaa.scim.caller import Caller
from xaa.scim.discovery import MAXIMUM_BULK
from xaa.scim.operations import Done
from xaa.scim.problems import ScimError, body
from xaa.scim.schemas import KINDS, Kind

REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REFERENCES = ("bulkId:", "/Users/bulkId:", "/Groups/bulkId:")
_NOTHING = listing.Choice((), ())


def answer(caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """Raises `ScimError` for a request that is none; what is wrong with one operation stands in its own result."""
    if not paths.names_schema(given, REQUEST):
        raise ScimError(400, f"schemas has to name {REQUEST}.", "invalidSyntax")
    asked = paths.get(dict(given), "Operations")
    if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
        raise ScimError(400, "Operations is missing.", "invalidSyntax")
    if len(asked) > MAXIMUM_BULK:
        raise ScimError(413, f"A bulk request has {MAXIMUM_BULK} operations at most.")
    most = given.get("failOnErrors")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise ScimError(400, "failOnErrors is a number from 1 on.", "invalidValue")
    made: dict[str, str] = {}
    results: dict[int, dict[str, Any]] = {}
    failed = 0
    for at in _in_order(asked):
        results[at], is_failure = _result(caller, asked[at], made)
        failed += is_failure
        if most is not None and failed >= most:
            break
    return {"schemas": [RESPONSE], "Operations": [results[at] for at in sorted(results)]}


def _in_order(asked: Sequence[Mapping[str, Any]]) -> list[int]:
    """The operations' places, each after those that make what it names.

    > The service provider MUST try to resolve circular cross-references between resources in a single bulk job but MAY
    > stop after a failed attempt and instead return HTTP status code 409 (RFC 7644 §3.7.1)

    Nothing here refers in a circle: people name no groups. What names nothing that is made keeps its place.
    """
    makes = {one["bulkId"]: at for at, one in enumerate(asked) if isinstance(one.get("bulkId"), str)}
    needs = {at: {makes[name] for name in _names(one) if name in makes} - {at} for at, one in enumerate(asked)}
    order: list[int] = []
    while needs:
        ready = next((at for at, before in needs.items() if not before & needs.keys()), min(needs))
        del needs[ready]
        order.append(ready)
    return order


def _names(value: Any) -> set[str]:
    """The bulkIds that an operation names, in its path and its data."""
    if isinstance(value, str):
        return {value.partition("bulkId:")[2]} if value.startswith(_REFERENCES) else set()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set[str]().union(*(_names(part) for part in parts))


def _result(caller: Caller, one: dict[str, Any], made: dict[str, str]) -> tuple[dict[str, Any], bool]:
    told = {name: one[name] for name in ("method", "bulkId") if isinstance(one.get(name), str)}
    try:
        done = _done(caller, one, made)
    except ScimError as error:
        return {
            **told,
            "status": str(error.status),
            "response": body(error.status, error.detail, error.scim_type),
        }, True
    if done.location:
        told["location"] = done.location
    if done.version:
        told["version"] = done.version
    return {**told, "status": str(done.status)}, False


def _done(caller: Caller, one: dict[str, Any], made: dict[str, str]) -> Done:
    method = str(one.get("method", "")).upper()
    if method not in METHODS:
        raise ScimError(400, "method is POST, PUT, PATCH or DELETE.", "invalidSyntax")
    kind, identifier = _place(_named(one.get("path"), made), method)
    data = _resolved(one.get("data"), made, 0)
    if method == "DELETE":
        return operations.remove(caller, kind, identifier, _version(one))
    if not isinstance(data, dict):
        raise ScimError(400, "data is missing.", "invalidSyntax")
    if method != "POST":
        return operations.replace_or_patch(
            caller, kind, identifier, data, _NOTHING, if_match=_version(one), is_patch=method == "PATCH"
        )
    name = one.get("bulkId")
    # > bulkId […] REQUIRED when "method" is "POST" (RFC 7644 §3.7)
    if not isinstance(name, str) or not name or name in made:
        raise ScimError(400, "A POST needs a bulkId of its own.", "invalidSyntax")
    done = operations.create(caller, kind, data, _NOTHING)
    made[name] = done.location.removeprefix(conf.endpoint(f"scim/v2/{kind.plural}/"))
    return done


def _version(one: Mapping[str, Any]) -> str | None:
    version = one.get("version")
    return version if isinstance(version, str) else None


def _place(path: object, method: str) -> tuple[Kind, str]:
    parts = path.strip("/").split("/") if isinstance(path, str) else []
    kind = next((kind for kind in KINDS if parts and kind.plural == parts[0]), None)
    if kind is None or len(parts) != (1 if method == "POST" else 2):
        raise ScimError(400, "path is /Users, /Groups, or one of their resources.", "invalidPath")
    return kind, parts[1] if len(parts) == 2 else ""


def _named(value: object, made: Mapping[str, str]) -> object:
    """`value`, with the id of what `bulkId:name` stands for. Raises `ScimError`."""
    if not isinstance(value, str) or "bulkId:" not in value:
        return value
    before, _, name = value.partition("bulkId:")
    if name not in made or before.strip("/") not in {"", "Users", "Groups"}:
        raise ScimError(409, "No operation before this one has made this bulkId.", "invalidValue")
    return before + made[name]


def _resolved(value: Any, made: Mapping[str, str], depth: int) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(part, made, depth + 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, made, depth + 1) for part in value]
    return _named(value, made) if isinstance(value, str) and value.startswith("bulkId:") else value
