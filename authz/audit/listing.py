"""One page of the audit, filtered, newest first, at a cost that does not grow with it: for the API and the command.

The audit has few indexes (authz/models/audit_event.py). A filter without one examines a bounded number of rows: such a
page may be short or empty, and yet it has a place to go on from.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from authz.audit import queries
from authz.models import AuditEvent, User
from authz.models.audit_event import FREQUENT, REFUSED
from authz.protocol.timed_ids import made_at

# Filters by what no index finds: columns, and members of `detail`.
UNINDEXED = ("resource", "address", "request_id")
FILTERS = (*sorted(queries.INDEXED), *UNINDEXED, "event", "jti", "rule")
WALKED = 20_000

_NAMES_RULE = {
    "sqlite": "EXISTS (SELECT 1 FROM json_each(authz_auditevent.detail, '$.rules') WHERE value = %s)",
    "postgresql": "jsonb_exists(authz_auditevent.detail -> 'rules', %s)",
}


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the id below which the search goes on; None where it is complete."""

    events: list[AuditEvent]
    next: int | None


def page(
    filters: Mapping[str, str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    below: int | None = None,
    size: int,
) -> Page:
    """The newest `size` events that meet all filters (of `FILTERS`, exact); with an id below `below`, if given."""
    rows = _indexed(filters, since, until)
    if below is not None:
        rows = rows.filter(id__lt=below)
    walked = rows.order_by("-id")[:WALKED]
    found = list(_unindexed(filters, AuditEvent.objects.filter(id__in=walked.values("id"))).order_by("-id")[: size + 1])
    last = found[size - 1].pk if len(found) > size else _end(walked)
    return Page(found[:size], last)


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


def subjects_of(name: str) -> list[str]:
    """The subjects of the people who have this user name, or this address of mail."""
    rows = User.objects.filter(username=name) or User.objects.filter(email__iexact=name)
    return [str(row.subject) for row in rows]


def by_rule(events: QuerySet[AuditEvent], rule: str) -> QuerySet[AuditEvent]:
    """The events whose decision names this rule, as it was called then."""
    # A constant of this file; the name is a parameter.
    return events.extra(where=[_NAMES_RULE[connection.vendor]], params=[rule])  # noqa: S610


def _end(walked: QuerySet[AuditEvent]) -> int | None:
    """The last examined row, if there may be more after it."""
    ids = list(walked.values_list("id", flat=True)[WALKED - 1 : WALKED])
    return ids[0] if ids else None


def _indexed(filters: Mapping[str, str], since: datetime | None, until: datetime | None) -> QuerySet[AuditEvent]:
    rows = AuditEvent.objects.all()
    for column in queries.INDEXED.intersection(filters):
        rows = queries.about(column, filters[column], rows)
    if "event" in filters and _has_index(filters["event"]):
        rows = queries.of_event(filters["event"], rows)
    # A token's id says when it was issued. Another issuer's may look as if it did.
    if "jti" in filters and (seconds := made_at(filters["jti"], time.time())) is not None:
        near = queries.near(datetime.fromtimestamp(seconds, UTC))
        if _with_id(near, filters["jti"]).exists():
            rows = rows.filter(id__in=near.values("id"))
    if since is not None:
        rows = queries.since(since, rows)
    if until is not None:
        rows = rows.filter(id__lte=queries.first_id(until + 2 * queries.DISORDER) or 2**62, time__lt=until)
    return rows


def _has_index(event: str) -> bool:
    return event not in FREQUENT or event == REFUSED


def _unindexed(filters: Mapping[str, str], rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
    rows = rows.filter(**{name: filters[name] for name in UNINDEXED if name in filters})
    if "event" in filters and not _has_index(filters["event"]):
        rows = rows.filter(event=filters["event"])
    if "jti" in filters:
        rows = _with_id(rows, filters["jti"])
    return by_rule(rows, filters["rule"]) if "rule" in filters else rows


def _with_id(rows: QuerySet[AuditEvent], jti: str) -> QuerySet[AuditEvent]:
    """What is issued has an id of its own, and may rest on an assertion, which has another."""
    return rows.filter(Q(detail__jti=jti) | Q(detail__assertion_jti=jti) | Q(detail__said__jti=jti))
