"""Counts the audit by hour and by day, so that a month's figures cost as little as an hour's (a scheduled task).

Events that are older than a minute are counted into `EventCount`, once: the mark and the numbers change in one
transaction. Younger events are counted when a page shows them.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from django.db import connection
from django.db.models import CharField, Count, Max, QuerySet, Sum, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Length, Substr

from authz import audit
from authz.audit import queries
from authz.database.transactions import unit_of_work
from authz.models import AuditEvent, EventCount, EventCountMark

EVERY = 20.0
# Events in a transaction: on SQLite it delays writers by about ten milliseconds.
BATCH = 2_000
# Well within a lease (authz/operations/periodic.py). A server that has never counted catches up over several runs.
ENOUGH = 25.0
# A page counts at most so many events itself. While there are more, its figures lag, and it says so.
LONGEST_TAIL = 100_000
# Of what has happened since, so many of the most frequent are looked up in the table.
FRESH = 300
KEPT_HOURS = timedelta(days=2)
KEPT_DAYS = timedelta(days=400)
HOUR, DAY = 13, 10

Dimension = EventCount.Dimension
# (dimension, slot, value) → how many
Tally = Mapping[tuple[str, str, str], int]


def run() -> None:
    until = time.monotonic() + ENOUGH
    EventCountMark.objects.bulk_create([EventCountMark(pk=1)], ignore_conflicts=True)
    # Below it lies nothing younger than a minute, so nothing that a slow transaction might yet add.
    end = queries.first_id(datetime.now(UTC))
    while time.monotonic() < until and count_next(end):
        pass
    forget(datetime.now(UTC))


def count_next(end: int) -> bool:
    """Count the next batch below id `end`; False when there is none left."""
    begin = mark()
    ids = AuditEvent.objects.filter(id__gt=begin, id__lt=end).order_by("id").values_list("id", flat=True)
    last = ids[BATCH - 1 : BATCH].first() or ids.last()
    if last is None:
        return False
    found = tally(AuditEvent.objects.filter(id__gt=begin, id__lte=last))
    oldest = slot(datetime.now(UTC) - KEPT_HOURS, HOUR)
    found = {key: n for key, n in found.items() if len(key[1]) == DAY or key[1] >= oldest}
    with unit_of_work():
        # The conditional statement decides which process counts them (invariant 3).
        if EventCountMark.objects.filter(pk=1, counted_to=begin).update(counted_to=last):
            _add(found)
    return True


def mark() -> int:
    return EventCountMark.objects.filter(pk=1).values_list("counted_to", flat=True).first() or 0


def tally(events: QuerySet[AuditEvent]) -> Tally:
    """Events by hour and by day, each in its dimensions."""
    # The text of a time begins with its day and hour on both databases.
    hour = Substr(Cast("time", TextField()), 1, HOUR, output_field=CharField())
    rows = (
        events.order_by()
        .annotate(hour=hour, grant=KT("detail__grant_type"), rules=KT("detail__rules"))
        .values_list("hour", "event", "grant", "client_id", "resource", "reason", "rules")
        .annotate(n=Count("id"))
    )
    found: Counter[tuple[str, str, str]] = Counter()
    for hour_text, event, grant, client_id, resource, reason, rules, n in rows:
        values = [(Dimension.REASON, reason), *((Dimension.RULE, name) for name in _names(rules))]
        if event == audit.Event.TOKEN_ISSUED:
            values += [
                (Dimension.GRANT, grant or "other"),
                (Dimension.AGENT, client_id),
                (Dimension.RESOURCE, resource),
            ]
        for dimension, value in values:
            if value:
                for name in (hour_text.replace("T", " "), hour_text[:DAY]):
                    found[dimension, name, _storable(value)] += n
    return found


@lru_cache(maxsize=1024)
def _names(rules: str | None) -> tuple[str, ...]:
    """The names in a decision's list of rules, which is JSON."""
    try:
        found = json.loads(rules or "[]")
    except ValueError:
        return ()
    return tuple(name for name in found if isinstance(name, str)) if isinstance(found, list) else ()


def _storable(value: str) -> str:
    # A key of an index has room for 2,700 bytes on PostgreSQL.
    return value if value.isascii() else value[:500]


def _add(found: Tally) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO authz_eventcount (dimension, slot, value, n) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (dimension, slot, value) DO UPDATE SET n = authz_eventcount.n + excluded.n",
            [(str(dimension), slot, value, n) for (dimension, slot, value), n in sorted(found.items())],
        )


def forget(now: datetime) -> None:
    """Remove counts that no page reads: hours after two days, days after 400. After a long stop some stay, unread."""
    hours = [now - KEPT_HOURS - timedelta(hours=n) for n in range(1, 49)]
    days = [now - KEPT_DAYS - timedelta(days=n) for n in range(1, 15)]
    over = [*(slot(moment, HOUR) for moment in hours), *(slot(moment, DAY) for moment in days)]
    EventCount.objects.filter(dimension__in=Dimension.values, slot__in=over).delete()


def slot(moment: datetime, length: int) -> str:
    """The hour (`HOUR`) or the day (`DAY`) of a time in UTC."""
    return f"{moment:%Y-%m-%d %H}"[:length]


class Figures:
    """The counts in the table for some slots, and those of events since it was last written."""

    def __init__(self, slots: Sequence[str]) -> None:
        self.slots = slots
        begin = mark()
        tail = AuditEvent.objects.filter(id__gt=begin)
        newest = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
        self.is_behind = newest - begin > LONGEST_TAIL
        if self.is_behind:
            tail = tail.filter(id__gt=newest - LONGEST_TAIL)
        wanted = frozenset(slots)
        self.tail = {key: n for key, n in tally(tail).items() if key[1] in wanted}

    def by_slot(self, dimension: str) -> Mapping[str, Mapping[str, int]]:
        """value → slot → how many."""
        rows = self._rows(dimension).values_list("value", "slot", "n")
        return _nested([*rows, *((value, slot, n) for (of, slot, value), n in self.tail.items() if of == dimension)])

    def ranking(self, dimension: str, length: int) -> list[tuple[str, int]]:
        """The most frequent values, most frequent first."""
        fresh: Counter[str] = Counter()
        for (of, _, value), n in self.tail.items():
            if of == dimension:
                fresh[value] += n
        totals = self._rows(dimension).values("value").annotate(total=Sum("n")).values_list("value", "total")
        top = dict(totals.order_by("-total", "value")[:length])
        # A value that only fresh events bring into the top is among the most frequent fresh ones.
        latest = [value for value, _ in fresh.most_common(FRESH)]
        top |= dict(totals.filter(value__in=[value for value in latest if value not in top]))
        found = {value: top.get(value, 0) + fresh[value] for value in {*top, *latest}}
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:length]

    def totals(self, dimension: str, values: Sequence[str]) -> Mapping[str, int]:
        """How many of each of these values, over all slots; those that there were none of are not in it."""
        rows = self._rows(dimension).filter(value__in=values).values("value").annotate(total=Sum("n"))
        found = Counter(dict(rows.values_list("value", "total")))
        for (of, _, value), n in self.tail.items():
            if of == dimension and value in values:
                found[value] += n
        return found

    def _rows(self, dimension: str) -> QuerySet[EventCount]:
        return EventCount.objects.filter(dimension=dimension, slot__in=self.slots).order_by()


def _nested(rows: Iterable[tuple[str, str, int]]) -> Mapping[str, Mapping[str, int]]:
    found: dict[str, Counter[str]] = {}
    for value, slot, n in rows:
        found.setdefault(value, Counter())[slot] += n
    return found


def last_days(dimension: str, values: Sequence[str]) -> Mapping[str, str]:
    """The last day (`2026-11-23`) on which each of these values was counted, among the days that are kept."""
    days = EventCount.objects.filter(dimension=dimension, value__in=values).annotate(length=Length("slot"))
    rows = days.filter(length=DAY).order_by().values("value").annotate(last=Max("slot"))
    return dict(rows.values_list("value", "last"))
