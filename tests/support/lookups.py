"""Every look-up that Django would take for a model: each column, across relations, with each operator."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from django.db.models import Model

DEEP = 2


def columns(model: type[Model], deep: int = DEEP) -> Iterator[tuple[str, Any]]:
    """(path, field) of a model's own columns, and of those that relations lead to, forwards and backwards."""
    yield "pk", model._meta.pk
    for field in model._meta.get_fields(include_hidden=True):
        name = field.name if field.concrete else _query_name(field)
        if not name:
            continue
        if field.concrete:
            yield name, field
        if field.is_relation and field.related_model and deep > 0:
            for path, far in columns(field.related_model, deep - 1):
                yield f"{name}__{path}", far


def _query_name(field: Any) -> str:
    relation = getattr(field, "field", None)
    return relation.related_query_name().rstrip("+") if relation is not None and field.auto_created else ""


def operators(field: Any) -> list[str]:
    """All that are registered for a column, and the column alone; of a moment's parts (`year`) those of its own."""
    return ["", *sorted(field.get_lookups())]


def all_of(model: type[Model]) -> list[tuple[str, str]]:
    """(look-up, value): every operator on every own column; further away each column with one operator, in turn."""
    found, turn = [], cycle(range(1_000))
    for path, field in columns(model):
        known = operators(field)
        chosen = known if path.count("__") == 0 else [known[next(turn) % len(known)], "startswith"]
        found += [(f"{path}__{name}" if name else path, value_for(name)) for name in chosen]
    return list(dict.fromkeys(found))


def value_for(operator: str) -> str:
    return {"isnull": "1", "in": "1,2", "range": "1,2", "regex": "^.", "iregex": "^.", "year": "2026"}.get(
        operator, "1"
    )
