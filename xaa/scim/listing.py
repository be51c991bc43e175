"""Answers to queries: filter, order, page and choice of attributes (RFC 7644 §3.4.2, §3.9), within bounds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xaa.scim import filter_text, filters, paths
from xaa.scim.discovery import MAXIMUM_RESULTS
from xaa.scim.paths import Name
from xaa.scim.problems import ScimError, invalid
from xaa.scim.schemas import KIND_OF_USER, Kind

RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
USUAL_RESULTS = 100
# What a filter that no index answers may look at, and an order may sort.
MAXIMUM_LOOKED_AT = 20_000


@dataclass(frozen=True, slots=True)
class Choice:
    """`attributes` and `excludedAttributes`: what of a resource is returned."""

    only: tuple[Name, ...] | None
    without: tuple[Name, ...]

    def wants(self, attribute: str) -> bool:
        """Whether an attribute that costs something is to be shown at all."""
        name = attribute.lower()
        if self.only is not None:
            return any(one.name.lower() == name for one in self.only)
        return not any(one.name.lower() == name and not one.sub for one in self.without)


def choice(given: Mapping[str, Any], kind: Kind) -> Choice:
    """Raises `ScimError`."""
    only, without = (_names(given.get(name), kind) for name in ("attributes", "excludedAttributes"))
    if only is not None and without is not None:
        raise invalid("attributes and excludedAttributes exclude each other.")
    return Choice(only, without or ())


def _names(given: Any, kind: Kind) -> tuple[Name, ...] | None:
    if given in (None, "", []):
        return None
    texts = given if isinstance(given, list) else str(given).split(",")
    if len(texts) > 100 or not all(isinstance(text, str) for text in texts):
        raise invalid("attributes is a list of names.")
    # `emails[type eq "work"]` is no name (RFC 7644 §3.10), but Microsoft's clients ask for it; all of it is returned.
    names = (text.partition("[")[0].strip() for text in texts)
    return tuple(paths.read(name, kind) for name in names if name)


def chosen(resource: dict[str, Any], what: Choice, kind: Kind) -> dict[str, Any]:
    """> attributes: […] minimum set of Resource attributes (RFC 7644 §3.9): those that are returned always stay."""
    always = {"schemas", "id"} | {one.name for one in kind.attributes if one.returned == "always"}
    if what.only is not None:
        found = {name: value for name, value in resource.items() if name in always}
        for name in what.only:
            _copy(resource, found, name)
        return {name: found[name] for name in resource if name in found}
    for name in what.without:
        _drop(resource, name, always)
    return resource


def _copy(resource: dict[str, Any], found: dict[str, Any], name: Name) -> None:
    source, target = resource, found
    if name.urn:
        if name.urn not in resource:
            return
        if not name.name:
            found[name.urn] = resource[name.urn]
            return
        source, target = resource[name.urn], found.setdefault(name.urn, {})
    key = next((key for key in source if key.lower() == name.name.lower()), None)
    if key is None:
        return
    value = source[key]
    if not name.sub:
        target[key] = value
    elif isinstance(value, dict):
        target.setdefault(key, {}).update(_part(value, name.sub))
    elif isinstance(value, list):
        there = target.setdefault(key, [{} for _ in value])
        for one, each in zip(there, value, strict=True):
            one.update(_part(each, name.sub))


def _part(value: Mapping[str, Any], sub: str) -> dict[str, Any]:
    return {key: part for key, part in value.items() if key.lower() == sub.lower()}


def _drop(resource: dict[str, Any], name: Name, always: set[str]) -> None:
    place = resource.get(name.urn, {}) if name.urn else resource
    if name.urn and not name.name:
        resource.pop(name.urn, None)
        return
    key = next((key for key in place if key.lower() == name.name.lower()), None)
    if key is None or (key in always and not name.urn):
        return
    if not name.sub:
        del place[key]
        return
    for one in place[key] if isinstance(place[key], list) else [place[key]]:
        for part in [part for part in one if part.lower() == name.sub.lower()]:
            del one[part]


@dataclass(frozen=True, slots=True)
class Query:
    """A read query. `start` counts from 1."""

    filter: filters.Filter | None
    start: int
    count: int
    order: Name | None
    descends: bool
    choice: Choice


def query(given: Mapping[str, Any], kind: Kind) -> Query:
    """Raises `ScimError`."""
    text = given.get("filter")
    if text is not None and not isinstance(text, str):
        raise ScimError(400, "filter is a text.", "invalidFilter")
    order = given.get("sortBy")
    descends = str(given.get("sortOrder") or "ascending").lower()
    if descends not in {"ascending", "descending"} or not isinstance(order, str | None):
        raise invalid("sortBy is a name, and sortOrder ascending or descending.")
    return Query(
        filter_text.read(text, kind) if text and text.strip() else None,
        # > A value less than 1 SHALL be interpreted as 1. […] A negative value SHALL be interpreted as "0". (§3.4.2.4)
        max(1, _number(given, "startIndex", 1)),
        min(MAXIMUM_RESULTS, max(0, _number(given, "count", USUAL_RESULTS))),
        paths.read(order, kind) if order else None,
        descends == "descending",
        choice(given, kind),
    )


def _number(given: Mapping[str, Any], name: str, usual: int) -> int:
    value = given.get(name)
    if value is None or value == "":
        return usual
    text = str(value)
    if isinstance(value, bool) or not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
        raise invalid(f"{name} is a number.")
    # Beyond any list; and no text of digits is so long that reading it takes time.
    return int(text) if len(text) <= 10 else (-1 if text.startswith("-") else 2_000_000_000)


def answer(asked: Query, rows: Any, kind: Kind, shown: Callable[[Any, Choice], dict[str, Any]]) -> dict[str, Any]:
    """The ListResponse. `shown` makes the resource of a row with what the choice needs. Raises `ScimError`."""
    if asked.filter is None and asked.order is None:
        total = rows.count()
        page: Iterable[Any] = rows[asked.start - 1 : asked.start - 1 + asked.count] if asked.count else ()
        found = [shown(row, asked.choice) for row in page]
    else:
        found, total = _looked_through(asked, rows, kind, shown)
    return response([chosen(one, asked.choice, kind) for one in found], total, asked.start)


def response(resources: Sequence[dict[str, Any]], total: int, start: int = 1) -> dict[str, Any]:
    found = {"schemas": [RESPONSE], "totalResults": total, "itemsPerPage": len(resources), "startIndex": start}
    return found | {"Resources": list(resources)}


def _looked_through(
    asked: Query, rows: Any, kind: Kind, shown: Callable[[Any, Choice], dict[str, Any]]
) -> tuple[list[dict[str, Any]], int]:
    if asked.filter is not None:
        rows = _narrowed(rows, filters.must_equal(asked.filter), kind)
    if rows[MAXIMUM_LOOKED_AT : MAXIMUM_LOOKED_AT + 1].exists():
        # > tooMany: The specified filter yields many more results than the server is willing to calculate (§3.12)
        raise ScimError(
            400, "Filter by userName, displayName, externalId or id: the directory is too large.", "tooMany"
        )
    everything = Choice(None, ())
    found = []
    for row in rows.iterator(chunk_size=500):
        resource = shown(row, everything)
        if asked.filter is None or filters.matches(asked.filter, resource):
            found.append(resource)
    if asked.order is not None:
        order = asked.order
        found.sort(key=lambda one: _sorting(one, order), reverse=asked.descends)
    page = found[asked.start - 1 : asked.start - 1 + asked.count]
    return page, len(found)


def _narrowed(rows: Any, equal: Mapping[str, str], kind: Kind) -> Any:
    name = "username" if kind is KIND_OF_USER else "displayname"
    column = "user_name_key" if kind is KIND_OF_USER else "display_key"
    if name in equal:
        rows = rows.filter(**{column: equal[name].casefold()[:765]})
    if "externalid" in equal:
        rows = rows.filter(external_id=equal["externalid"])
    if "id" in equal:
        try:
            rows = rows.filter(pk=UUID(equal["id"]))
        except ValueError:
            rows = rows.none()
    return rows


def _sorting(resource: dict[str, Any], order: Name) -> tuple[bool, str]:
    """> if it's a complex attribute, the sub-attribute; without a value it comes last (RFC 7644 §3.4.2.3)."""
    place = resource.get(order.urn, {}) if order.urn else resource
    value = paths.get(place, order.name)
    if isinstance(value, list):
        value = next(
            (one for one in value if isinstance(one, dict) and one.get("primary")), value[0] if value else None
        )
    if isinstance(value, dict):
        value = paths.get(value, order.sub or "value")
    return value is None, str(value).casefold() if value is not None else ""
