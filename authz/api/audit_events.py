"""`/audit_events`: reading the audit, newest first, at a cost that does not grow with it.

The audit has few indexes (authz/models/audit_event.py). A filter without one examines a bounded
number of rows a request: such a page may be short or empty and still have a `next`, which continues there.
"""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.moments import moment_of
from authz.api.framework.paging import limit, read_key, written
from authz.api.framework.shapes import AUDIT_EVENT, MOMENT, PAGED, Parameter, paged
from authz.api.framework.view import ApiView
from authz.audit import queries
from authz.models import AuditEvent
from authz.models.audit_event import FREQUENT, REFUSED

UNINDEXED = ("resource", "address", "request_id")
WALKED = 20_000


class AuditEvents(ApiView):
    """The audit, filtered. Read-only."""

    requires = {"GET": "authz.view_auditevent"}
    query = {
        "GET": {
            "client_id": "Of this agent.",
            "subject": "Of this person, by subject.",
            "authorization": "Under this authorization.",
            "reason": "Refused for this reason.",
            **dict.fromkeys(UNINDEXED, "Exactly this; a page may be short and still have a `next`."),
            "event": "Of this name.",
            "since": Parameter("From this moment on.", MOMENT),
            "until": Parameter("Before this moment.", MOMENT),
            **PAGED,
        }
    }
    answers = {"GET": paged(AUDIT_EVENT)}

    def get(self, request: Request) -> Response:
        return Response(search(self.given))


def search(given: dict[str, str]) -> dict[str, Any]:
    """One page of events, newest first, with the cursor of the next one. Raises `Problem`."""
    size = limit(given)
    rows = _indexed(given)
    if key := read_key(given):
        rows = rows.filter(id__lt=key)
    others = {name: given[name] for name in UNINDEXED if name in given}
    if given.get("event") in FREQUENT and given["event"] != REFUSED:
        others["event"] = given["event"]
    walked = rows.order_by("-id")[:WALKED]
    found = list(AuditEvent.objects.filter(id__in=walked.values("id"), **others).order_by("-id")[: size + 1])
    last = found[size - 1].pk if len(found) > size else _end(walked)
    return {"items": [event_as_item(event) for event in found[:size]], "next": written([str(last)]) if last else None}


def _end(walked: QuerySet[AuditEvent]) -> int | None:
    """The last examined row, if there may be more after it."""
    ids = list(walked.values_list("id", flat=True)[WALKED - 1 : WALKED])
    return ids[0] if ids else None


def _indexed(given: dict[str, str]) -> QuerySet[AuditEvent]:
    rows = AuditEvent.objects.all()
    for column in queries.INDEXED.intersection(given):
        rows = queries.about(column, given[column], rows)
    if "event" in given and (given["event"] not in FREQUENT or given["event"] == REFUSED):
        rows = queries.of_event(given["event"], rows)
    if "since" in given:
        rows = queries.since(moment_of("since", given["since"]), rows)
    if "until" in given:
        moment = moment_of("until", given["until"])
        rows = rows.filter(id__lte=queries.first_id(moment + 2 * queries.DISORDER) or 2**62, time__lt=moment)
    return rows


def event_as_item(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "time": event.time.isoformat(),
        "event": event.event,
        "reason": event.reason,
        "client_id": event.client_id,
        "subject": event.subject,
        "resource": event.resource,
        "authorization": event.authorization,
        "address": event.address,
        "request_id": event.request_id,
        "detail": event.detail,
    }


class AuditEventView(ApiView):
    requires = {"GET": "authz.view_auditevent"}
    answers = {"GET": AUDIT_EVENT}

    def get(self, request: Request, pk: int) -> Response:
        event = AuditEvent.objects.filter(pk=pk).first()
        if event is None:
            raise Http404
        return Response(event_as_item(event))
