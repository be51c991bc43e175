"""A million events answer as fast as a thousand: each way of searching the audit is found by an index."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet

from authz.audit import queries
from authz.models import AuditEvent
from authz.models.audit_event import REFUSED
from tests.support.rows import make

NOW = datetime(2026, 7, 28, 12, tzinfo=UTC)
# One of so many events is a refusal, so that the planner uses the index.
EVENTS, ONE_IN = 6000, 400


def _make() -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(
            time=NOW + timedelta(seconds=number),
            event=REFUSED if number % ONE_IN == 0 else "token:access:issued",
            reason=f"reason_{number % 7}" if number % ONE_IN == 0 else "",
            client_id=f"agent-{number % 1000}",
            subject=f"person-{number % 1000}",
            authorization=f"authorization-{number}",
        )
        for number in range(EVENTS)
    )


@pytest.fixture
def events(db: None) -> None:
    make(_make)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE authz_auditevent")


def plan(rows: QuerySet[AuditEvent]) -> str:
    """How the database finds a page of the newest, bound as the console and the API bind it."""
    sql, params = rows.order_by("-id")[:50].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'QUERY PLAN' if connection.vendor == 'sqlite' else ''} {sql}", params)
        return "\n".join(str(row) for row in cursor.fetchall())


def first() -> int:
    return AuditEvent.objects.order_by("id").values_list("id", flat=True)[EVENTS // 10]


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (queries.refused, "authz_audit_refused"),
        (lambda: queries.refused().filter(id__lt=first()), "authz_audit_refused"),
        (lambda: queries.refused(queries.since(NOW)), "authz_audit_refused"),
        (lambda: queries.refused(queries.since(NOW)).filter(address="192.0.2.1"), "authz_audit_refused"),
        (lambda: queries.of_event(REFUSED), "authz_audit_refused"),
        (lambda: queries.of_event(REFUSED, queries.since(NOW)), "authz_audit_refused"),
        (lambda: queries.about("reason", "reason_3"), "authz_audit_reason"),
        (lambda: queries.about("client_id", "agent-17"), "authz_audit_client"),
        (lambda: queries.about("subject", "person-17"), "authz_audit_subject"),
        (lambda: queries.about("authorization", "authorization-17"), "authz_audit_authorization"),
        (lambda: queries.of_event("person:session:started"), "authz_audit_event"),
    ],
)
def test_it_is_found_by_an_index(events: None, rows: Callable[[], QuerySet[AuditEvent]], index: str) -> None:
    assert index in plan(rows())


def test_an_event_with_a_reason_is_a_refusal(events: None) -> None:
    refused = set(queries.refused().values_list("id", flat=True))
    assert refused == set(AuditEvent.objects.exclude(reason="").values_list("id", flat=True))
    assert refused == set(queries.of_event(REFUSED).values_list("id", flat=True))
    assert len(refused) == EVENTS // ONE_IN


@pytest.mark.parametrize(
    ("columns", "event", "is_slow"),
    [
        ((), "", False),
        ((), REFUSED, False),
        ((), "token:access:issued", True),
        ((), "person:session:started", False),
        (("resource",), REFUSED, True),
        (("resource",), "", True),
        (("client_id", "resource"), REFUSED, False),
        (("reason",), REFUSED, False),
    ],
)
def test_what_no_index_finds_is_looked_for_in_a_window(columns: tuple[str, ...], event: str, is_slow: bool) -> None:
    assert queries.is_slow(columns, event) is is_slow
