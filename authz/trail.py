"""Reading the audit by its indexes, so that a million events answer as fast as a thousand.

Rows are only ever added, so time goes with the id: a moment is found by halving the ids, and a period is a range of the
primary key. Few indexes stand on the table, since each is paid for with every token (authz/models/audit_event.py); they
are partial, and a query must repeat an index's condition to use it.
"""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import QuerySet

from authz.models import AuditEvent
from authz.models.audit_event import FREQUENT

INDEXED = frozenset({"client_id", "subject", "authorization"})
# Two who write at once may take their ids in another order than their times.
DISORDER = timedelta(minutes=1)

_IS_BEFORE = "(SELECT time FROM authz_auditevent WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1) < %s"
_FIRST_ID = f"""
WITH RECURSIVE halving(low, high) AS (
  SELECT (SELECT MIN(id) FROM authz_auditevent), (SELECT MAX(id) FROM authz_auditevent) + 1
  UNION ALL
  SELECT CASE WHEN {_IS_BEFORE} THEN (low + high) / 2 + 1 ELSE low END,
         CASE WHEN {_IS_BEFORE} THEN high ELSE (low + high) / 2 END
  FROM halving WHERE low < high
)
SELECT MAX(low) FROM halving
"""  # noqa: S608  constants of this file


def first_id(moment: datetime) -> int:
    """An id that no event after `moment` lies below. One statement, a few dozen look-ups by primary key."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_ID, [connection.ops.adapt_datetimefield_value(moment - DISORDER)] * 2)
        row = cursor.fetchone()
    return int(row[0] or 0) if row else 0


def since(moment: datetime, events: QuerySet[AuditEvent] | None = None) -> QuerySet[AuditEvent]:
    """The events from `moment` on."""
    found = AuditEvent.objects.all() if events is None else events
    return found.filter(id__gte=first_id(moment), time__gte=moment)


def about(column: str, value: str, events: QuerySet[AuditEvent] | None = None) -> QuerySet[AuditEvent]:
    """The events of one client_id, subject or authorization."""
    if column not in INDEXED:
        raise ValueError(column)
    found = AuditEvent.objects.all() if events is None else events
    return found.exclude(**{column: ""}).filter(**{column: value})


def event_names() -> list[str]:
    """Every event that has happened, found by hopping along the index from one name to the next."""
    frequent = ", ".join("'" + name.replace("'", "''") + "'" for name in FREQUENT)
    # Names are constants of the model; nothing of a request's is in it.
    sql = f"""
      WITH RECURSIVE hop(name) AS (
        SELECT MIN(event) FROM authz_auditevent WHERE NOT (event IN ({frequent}))
        UNION ALL
        SELECT (SELECT MIN(event) FROM authz_auditevent WHERE event > hop.name AND NOT (event IN ({frequent})))
        FROM hop WHERE hop.name IS NOT NULL
      )
      SELECT name FROM hop WHERE name IS NOT NULL
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rare = [row[0] for row in cursor.fetchall()]
    return sorted([*FREQUENT, *rare])
