"""Rows remembered and put back: what takes `apply` a quarter of a second to make is copied in a few milliseconds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, models, transaction

from authz.models import RuleChange
from authz.models.generation import Generation
from tests.support import loaded

# The triggers write them again with what is put back.
_WRITTEN_BY_TRIGGERS = (RuleChange, Generation)


# A model, its columns, and rows of it.
_OfModel = tuple[type[models.Model], tuple[str, ...], tuple[tuple[Any, ...], ...]]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of some models, each as its columns and values: new ones, and those that had other values before."""

    new: tuple[_OfModel, ...]
    changed: tuple[_OfModel, ...]

    def put_back(self) -> None:
        """Insert and update them, keys included. The triggers see it as any other write."""
        with transaction.atomic(), connection.cursor() as cursor:
            for model, columns, rows in self.changed:
                names = ", ".join(f"{connection.ops.quote_name(column)} = %s" for column in columns)
                keys = [connection.ops.quote_name(field.column) for field in model._meta.pk_fields]
                one = " AND ".join(f"{key} = %s" for key in keys)
                for row in rows:
                    values = [*row, *_key(model, columns, row)]
                    cursor.execute(f"UPDATE {_table(model)} SET {names} WHERE {one}", values)  # noqa: S608  our own tables
                    assert cursor.rowcount == 1, f"{model._meta.label} is not as it was when it was remembered"
            for model, columns, rows in self.new:
                names = ", ".join(connection.ops.quote_name(column) for column in columns)
                marks = ", ".join(["%s"] * len(columns))
                cursor.executemany(f"INSERT INTO {_table(model)} ({names}) VALUES ({marks})", rows)  # noqa: S608  our own tables
            for statement in connection.ops.sequence_reset_sql(no_style(), [model for model, _, _ in self.new]):
                cursor.execute(statement)


_made: dict[Callable[[], object], Rows] = {}


def make(by: Callable[[], object]) -> None:
    """What it adds to the database and changes there; done once a session, and from then on put back as it was. It
    finds the same rows each time, and removes none.
    """
    was_as_made = loaded.is_as_made()
    if by in _made:
        _made[by].put_back()
    else:
        _make(by)
    loaded.put_back(by, was_as_made=was_as_made)


def _make(by: Callable[[], object]) -> None:
    before = {model: _read(model) for model in _all()}
    by()
    new, changed = [], []
    for model, (columns, rows) in before.items():
        former, now = _by_key(model, columns, rows), _by_key(model, columns, _read(model)[1])
        assert former.keys() <= now.keys(), f"a row of {model._meta.label} was removed"
        new.append((model, columns, tuple(row for key, row in now.items() if key not in former)))
        changed.append((model, columns, tuple(row for key, row in now.items() if former.get(key, row) != row)))
    _made[by] = Rows(tuple(of for of in new if of[2]), tuple(of for of in changed if of[2]))


def _all() -> Iterator[type[models.Model]]:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy and model not in _WRITTEN_BY_TRIGGERS:
            yield model


def _read(model: type[models.Model]) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {_table(model)}")  # noqa: S608  our own tables
        return tuple(column[0] for column in cursor.description), tuple(cursor.fetchall())


def _by_key(
    model: type[models.Model], columns: tuple[str, ...], rows: tuple[tuple[Any, ...], ...]
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {_key(model, columns, row): row for row in rows}


def _key(model: type[models.Model], columns: tuple[str, ...], row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of its primary key, which may have several columns."""
    return tuple(row[columns.index(field.column)] for field in model._meta.pk_fields)


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)
