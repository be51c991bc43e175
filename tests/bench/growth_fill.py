"""`python -m tests.bench.growth_fill EVENTS`: the database that DATABASE_URL names gets agents, people, rules and
as many audit events, as on a server that has run for a month.

The agents come from `manage.py generate_load_data`; the events are about their authorizations, written by one statement
for each 100,000, because ten million through the ORM would take an hour. Of the events the oldest `SEALED` are sealed
and counted, and the rate of both is printed: all of them would take longer than the measurement.
"""

import sys
import time
from datetime import UTC, datetime, timedelta

import django

DAYS = 30
AT_A_TIME = 100_000
SEALED = 120_000
_COLUMNS = 'time, event, reason, client_id, subject, resource, "authorization", address, request_id, detail'
_SERIES = {
    "postgresql": "generate_series({first}::bigint, {last}) AS series(i)",
    "sqlite": "(WITH RECURSIVE s(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM s WHERE i < {last})"
    " SELECT i FROM s) AS series",
}
_TIME = {
    "postgresql": "to_timestamp({start} + {step} * i)",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', {start} + {step} * i, 'unixepoch') || '000'",
}
# Every twentieth is a refusal, as the command writes them.
_EVENTS = """
INSERT INTO authz_auditevent ({columns})
SELECT {time}, CASE WHEN i % 20 = 0 THEN 'token:access:refused' ELSE 'token:access:issued' END,
  CASE WHEN i % 20 = 0 THEN 'client_secret_wrong' ELSE '' END, client_id, subject, resource, id,
  '203.0.113.' || CAST(i % 250 AS text), '',
  {json}'{{"grant_type": "client_credentials", "scope": "read", "jti": "load-' || CAST(i AS text) || '"}}'{end}
FROM {series} JOIN load_authorization ON n = (i * 7919) % {of} ORDER BY i
"""


def main(events: int) -> None:
    django.setup()
    from django.core.management import call_command

    from authz.audit import counts
    from authz.evidence import sealer
    from authz.evidence.horizon import horizon
    from authz.models import AuditEvent, EventCountMark

    call_command("migrate", verbosity=0)
    call_command("keys", "ensure")
    call_command("generate_load_data", really=True, events=0)
    took = {"filling": _seconds(lambda: fill(events))}
    oldest = min(events, SEALED)

    def seal() -> None:
        highest, sealed = horizon() or 0, 0
        while sealed < oldest:
            sealed += sealer.seal(highest)

    def count() -> None:
        EventCountMark.objects.get_or_create(pk=1)
        newest = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
        while counts.mark() < min(oldest, newest) and counts.count_next(newest):
            pass
        EventCountMark.objects.update(counted_to=newest)

    took[f"sealing {oldest:,}"] = _seconds(seal)
    took[f"counting {oldest:,}"] = _seconds(count)
    took["analysing"] = _seconds(analyse)
    print(f"{events:,} events:", ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items()), flush=True)


def _seconds(work) -> float:  # type: ignore[no-untyped-def]
    began = time.monotonic()
    work()
    return time.monotonic() - began


def fill(count: int) -> None:
    from django.db import connection, transaction

    from authz.models import Authorization

    rows = [
        (number, row.client.client_id, str(row.user.subject), row.resource.identifier, str(row.pk))
        for number, row in enumerate(Authorization.objects.select_related("client", "user", "resource"))
        if row.user is not None and row.resource is not None
    ]
    start = (datetime.now(UTC) - timedelta(days=DAYS)).timestamp()
    step = DAYS * 86_400 / max(count, 1)
    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE load_authorization"
            " (n bigint PRIMARY KEY, client_id text, subject text, resource text, id text)"
        )
        cursor.executemany("INSERT INTO load_authorization VALUES (%s, %s, %s, %s, %s)", rows)
        for first in range(0, count, AT_A_TIME):
            statement = _EVENTS.format(
                columns=_COLUMNS,
                time=_TIME[connection.vendor].format(start=start, step=step).replace("%%", "%"),
                series=_SERIES[connection.vendor].format(first=first, last=min(first + AT_A_TIME, count) - 1),
                of=len(rows),
                json="CAST(" if is_postgresql else "",
                end=" AS jsonb)" if is_postgresql else "",
            )
            with transaction.atomic():
                cursor.execute(statement)


def analyse() -> None:
    """As autovacuum has done on a server that has run for a month."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "PRAGMA wal_checkpoint(TRUNCATE)")


if __name__ == "__main__":
    main(int(sys.argv[1]))
