"""One operation on one resource, by the endpoint and within Bulk: read, checked, written in a transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError

from authz.database.transactions import long_statements, unit_of_work
from xaa.scim import groups, listing, patch, people, values, versions
from xaa.scim.caller import Caller
from xaa.scim.problems import ScimError, not_found, taken
from xaa.scim.schemas import KIND_OF_GROUP, KIND_OF_USER, Kind

T = TypeVar("T")
OF: Mapping[str, Any] = {KIND_OF_USER.name: people, KIND_OF_GROUP.name: groups}
# Of two requests that make one person, or one and the same sign-in, the slower one looks again.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Done:
    """A status, and the resource as it is now (None for 204); `location` and `version` of it."""

    status: int
    resource: dict[str, Any] | None
    location: str = ""
    version: str = ""


def key(text: str) -> UUID:
    """Raises `ScimError` (404)."""
    try:
        found = UUID(text)
    except ValueError:
        raise not_found() from None
    if str(found) != text.lower():
        raise not_found()
    return found


def shown(kind: Kind, row: Any, what: listing.Choice) -> dict[str, Any]:
    if kind is KIND_OF_USER:
        return people.shown(row, with_groups=what.wants("groups"))
    return groups.shown(row, with_members=what.wants("members"))


def _done(status: int, kind: Kind, row: Any, what: listing.Choice) -> Done:
    resource = listing.chosen(shown(kind, row, what), what, kind)
    return Done(status, resource, versions.location(row, kind), versions.tag(row))


def searched(caller: Caller, kind: Kind, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Raises `ScimError`."""
    rows = OF[kind.name].rows(caller)
    if kind is KIND_OF_USER:
        rows = rows.prefetch_related("said_groups")
    return listing.answer(listing.query(asked, kind), rows, kind, lambda row, what: shown(kind, row, what))


def read(caller: Caller, kind: Kind, identifier: str, what: listing.Choice, none_match: str | None) -> Done:
    row = OF[kind.name].find(caller, key(identifier))
    if none_match is not None and versions.is_among(none_match, row):
        return Done(304, None, versions.location(row, kind), versions.tag(row))
    return _done(200, kind, row, what)


def create(caller: Caller, kind: Kind, body: Mapping[str, Any], what: listing.Choice) -> Done:
    attributes = values.resource(body, kind)
    return _done(201, kind, _written(lambda: OF[kind.name].create(caller, attributes)), what)


def replace_or_patch(
    caller: Caller,
    kind: Kind,
    identifier: str,
    body: Mapping[str, Any],
    what: listing.Choice,
    *,
    if_match: str | None,
    is_patch: bool,
) -> Done:
    of, pk = OF[kind.name], key(identifier)
    operations = patch.read(body, kind) if is_patch else ()
    whole = None if is_patch else values.resource(body, kind)

    def write() -> Any:
        row = of.find(caller, pk, locked=True)
        versions.check(if_match, row)
        attributes = patch.apply(of.stored(row), operations, kind) if whole is None else whole
        return of.change(caller, row, attributes)

    row = _written(write)
    if is_patch and kind is KIND_OF_GROUP and what.only is None:
        # > the server either MUST return a 200 OK response code and the entire resource […] or MAY return HTTP status
        # > code 204 (No Content) (RFC 7644 §3.5.2). Of a group of thousands Entra asks for the latter.
        return Done(204, None, versions.location(row, kind), versions.tag(row))
    return _done(200, kind, row, what)


def remove(caller: Caller, kind: Kind, identifier: str, if_match: str | None) -> Done:
    of, pk = OF[kind.name], key(identifier)

    def write() -> None:
        row = of.find(caller, pk, locked=True)
        versions.check(if_match, row)
        of.remove(caller, row)

    _written(write)
    return Done(204, None)


def _written(write: Callable[[], T]) -> T:
    """The result of `write` in a transaction, made again where another request was faster. Raises `ScimError`."""
    for attempt in range(ATTEMPTS):
        try:
            with long_statements(), unit_of_work():
                return write()
        except IntegrityError:
            if attempt == ATTEMPTS - 1:
                break
    raise taken("A value that has to be the directory's only one is in use already.")


def require_write(caller: Caller) -> None:
    if not caller.may_write:
        raise ScimError(403, "The access token does not have the scope scim:write.")
