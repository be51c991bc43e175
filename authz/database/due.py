"""The rule of authz/protocol/moments.py, for columns."""

from datetime import datetime, timedelta

from django.db.models import Q

from authz.protocol.moments import APART


def due(column: str, now: float, longest: float) -> Q:
    """Rows that are due by a column of seconds since the epoch. `longest` is the longest wait, in seconds."""
    return Q(**{f"{column}__lte": now}) | Q(**{f"{column}__gt": now + longest + APART})


def due_at(column: str, now: datetime, longest: timedelta) -> Q:
    """Rows that are due by a column of datetimes. `longest` is the longest wait."""
    return Q(**{f"{column}__lte": now}) | Q(**{f"{column}__gt": now + longest + timedelta(seconds=APART)})
