"""Reading a standing authorization, with its person, in one statement.

Refreshing and introspecting do this for every token, and the ORM's query building would cost several times what all the
rest of the request does (`make bench`). What comes out is the model itself, so nobody else notices.
"""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from authz.models import Authorization, User

_COLUMNS = (
    "id",
    "client_id",
    "user_id",
    "resource_id",
    "grant_type",
    "scopes",
    "identity_scopes",
    "created",
    "expires",
    "generation",
    "rotated",
    "revoked",
    "revoked_reason",
    "auth_time",
    "acr",
    "amr",
    "session_digest",
    "redirect_uri",
    "client_digest",
    "lineage",
)
_USER_COLUMNS = ("id", "username", "subject", "email", "first_name", "last_name", "is_active")
_FIND = (
    f"SELECT {', '.join(f'a.{name}' for name in _COLUMNS)}, {', '.join(f'u.{name}' for name in _USER_COLUMNS)}"  # noqa: S608  constants
    " FROM authz_authorization a LEFT JOIN authz_user u ON u.id = a.user_id WHERE a.id = %s"
)
_GROUPS = (
    "SELECT g.name FROM auth_group g JOIN authz_user_groups m ON m.group_id = g.id WHERE m.user_id = %s ORDER BY g.name"
)
_ROTATE = (
    "UPDATE authz_authorization SET generation = generation + 1, rotated = %s, expires = %s"
    " WHERE id = %s AND generation = %s AND revoked IS NULL"
)


def find(pk: UUID) -> Authorization | None:
    """The authorization, ended or not, with its `user`. Read-only but for what `rotate` does."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, (_stored(pk),))
        row = cursor.fetchone()
    if row is None:
        return None
    values: dict[str, Any] = dict(zip(_COLUMNS, row, strict=False))
    for name in ("scopes", "identity_scopes", "amr", "lineage"):
        values[name] = json.loads(values[name])
    for name in ("created", "expires", "rotated", "revoked"):
        values[name] = _moment(values[name])
    authorization = Authorization(**values | {"id": pk})
    authorization._state.adding = False
    if authorization.user_id is not None:
        person = dict(zip(_USER_COLUMNS, row[len(_COLUMNS) :], strict=True))
        subject = person["subject"]
        person["subject"] = subject if isinstance(subject, UUID) else UUID(subject)
        authorization.user = User(**person)
        authorization.user._state.adding = False
    return authorization


def groups_of(user: User) -> tuple[str, ...]:
    """The names of a person's groups, as they are now: membership is never cached."""
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS, (user.pk,))
        return tuple(name for (name,) in cursor.fetchall())


def rotate(pk: UUID, *, generation: int, now: datetime, expires: datetime) -> bool:
    """Compare and swap the generation. False: another request has rotated, or revoked, in between (law 3)."""
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(_ROTATE, (adapt(now), adapt(expires), _stored(pk), generation))
        return bool(cursor.rowcount == 1)


def _stored(pk: UUID) -> UUID | str:
    return pk if connection.features.has_native_uuid_field else pk.hex


def _moment(value: datetime | None) -> datetime | None:
    # SQLite's driver gives them without a zone; they are all UTC.
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
