"""The download of what the audit's list shows, as CSV or JSON Lines."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from authz import audit
from authz.audit.console_events import Event
from authz.console.model_admin import person
from authz.console.widgets import exports
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


def export(request: HttpRequest, shown: QuerySet[AuditEvent], form: str) -> HttpResponseBase:
    """At most `EXPORT_LIMIT` events, streamed, the newest first. The download itself is recorded."""
    queryset = shown.order_by("-id")[:EXPORT_LIMIT]
    rows: Iterator[tuple[object, ...]] = (
        (*event[:-1], json.dumps(event[-1], sort_keys=True)) for event in queryset.values_list(*COLUMNS).iterator(2000)
    )
    audit.record(
        Event.AUDIT_EXPORTED,
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
        response = StreamingHttpResponse(exports.csv_lines(COLUMNS, rows), content_type="text/csv; charset=utf-8")
    name = f"gatehouse-audit-{datetime.now(UTC):%Y%m%d-%H%M%S}.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
