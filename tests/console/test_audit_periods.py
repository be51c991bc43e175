"""Any period of the audit, events in words, and names beside identifiers in the table that is exported."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest

from authz.audit.headlines import headline
from authz.audit.periods import PERIODS, bounds, meant
from authz.models import AuditEvent
from tests.console.conftest import Page
from tests.support.world import World
from tests.test_docs import table, text

NOW = datetime(2026, 11, 30, 14, 30, 5, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [
        ("1h", "2026-11-30T13:30:05", None),
        ("24h", "2026-11-29T14:30:05", None),
        ("7d", "2026-11-23T14:30:05", None),
        ("30d", "2026-10-31T14:30:05", None),
        ("today", "2026-11-30T00:00:00", None),
        ("yesterday", "2026-11-29T00:00:00", "2026-11-30T00:00:00"),
        ("last_week", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
        ("this_month", "2026-11-01T00:00:00", None),
        ("last_month", "2026-10-01T00:00:00", "2026-11-01T00:00:00"),
        ("last_quarter", "2026-07-01T00:00:00", "2026-10-01T00:00:00"),
    ],
)
def test_a_period_has_its_bounds(name: str, begin: str, end: str | None) -> None:
    wanted = tuple(datetime.fromisoformat(bound).replace(tzinfo=UTC) if bound else None for bound in (begin, end))
    assert bounds(name, NOW) == wanted


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("yesterday", "2026-11-29T00:00:00", "2026-11-30T00:00:00"),
        ("Last  Week", "2026-11-23T00:00:00", "2026-11-30T00:00:00"),
        ("24h", "2026-11-29T14:30:05", None),
        ("2026-11-29", "2026-11-29T00:00:00", "2026-11-30T00:00:00"),
        ("2026-11-29T10:00:00Z", "2026-11-29T10:00:00", "2026-11-29T10:00:01"),
        ("2026-11-29 10:00", "2026-11-29T10:00:00", "2026-11-29T10:01:00"),
        ("2026-11-29 10:00:00 UTC", "2026-11-29T10:00:00", "2026-11-29T10:00:01"),
        ("2026-11-29T12:00:00+02:00", "2026-11-29T10:00:00", "2026-11-29T10:00:01"),
        ("2026-11-29 10:00:00,250", "2026-11-29T10:00:00.250", "2026-11-29T10:00:01.250"),
        ("Sun, 29 Nov 2026 10:00:00 GMT", "2026-11-29T10:00:00", "2026-11-29T10:00:01"),
        ("1795946400", "2026-11-29T10:00:00", "2026-11-29T10:00:01"),
        ("1795946400.5", "2026-11-29T10:00:00.500", "2026-11-29T10:00:01.500"),
        ("1795946400250", "2026-11-29T10:00:00.250", "2026-11-29T10:00:01.250"),
    ],
)
def test_a_time_is_read_as_clocks_logs_and_headers_write_it(text: str, begin: str, end: str | None) -> None:
    wanted = tuple(datetime.fromisoformat(bound).replace(tzinfo=UTC) if bound else None for bound in (begin, end))
    assert meant(text, NOW) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "nightly-report", "392", "17959", "2026-13-01", "2026-11-31", "10:00", "token:access:issued", "mcp:read",
     "https://mcp.example.com", "99999-01-01T00:00:00Z", "20261129", "a:b", "::1", "monday"],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    assert meant(text, NOW) is None


@pytest.mark.parametrize(("month", "begin"), [(1, (2025, 10)), (3, (2025, 10)), (4, (2026, 1)), (12, (2026, 7))])
def test_the_last_quarter_may_lie_in_the_year_before(month: int, begin: tuple[int, int]) -> None:
    found = bounds("last_quarter", NOW.replace(month=month))
    assert found is not None
    assert (found[0].year, found[0].month) == begin


def test_a_word_that_is_no_period_has_no_bounds() -> None:
    assert bounds("ever", NOW) is None
    assert all(bounds(name, NOW) for name, _ in PERIODS)


def test_a_list_of_yesterday_has_no_event_of_today(signed_in: Page, gatehouse: World) -> None:
    gatehouse.machine_token()
    browser = signed_in("auditor")
    assert "Token issued" in browser.get("/console/authz/auditevent/?period=today").content.decode()
    assert "Token issued" not in browser.get("/console/authz/auditevent/?period=yesterday").content.decode()


@pytest.mark.parametrize(("days", "is_listed"), [((0, 1), True), ((1, 2), False), ((-2, 0), False), ((-2, 1), True)])
def test_a_period_is_chosen_by_two_dates(
    signed_in: Page, gatehouse: World, days: tuple[int, int], is_listed: bool
) -> None:
    gatehouse.machine_token()
    begin, before = ((datetime.now(UTC) + timedelta(days=day)).date().isoformat() for day in days)
    address = f"/console/authz/auditevent/?event=token:access:issued&time__gte={begin}&time__lt={before}"
    page = signed_in("auditor").get(address).content.decode()
    assert ("Token issued" in page) is is_listed
    assert f'name="time__gte" value="{begin}"' in page
    assert '<input type="hidden" name="event" value="token:access:issued">' in page


# --- Words


def test_every_event_has_words_of_its_own() -> None:
    events = [row[0].strip("`") for row in table(text("docs/audit.md"), "## Events") if row[0] != "Event"]
    told = [headline(event) for event in events]
    assert len(set(told)) == len(told) > 70
    assert [words for words in told if ":" in words or "_" in words or words[0].islower()] == []


def test_the_list_says_what_happened_and_has_the_code_beside_it(signed_in: Page, gatehouse: World) -> None:
    gatehouse.machine_token()
    page = signed_in("auditor").get("/console/authz/auditevent/").content.decode()
    assert "Token issued" in page
    assert '<code class="soft small">token:access:issued</code>' in page


# --- Names


def test_the_exported_table_has_names_beside_identifiers(signed_in: Page, gatehouse: World) -> None:
    gatehouse.signed_in_tokens()
    answer = signed_in("auditor").get("/console/authz/auditevent/export.csv?event=token:access:issued")
    content = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    [row] = list(csv.DictReader(StringIO(content)))
    assert (row["client_id"], row["client_name"]) == ("desktop-app", "Desktop app")
    assert row["username"] == "bob"
    assert row["resource_name"] == "Notes"


def test_more_rows_than_a_batch_are_all_exported(
    signed_in: Page, gatehouse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authz.console.audit.export.BATCH", 2)
    for _ in range(5):
        gatehouse.machine_token()
    answer = signed_in("auditor").get("/console/authz/auditevent/export.csv?event=token:access:issued")
    content = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert len(list(csv.DictReader(StringIO(content)))) == 5
    assert AuditEvent.objects.filter(event="audit:events:exported").count() == 1
