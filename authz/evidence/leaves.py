"""An event as the tree sees it: one canonical line of JSON, the same on both databases, in an export and in an archive.

Every column of the row is in it but those that are empty (`""`, null, `{}`), so that a column which is added later,
empty for the rows that are there, leaves their lines as they were. Keys are sorted, there is no white space, everything
beyond ASCII is escaped, `time` is RFC 3339 in UTC with microseconds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import DateTimeField, Field, JSONField

from authz.models import AuditEvent
from authz.protocol import compact_json

Leaf = tuple[int, bytes]
SMALLEST = -(2**63)
LARGEST = 2**63 - 1
# What cannot be read as an event any more (no line of ours is empty).
UNREADABLE = b""

_json = compact_json.writer(sort_keys=True, default=repr)


def encode(event: Mapping[str, Any]) -> bytes:
    """The line of an event, given by its columns."""
    return _json(event).encode("ascii")


def decode(leaf: bytes) -> dict[str, Any]:
    """The event of a line. Raises ValueError."""
    event = json.loads(leaf)
    if not isinstance(event, dict):
        raise ValueError("is no event")
    return event


def read(*, after: int = SMALLEST, up_to: int = LARGEST, limit: int | None = None) -> list[Leaf]:
    """(id, line) of the events with `after` < id ≤ `up_to`, in the order of their ids."""
    bounded = f" LIMIT {int(limit)}" if limit is not None else ""
    names, sql = _select()
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"{sql} WHERE id > %s AND id <= %s ORDER BY id{bounded}", [after, up_to])
            return [(row[0], _line(names, row)) for row in cursor]
    except DatabaseError:
        # SQLite gives out text that is no UTF-8 as an error. One spoilt row must not hide the others.
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM authz_auditevent WHERE id > %s AND id <= %s ORDER BY id{bounded}",  # noqa: S608
                [after, up_to],
            )
            ids = [row[0] for row in cursor.fetchall()]
        return list(_one_by_one(ids))


def _one_by_one(ids: Sequence[int]) -> Iterator[Leaf]:
    names, sql = _select()
    for event_id in ids:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"{sql} WHERE id = %s", [event_id])
                row = cursor.fetchone()
        except DatabaseError:
            yield event_id, UNREADABLE
        else:
            yield event_id, _line(names, row) if row else UNREADABLE


def _line(names: Sequence[str], row: Sequence[Any]) -> bytes:
    event = {name: value for name, value in zip(names, row, strict=True) if value not in ("", None)}
    for name in _json_columns():
        if name in event:
            value = _parsed(event[name])
            if value in ({}, None):
                del event[name]
            else:
                event[name] = value
    time = event.get("time")
    if type(time) is str and time[10:11] == " ":  # SQLite's form, with the fraction left out where it is zero
        event["time"] = f"{time[:10]}T{time[11:]}{'' if len(time) > 19 else '.000000'}Z"
    return encode(event)


def _parsed(text: Any) -> Any:
    try:
        return _decoder.decode(text)
    except (ValueError, TypeError, RecursionError):
        return text


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A second member of one name would be another value for another reader, and the same hash for us."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


_decoder = json.JSONDecoder(object_pairs_hook=_without_twins)


@cache
def _json_columns() -> tuple[str, ...]:
    return tuple(field.column for field in AuditEvent._meta.concrete_fields if isinstance(field, JSONField))


@cache
def _select() -> tuple[tuple[str, ...], str]:
    fields = AuditEvent._meta.concrete_fields  # the id is the first
    columns = ", ".join(_expression(field) for field in fields)
    return tuple(field.column for field in fields), f"SELECT {columns} FROM authz_auditevent"  # noqa: S608  our columns


def _expression(field: "Field[Any, Any]") -> str:
    name = connection.ops.quote_name(field.column)
    if isinstance(field, DateTimeField):
        if connection.vendor == "postgresql":
            return f"to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        return f"CAST({name} AS TEXT)"  # as it is stored: no converter in between
    if isinstance(field, JSONField):
        return f"{name}::text" if connection.vendor == "postgresql" else f"CAST({name} AS TEXT)"
    return name
