"""The download of what the audit's list shows, as CSV or JSON Lines."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from authz import audit
from authz.audit.console_events import ConsoleEvent
from authz.console.model_admin import person
from authz.console.widgets import exports, names
from authz.models import AuditEvent

EXPORT_LIMIT = 50_000
COLUMNS = (
    "id",
    "time",
    "event",
    "reason",
    "client_id",
    "subject",
    "resource",
    "authorization",
    "address",
    "request_id",
    "detail",
)

# Beside the identifiers, for people who read a table.
NAMES = ("client_name", "username", "resource_name")
BATCH = 2_000


def export(request: HttpRequest, shown: QuerySet[AuditEvent], form: str) -> HttpResponseBase:
    """At most `EXPORT_LIMIT` events, streamed, the newest first. The download itself is recorded."""
    queryset = shown.order_by("-id")[:EXPORT_LIMIT]
    rows = _rows(queryset)
    audit.record(
        ConsoleEvent.AUDIT_EXPORTED,
        subject=str(person(request).subject),
        detail={
            "by": request.user.get_username(),
            "form": form,
            "query": request.GET.urlencode()[:2000],
            "at_most": EXPORT_LIMIT,
        },
    )
    if form == "jsonl":
        response = StreamingHttpResponse(exports.json_lines(COLUMNS, rows), content_type="application/x-ndjson")
    else:
        lines = exports.csv_lines((*COLUMNS, *NAMES), _with_names(rows))
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    name = f"gatehouse-audit-{datetime.now(UTC):%Y%m%d-%H%M%S}.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


Row = tuple[Any, ...]


def _rows(events: QuerySet[AuditEvent]) -> Iterator[Row]:
    for event in events.values_list(*COLUMNS).iterator(BATCH):
        yield (*event[:-1], json.dumps(event[-1], sort_keys=True))


def _with_names(rows: Iterator[Row]) -> Iterator[Row]:
    client_id, subject, resource = (COLUMNS.index(name) for name in ("client_id", "subject", "resource"))
    while batch := list(islice(rows, BATCH)):
        agents = names.of_agents(row[client_id] for row in batch)
        people = names.of_people(row[subject] for row in batch)
        servers = names.of_servers(row[resource] for row in batch)
        for row in batch:
            yield (
                *row,
                agents.get(row[client_id], ""),
                people.get(row[subject], ""),
                servers.get(row[resource], ""),
            )
