"""Reading an authorization, with its person, in one statement.

Refreshing and introspecting do this for every token, and the ORM's query building would cost several times what all the
rest of the request does (`make bench`). What comes out is the model itself, so callers see no difference.
"""

import json
from collections.abc import Hashable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar, cast
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model
from django.db.models.base import ModelState

from authz.database import configuration_cache, raw_sql
from authz.models import Authorization, User

M = TypeVar("M", bound=Model)
Row = tuple[Any, ...]
# Rows whose values are remembered: about 3 KiB each.
ROWS_MAX = 1_000
# Of a person: the groups that were read with the authorization.
_AHEAD = "_groups_ahead"
_read_json = json.JSONDecoder().decode
# In the models' order, as from_db() wants them.
_FIELDS = [field.attname for field in Authorization._meta.concrete_fields]
_USER_FIELDS = ["id", "username", "first_name", "last_name", "email", "is_active", "subject"]
_FIND = (
    f"SELECT {', '.join(f'a.{name}' for name in _FIELDS)}, {', '.join(f'u.{name}' for name in _USER_FIELDS)}"  # noqa: S608  constants
    " FROM authz_authorization a LEFT JOIN authz_user u ON u.id = a.user_id WHERE a.id = %s"
)
_WITH_GROUPS = _FIND.replace(
    " FROM authz_authorization a",
    ", ARRAY(SELECT g.name FROM auth_group g JOIN authz_user_groups m ON m.group_id = g.id"
    " WHERE m.user_id = a.user_id ORDER BY g.name) FROM authz_authorization a",
)
_GROUPS = (
    "SELECT g.name FROM auth_group g JOIN authz_user_groups m ON m.group_id = g.id WHERE m.user_id = %s ORDER BY g.name"
)
_ROTATE = (
    "UPDATE authz_authorization SET generation = %s, rotated = %s, expires = %s"
    " WHERE id = %s AND generation <= %s AND revoked IS NULL"
)


def find(pk: UUID) -> Authorization | None:
    """The authorization, ended or not, with its `user`. Read-only but for what `rotation` does."""
    row = raw_sql.one(_FIND, (raw_sql.uuid(pk),))
    return None if row is None else _made_of(row)


def find_with_groups(pk: UUID) -> Authorization | None:
    """The same. On PostgreSQL the groups of the person come along, for the next `groups_of`.

    A client's authorization for itself is remembered until the generation changes, since ending it changes the
    generation (authz/models/triggers.py). Shared by all requests then.
    """
    return configuration_cache.cached_where(_is_machines, _key(pk), lambda: _read_with_groups(pk))


def _key(pk: UUID) -> Hashable:
    return "authorization", pk


def _is_machines(found: Authorization | None) -> bool:
    return found is not None and found.user_id is None and found.parent_id is None


def _read_with_groups(pk: UUID) -> Authorization | None:
    if settings.IS_SQLITE:
        return find(pk)
    row = raw_sql.one(*_reading(pk))
    if row is None:
        return None
    authorization = _made_of(row[:-1])
    if authorization.user is not None:
        vars(authorization.user)[_AHEAD] = tuple(row[-1])
    return authorization


def reading(pk: UUID) -> tuple[raw_sql.Statement, ...]:
    """What `find_with_groups` reads, to be read ahead: nothing of what is remembered."""
    return () if configuration_cache.knows(_key(pk)) else (_reading(pk),)


def _reading(pk: UUID) -> raw_sql.Statement:
    return _WITH_GROUPS, (raw_sql.uuid(pk),)


def _made_of(row: Row) -> Authorization:
    authorization_values, person_values = _values(row)
    authorization = _instance(Authorization, authorization_values)
    # Without an entry Django works out each time that there is no row to read.
    person = None if person_values is None else _instance(User, person_values)
    authorization._state.fields_cache["user"] = person
    return authorization


@lru_cache(ROWS_MAX)
def _values(row: Row) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    """The values of an authorization and of its person, by the row's. A token is presented with each call of a tool,
    and mostly nothing has changed in between; the row says it. Shared: read-only.
    """
    values = dict(zip(_FIELDS, row, strict=False))
    values["id"] = _uuid(values["id"])
    values["parent_id"] = None if values["parent_id"] is None else _uuid(values["parent_id"])
    for name in ("scopes", "identity_scopes", "amr", "lineage"):
        values[name] = _read_json(values[name])
    for name in ("created", "expires", "rotated", "revoked"):
        values[name] = raw_sql.utc(values[name])
    if values["user_id"] is None:
        return values, None
    person = dict(zip(_USER_FIELDS, row[len(_FIELDS) :], strict=False))
    return values, person | {"subject": _uuid(person["subject"]), "is_active": bool(person["is_active"])}


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _instance(model: type[M], values: Mapping[str, Any]) -> M:
    """As `Model.from_db` makes it. `__init__` sends signals and sets each field by a call: five times the work. A field
    that is not among the values is read when it is asked for.
    """
    made = model.__new__(model)
    state = ModelState()
    state.adding, state.db = False, DEFAULT_DB_ALIAS
    vars(made).update(values, _state=state)
    return made


def groups_of(user: User) -> tuple[str, ...]:
    """The names of a person's groups, as they are now: membership is never cached."""
    if (found := vars(user).pop(_AHEAD, None)) is not None:
        return cast(tuple[str, ...], found)
    return tuple(name for (name,) in raw_sql.every(_GROUPS, (user.pk,)))


def rotation(pk: UUID, *, generation: int, now: datetime, expires: datetime) -> raw_sql.Statement:
    """Compare and swap the generation. No row: another request has rotated, or revoked, in between (invariant 3).

    A row that is older than `generation` has lost rotations, and is brought up to it
    (docs/decisions/0046-a-rotation-that-was-lost.md).
    """
    times = (raw_sql.timestamp(now), raw_sql.timestamp(expires))
    return _ROTATE, (generation + 1, *times, raw_sql.uuid(pk), generation)
