"""Moving stored secrets to the current GATEHOUSE_SECRET_KEY, beside a server that goes on (`manage.py keys reencrypt`).

Every row is moved by one statement of its own, and only if it still is what was read. So it may be stopped at any
moment and run again, by two at once, too: what is done is passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.utils.module_loading import import_string

from authz import audit
from authz.database.transactions import unit_of_work
from authz.keys.secrets_at_rest import AtRest, WrongKeyError

BATCH = 500


@dataclass(slots=True)
class Done:
    """How many rows were moved, by kind; and the rows that none of our keys opens."""

    moved: dict[str, int] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def run() -> Done:
    done = Done()
    for kept in everything():
        name = str(kept.model._meta.verbose_name_plural)
        done.moved[name] = sum(_move(kept, row, done) for row in _rows(kept))
    if any(done.moved.values()):
        with unit_of_work():
            audit.record(audit.Event.SECRETS_REENCRYPTED, detail={"moved": done.moved})
    return done


def unreadable() -> list[str]:
    """The rows that none of our keys opens; changes nothing."""
    found: list[str] = []
    for kept in everything():
        for row in _rows(kept):
            try:
                kept.moved(row)
            except WrongKeyError:
                found.append(_called(kept, row))
    return found


def left() -> int:
    """How many rows are still under another key than the current one, and can be moved; changes nothing."""
    count = 0
    for kept in everything():
        for row in _rows(kept):
            try:
                count += kept.moved(row) is not None
            except WrongKeyError:
                continue
    return count


def everything() -> list[AtRest]:
    """The columns that hold ciphertexts: the core's, and those of other apps."""
    return [import_string(name) for app in apps.get_app_configs() for name in getattr(app, "SECRETS_AT_REST", ())]


def _rows(kept: AtRest) -> Iterator[Any]:
    """All rows, by key, a batch at a time."""
    rows: Any = kept.model._default_manager.order_by("pk").only("pk", kept.column)
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:BATCH])


def _move(kept: AtRest, row: Any, done: Done) -> int:
    try:
        value = kept.moved(row)
    except WrongKeyError:
        done.unreadable.append(_called(kept, row))
        return 0
    if value is None:
        return 0
    was = {kept.column: getattr(row, kept.column)}
    found: Any = kept.model._default_manager.filter(pk=row.pk, **was)
    return int(found.update(**{kept.column: value}))


def _called(kept: AtRest, row: Any) -> str:
    return f"{kept.model._meta.verbose_name} {row.pk}"
