"""Reads the audit by its indexes, so that the cost does not depend on the number of events.

Rows are only added, so the time grows with the id: binary search over the ids finds a time, and a period is a range of
the primary key. The table has few indexes, because each token pays for them (authz/models/audit_event.py). They are
partial, and a query must repeat an index's condition to use it.
"""

import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import QuerySet

from authz.models import AuditEvent
from authz.models.audit_event import FREQUENT, REFUSED
from authz.protocol.timed_ids import made_at

IDS = frozenset({"client_id", "subject", "authorization"})
INDEXED = IDS | {"reason"}
OF_CALLS = frozenset({"calls", "tool", "label"})
UNINDEXED = frozenset({"resource", "request_id", "address", "detail__grant_type", "rule"}) | OF_CALLS
# By what no index finds, so many events are looked through at a time.
WINDOW = 100_000
_LITERALS = ", ".join(f"'{name}'" for name in FREQUENT)
# Two concurrent writers may take their ids in another order than their times.
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
    """An id below all events after `moment`. One statement with a few dozen look-ups by primary key."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_ID, [connection.ops.adapt_datetimefield_value(moment - DISORDER)] * 2)
        row = cursor.fetchone()
    return int(row[0] or 0) if row else 0


def since(moment: datetime, events: QuerySet[AuditEvent] | None = None) -> QuerySet[AuditEvent]:
    """The events from `moment` on."""
    found = AuditEvent.objects.all() if events is None else events
    return found.filter(id__gte=first_id(moment), time__gte=moment)


def before(moment: datetime, events: QuerySet[AuditEvent] | None = None) -> QuerySet[AuditEvent]:
    """The events up to `moment`, and without it."""
    found = AuditEvent.objects.all() if events is None else events
    return found.filter(id__lte=first_id(moment + 2 * DISORDER), time__lt=moment)


# Seconds around the second that an identifier says, in which its events are looked for.
NEAR = timedelta(seconds=10)


def near(moment: datetime, later: timedelta = timedelta()) -> QuerySet[AuditEvent]:
    """The events around a moment, and until `later` after it: as many as were written then, by their ids alone."""
    begin, end = first_id(moment - NEAR + DISORDER), first_id(moment + NEAR + later + DISORDER)
    found = AuditEvent.objects.filter(id__gte=begin)
    # The last id of all is one too many, as a moment in the future has it.
    return found.filter(id__lte=end)


# A request that waits for a person goes on under its id for so long at the most.
REQUEST_LASTS = timedelta(minutes=5)


def of_request(request_id: str) -> QuerySet[AuditEvent]:
    """The events of one request, the newest first, by the id that is in its answer, on its error page and in logs."""
    seconds = made_at(request_id, time.time())
    if seconds is not None:
        rows = near(datetime.fromtimestamp(seconds, UTC), REQUEST_LASTS)
        if rows.filter(request_id=request_id).exists():
            return rows.filter(request_id=request_id).order_by("-id")
    # The id came with the request (W3C traceparent), so it says nothing of its time.
    newest = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    rows, _ = window(newest, AuditEvent.objects.all())
    return rows.filter(request_id=request_id).order_by("-id")


def about(column: str, value: str, events: QuerySet[AuditEvent] | None = None) -> QuerySet[AuditEvent]:
    """The events of one client_id, subject, authorization or reason. Raises ValueError for another column."""
    if column not in INDEXED:
        raise ValueError(column)
    found = AuditEvent.objects.all() if events is None else events
    return found.exclude(**{column: ""}).filter(**{column: value})


def refused(events: QuerySet[AuditEvent] | None = None) -> QuerySet[AuditEvent]:
    """All refusals: events with a reason."""
    found = AuditEvent.objects.all() if events is None else events
    # As a literal, as below.
    return found.extra(where=["NOT (authz_auditevent.reason = '')"])


def of_event(name: str, events: QuerySet[AuditEvent] | None = None) -> QuerySet[AuditEvent]:
    """The events of one name. The index has only the rare ones, and the query has to repeat its condition."""
    found = AuditEvent.objects.all() if events is None else events
    found = found.filter(event=name)
    if name == REFUSED:
        return refused(found)  # it makes up most of the refusals
    # As a literal: SQLite does not find a partial index by what is bound later. The names are the model's constants.
    return found if name in FREQUENT else found.extra(where=[f"NOT (event IN ({_LITERALS}))"])  # noqa: S610


def is_slow(columns: Collection[str], event: str) -> bool:
    """Whether an index finds the events that fit values of these columns, or all events have to be looked through."""
    if INDEXED.intersection(columns):
        return False
    if OF_CALLS.intersection(columns):
        return True  # calls can be as many as tokens, whatever their events are called
    if event and event not in FREQUENT:
        return False
    if event == REFUSED and not UNINDEXED.intersection(columns):
        return False
    return bool(event or UNINDEXED.intersection(columns))


def window(latest: int, events: QuerySet[AuditEvent]) -> tuple[QuerySet[AuditEvent], AuditEvent | None]:
    """The events among the `WINDOW` of them up to id `latest`, and the one before those, if there is any."""
    before = AuditEvent.objects.filter(id__lte=latest - WINDOW).order_by("-id").first()
    found = events.filter(id__gt=latest - WINDOW, id__lte=latest)
    return found, before


def reasons() -> list[str]:
    """Every reason that something was refused for, found by hopping along its index."""
    sql = """
      WITH RECURSIVE hop(name) AS (
        SELECT MIN(reason) FROM authz_auditevent WHERE NOT (reason = '')
        UNION ALL
        SELECT (SELECT MIN(reason) FROM authz_auditevent WHERE reason > hop.name AND NOT (reason = ''))
        FROM hop WHERE hop.name IS NOT NULL
      )
      SELECT name FROM hop WHERE name IS NOT NULL
    """
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()]


def event_names() -> list[str]:
    """Every event that has happened, found by hopping along the index from one name to the next."""
    # Names are constants of the model; nothing of a request's is in it.
    sql = f"""
      WITH RECURSIVE hop(name) AS (
        SELECT MIN(event) FROM authz_auditevent WHERE NOT (event IN ({_LITERALS}))
        UNION ALL
        SELECT (SELECT MIN(event) FROM authz_auditevent WHERE event > hop.name AND NOT (event IN ({_LITERALS})))
        FROM hop WHERE hop.name IS NOT NULL
      )
      SELECT name FROM hop WHERE name IS NOT NULL
    """  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rare = [row[0] for row in cursor.fetchall()]
    return sorted([*FREQUENT, *rare])
