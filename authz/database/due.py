"""The rule of authz/protocol/moments.py, for columns."""

from datetime import datetime, timedelta

from django.db.models import Q

from authz.protocol.moments import APART


def due(column: str, now: float, longest: float) -> Q:
    """Rows whose column, seconds since the epoch, has come."""
    return Q(**{f"{column}__lte": now}) | Q(**{f"{column}__gt": now + longest + APART})


def due_at(column: str, now: datetime, longest: timedelta) -> Q:
    """Rows whose column, a datetime, has come."""
    return Q(**{f"{column}__lte": now}) | Q(**{f"{column}__gt": now + longest + timedelta(seconds=APART)})
