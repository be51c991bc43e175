"""`/audit_events`: reading the audit, newest first, at a cost that does not grow with it (authz/audit/listing.py)."""

from typing import Any

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework.moments import moment_of
from authz.api.framework.paging import limit, read_key, written
from authz.api.framework.problems import invalid
from authz.api.framework.shapes import AUDIT_EVENT, MOMENT, PAGED, Parameter, paged
from authz.api.framework.view import ApiView
from authz.audit import listing
from authz.audit.listing import event_as_item
from authz.models import AuditEvent

WALKS = "a page may be short and still have a `next`."


class AuditEvents(ApiView):
    """The audit, filtered. Read-only."""

    requires = {"GET": "authz.view_auditevent"}
    query = {
        "GET": {
            "client_id": "Of this agent.",
            "subject": "Of this person, by subject.",
            "user": "Of this person, by user name or address of mail.",
            "authorization": "Under this authorization.",
            "jti": "Of the token, or the assertion, with this `jti`.",
            "reason": "Refused for this reason.",
            **dict.fromkeys(listing.UNINDEXED, f"Exactly this; {WALKS}"),
            "rule": f"Decided by this rule, as it was called then; {WALKS}",
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
    filters = {name: given[name] for name in listing.FILTERS if name in given}
    if "user" in given:
        filters["subject"] = _subject(given["user"], filters)
    since, until = (moment_of(name, given[name]) if name in given else None for name in ("since", "until"))
    found = listing.page(filters, since=since, until=until, below=read_key(given), size=limit(given))
    return {
        "items": [event_as_item(event) for event in found.events],
        "next": written([str(found.next)]) if found.next else None,
    }


def _subject(name: str, filters: dict[str, str]) -> str:
    if "subject" in filters:
        raise invalid("user", "says the same as subject: give one of them")
    subjects = listing.subjects_of(name)
    if len(subjects) != 1:
        raise invalid("user", "several people have this address" if subjects else "no person has this name or address")
    return subjects[0]


class AuditEventView(ApiView):
    requires = {"GET": "authz.view_auditevent"}
    answers = {"GET": AUDIT_EVENT}

    def get(self, request: Request, pk: int) -> Response:
        event = AuditEvent.objects.filter(pk=pk).first()
        if event is None:
            raise Http404
        return Response(event_as_item(event))
