"""Keyset pagination: a page begins where the last one ended, so each page costs the same."""

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from rest_framework.response import Response

from authz.api.framework.problems import Problem
from authz.protocol.numbers import number
from authz.protocol.timestamps import parse_time

LIMIT, MAXIMUM_LIMIT = 50, 200


def page(
    given: dict[str, str], rows: QuerySet[Any], present: Callable[[Any], dict[str, Any]], *, by: str = "pk"
) -> Response:
    """One page of `rows`: ascending by primary key, or descending by a time (`by`). Raises `Problem` for a bad
    cursor.
    """
    size = limit(given)
    if by == "pk":
        rows = rows.order_by("pk")
        if last := _cursor(given):
            rows = rows.filter(pk__gt=_key(rows.model, last[0]))
    else:
        rows = rows.order_by(f"-{by}", "-pk")
        if last := _cursor(given):
            at, key = _parse_time(last[0]), _key(rows.model, last[-1])
            rows = rows.filter(Q(**{f"{by}__lt": at}) | Q(**{by: at}, pk__lt=key))
    found = list(rows[: size + 1])
    end = found[size - 1] if len(found) > size else None
    cursor = None
    if end is not None:
        cursor = written([str(end.pk)] if by == "pk" else [getattr(end, by).isoformat(), str(end.pk)])
    return Response({"items": [present(row) for row in found[:size]], "next": cursor})


def limit(given: dict[str, str]) -> int:
    """The page's size; 50 by default. Raises `Problem`."""
    found = number(given.get("limit", str(LIMIT)), least=1, most=MAXIMUM_LIMIT)
    if found is None:
        raise Problem(400, f"limit is a number from 1 to {MAXIMUM_LIMIT}.")
    return found


def written(parts: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_key(given: dict[str, str]) -> int | None:
    """The number in a cursor of one part; None on the first page. Raises `Problem`."""
    last = _cursor(given)
    try:
        return _number(last[0]) if last else None
    except ValueError:
        raise _not_ours() from None


def _cursor(given: dict[str, str]) -> list[str]:
    text = given.get("cursor", "")
    if not text:
        return []
    try:
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        parts = None
    if not isinstance(parts, list) or not 0 < len(parts) < 3 or not all(isinstance(part, str) for part in parts):
        raise _not_ours()
    return parts


def _key(model: type[Model], text: str) -> Any:
    try:
        return UUID(text) if model._meta.pk.get_internal_type() == "UUIDField" else _number(text)
    except ValueError:
        raise _not_ours() from None


def _number(text: str) -> int:
    found = number(text)
    if found is None:
        raise ValueError("no number")
    return found


def _parse_time(text: str) -> datetime:
    found = parse_time(text)
    if found is None:
        raise _not_ours()
    return found


def _not_ours() -> Problem:
    return Problem(400, "cursor is the `next` of the previous page, unchanged.")
