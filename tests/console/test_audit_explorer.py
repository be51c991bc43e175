"""Searching, reading and exporting the audit."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser

from authz.audit import queries
from authz.console.audit import saved_views
from authz.console.audit.event_history import chapters
from authz.console.widgets.exports import cell
from authz.console.widgets.timeline import bars
from authz.models import AuditEvent, Authorization, SavedView
from tests.console.conftest import Page
from tests.support import append_only
from tests.support.world import World, person

LIST = "/console/authz/auditevent/"


def write(**columns: object) -> AuditEvent:
    return AuditEvent.objects.create(**{"time": datetime.now(UTC), "event": "test:event:written", **columns})


@pytest.mark.parametrize("query", [
    "client:agent-x", "agent-x", "reason:code_expired client:agent-x", "event:test:event:written client:agent-x",
])  # fmt: skip
def test_words_are_exact_and_met_together(signed_in: Page, query: str) -> None:
    write(client_id="agent-x", reason="code_expired")
    write(client_id="agent-y", reason="code_expired")

    page = signed_in("auditor").get(LIST, {"q": query}).content.decode()

    assert "agent-x" in page
    assert "agent-y" not in page


def test_filters_name_what_there_is(signed_in: Page) -> None:
    write(event="b:b:b")
    write(event="a:a:a", reason="code_expired")
    write(event="a:a:a")

    assert [name for name in queries.event_names() if len(name) == 5] == ["a:a:a", "b:b:b"]
    shown = signed_in("auditor").get(LIST, {"outcome": "refused"}).context["cl"].result_list
    assert [event.reason for event in shown] == ["code_expired"]


def test_a_moment_is_found_by_halving(db: None) -> None:
    now = datetime.now(UTC)
    with append_only.lifted():
        AuditEvent.objects.all().delete()
    assert queries.first_id(now) == 0
    events = [write(time=now - timedelta(hours=hours)) for hours in range(40, 0, -1)]
    with append_only.lifted():
        AuditEvent.objects.filter(pk__in=[event.pk for event in events[10:14]]).delete()

    for hours in (100, 40.5, 28.5, 27.5, 10.5, 1.5, 0.5, -5):
        moment = now - timedelta(hours=hours)
        expected = [event.pk for event in events if event.time >= moment and event not in events[10:14]]
        assert sorted(queries.since(moment).values_list("pk", flat=True)) == expected
        assert AuditEvent.objects.filter(id__gte=queries.first_id(moment)).count() == len(expected)


def test_a_period_in_the_address_is_a_range(signed_in: Page) -> None:
    now = datetime.now(UTC)
    browser = signed_in("auditor")
    with append_only.lifted():
        AuditEvent.objects.all().delete()  # in life, what is older has the lower id
    for hours in (5, 3, 1):
        write(time=now - timedelta(hours=hours), client_id=f"{hours}-hours-ago")
    query = {"time__gte": (now - timedelta(hours=4)).isoformat(), "time__lt": (now - timedelta(hours=2)).isoformat()}

    shown = browser.get(LIST, query).context["cl"].result_list

    assert [event.client_id for event in shown] == ["3-hours-ago"]


@pytest.mark.parametrize(("column", "value"), [("client_id", "agent-x"), ("subject", "s"), ("authorization", "a")])
def test_one_agents_events_are_found_by_an_index(db: None, column: str, value: str) -> None:
    plan = queries.about(column, value).explain()

    assert f"authz_audit_{column.removesuffix('_id')}" in plan or connection.vendor == "postgresql"


def test_a_rare_event_is_found_by_an_index(db: None) -> None:
    plan = queries.of_event("person:session:started").explain()

    assert "authz_audit_event" in plan or connection.vendor == "postgresql"


@pytest.mark.parametrize("lookup", ["user__password", "detail__contains", "event__regex", "client_id__contains"])
def test_no_other_lookup_is_taken_from_the_address(signed_in: Page, lookup: str) -> None:
    response = signed_in("auditor").get(LIST, {lookup: "x"})

    # Django answers a lookup that is not allowed with 400, or sends back to the list with an error mark.
    assert response.status_code in {400, 302}


def test_an_event_says_why_it_was_refused(signed_in: Page) -> None:
    event = write(reason="refresh_token_replayed", client_id="agent-x")

    page = signed_in("auditor").get(f"{LIST}{event.pk}/change/").content.decode()

    assert "one of two holders may be a thief" in page


def test_the_whole_story_of_one_token(signed_in: Page, gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens()
    gatehouse.refresh(tokens["refresh_token"])
    row = Authorization.objects.get(user=person("bob"))

    page = signed_in("auditor").get("/console/story/", {"authorization": str(row.pk)}).content.decode()

    assert page.count("token:access:issued") == 1  # twice the same is told once
    assert "<strong>× 2</strong>" in page
    assert "Engineers use agents on Notes" in page
    assert "Desktop app" in page


def test_the_list_calls_agents_people_and_servers_by_their_names(signed_in: Page, gatehouse: World) -> None:
    gatehouse.signed_in_tokens()

    page = signed_in("auditor").get(LIST, {"event": "token:access:issued"}).content.decode()

    assert ">Desktop app</bdi>" in page
    assert ">bob</bdi>" in page
    assert ">Notes</bdi>" in page


def test_filters_of_the_address_hold_even_where_nothing_of_the_kind_is_known(signed_in: Page) -> None:
    write(event="token:access:issued", client_id="somebody")
    for query in ({"reason": "never_seen"}, {"resource": "https://nowhere.example/"}):
        page = signed_in("auditor").get(LIST, query).content.decode()
        assert "somebody" not in page
        assert next(iter(query.values())) in page  # it is shown, and can be taken away


def test_the_same_again_and_again_is_a_line_of_the_story_and_what_differs_is_not() -> None:
    moment = datetime(2026, 5, 4, 12, tzinfo=UTC)

    def event(minutes: int, name: str = "token:access:issued", **more: Any) -> AuditEvent:
        given = {"client_id": "a", **more}
        return AuditEvent(pk=minutes, time=moment + timedelta(minutes=minutes), event=name, detail={}, **given)

    told = chapters([
        event(0), event(1, resource="x"), event(2), event(3, "token:access:refused", reason="code_expired"), event(4),
        event(24 * 60), event(24 * 60 + 1, "configuration:object:changed", client_id=""),
        event(24 * 60 + 2, "configuration:object:changed", client_id=""),
    ])  # fmt: skip

    assert [[one.pk for one in chapter.events] for chapter in told] == [
        [0, 2], [1], [3], [4], [1440], [1441], [1442],
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["nonsense", "", "00000000-0000-0000-0000-000000000000"])
def test_a_story_of_nothing_is_a_page(signed_in: Page, value: str) -> None:
    assert signed_in("auditor").get("/console/story/", {"authorization": value}).status_code == 200


@pytest.mark.parametrize(("value", "shown"), [
    ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
    ("+1", "'+1"),
    ("-1", "'-1"),
    ("@SUM(A1)", "'@SUM(A1)"),
    ("\t=1", "'\t=1"),
    ("  =1", "'  =1"),
    ("\r\n=1", "'  =1"),
    ("plain", "plain"),
    (7, "7"),
])  # fmt: skip
def test_no_cell_is_a_formula(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_an_export_holds_what_is_shown_and_is_recorded(signed_in: Page) -> None:
    write(client_id="=HYPERLINK(1)", reason="client_unknown")
    write(client_id="quiet")
    browser = signed_in("auditor")

    response = browser.get(f"{LIST}export.csv", {"outcome": "refused"})
    rows = list(csv.DictReader(io.StringIO(response.getvalue().decode())))

    assert [row["client_id"] for row in rows] == ["'=HYPERLINK(1)"]
    assert "attachment" in response["Content-Disposition"]
    assert AuditEvent.objects.get(event="audit:events:exported").detail["by"] == "dana"


def test_json_lines_are_one_event_a_line(signed_in: Page) -> None:
    write(client_id="two\nlines")

    lines = (
        signed_in("auditor")
        .get(f"{LIST}export.jsonl", {"q": "event:test:event:written"})
        .getvalue()
        .decode()
        .splitlines()
    )

    assert [json.loads(line)["client_id"] for line in lines] == ["two\nlines"]


def test_a_developer_cannot_export(signed_in: Page) -> None:
    assert signed_in("developer").get(f"{LIST}export.csv").status_code == 403


@pytest.mark.parametrize("page", ["/console/story/?authorization=", "/console/authz/auditevent/?client_id__exact="])
def test_a_nul_is_a_bad_request_on_both_databases(signed_in: Page, page: str) -> None:
    assert signed_in("auditor").get(f"{page}%00").status_code == 400


# --- What no index finds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [
    {"q": "request_id:abc"}, {"resource": "https://mcp.example.com/"}, {"event": "token:access:introspected"},
])  # fmt: skip
def test_a_search_without_an_index_looks_through_a_bounded_stretch_and_goes_on(
    signed_in: Page, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    columns = {"request_id": "abc", "resource": "https://mcp.example.com/", "event": "token:access:introspected"}
    browser = signed_in("auditor")
    old = write(client_id="old", **columns)
    others = [write(client_id="other") for _ in range(5)]
    monkeypatch.setattr(queries, "WINDOW", 3)

    first = browser.get(LIST, query)
    further = first.context["further"]
    second = browser.get(LIST + further["url"])

    assert list(first.context["cl"].result_list) == []
    assert "Look further back" in first.content.decode()
    assert [event.client_id for event in second.context["cl"].result_list] == ["old"]
    assert old.pk > others[-1].pk - 2 * 3 - 1


@pytest.mark.parametrize("query", [
    {"q": "client:old request_id:abc"}, {"q": "reason:code_expired"}, {"event": "test:event:written"}, {},
    {"outcome": "refused"}, {"period": "7d"},
])  # fmt: skip
def test_a_search_with_an_index_sees_everything(
    signed_in: Page, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    write(client_id="old", request_id="abc", reason="code_expired")
    for _ in range(5):
        write(client_id="other")
    monkeypatch.setattr(queries, "WINDOW", 3)

    response = signed_in("auditor").get(LIST, query)

    assert response.context["further"] is None
    assert "old" in [event.client_id for event in response.context["cl"].result_list]


@pytest.mark.parametrize("value", ["", "x", "-1", "9" * 40, "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_nonsensical_place_to_begin_is_no_error(signed_in: Page, value: str) -> None:
    assert signed_in("auditor").get(LIST, {"id__lte": value, "q": "request_id:abc"}).status_code in {200, 400}


def test_a_person_is_found_by_user_name(signed_in: Page) -> None:
    write(subject=str(person("bob").subject), client_id="bobs")
    write(client_id="other")

    shown = signed_in("auditor").get(LIST, {"q": "person:bob"}).context["cl"].result_list

    assert [event.client_id for event in shown] == ["bobs"]


# --- Its timeline --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("span", "most"), [
    (timedelta(0), 1), (timedelta(seconds=40), 48), (timedelta(hours=5), 48), (timedelta(days=40), 48),
    (timedelta(days=3000), 48),
])  # fmt: skip
def test_bars_hold_every_event_once_in_a_bounded_number_of_steps(span: timedelta, most: int) -> None:
    now = datetime(2026, 11, 23, 14, 30, 10, tzinfo=UTC)
    moments = [(now - span, False), (now - span / 2, True), (now, False)]

    found = bars(moments)

    assert len(found) <= most
    assert sum(bar.done for bar in found) == 2
    assert sum(bar.refused for bar in found) == 1
    assert all(bar.begin <= moment < bar.end for bar, moment in [(found[0], now - span), (found[-1], now)])
    assert max(bar.done_height + bar.refused_height for bar in found) == pytest.approx(100)


def test_a_bar_leads_to_its_events(signed_in: Page) -> None:
    now = datetime.now(UTC)
    with append_only.lifted():
        AuditEvent.objects.all().delete()
    for hours in (30, 20, 1):
        write(time=now - timedelta(hours=hours), client_id=f"{hours}-hours-ago")
    browser = signed_in("auditor")

    bar, url = browser.get(LIST).context["timeline"][0]

    assert bar.done == 1
    assert [event.client_id for event in browser.get(LIST + url).context["cl"].result_list] == ["30-hours-ago"]


# --- Saved views ---------------------------------------------------------------------------------------------------

VIEWS = LIST + "views/"


def save(browser: Browser, name: str = "Bad secrets", **more: str) -> SavedView | None:
    browser.post(VIEWS, {"name": name, "query": "reason=client_secret_wrong&p=4&evil__contains=1", **more})
    return SavedView.objects.filter(name=name).first()


def test_a_view_keeps_the_search_and_nothing_else(signed_in: Page) -> None:
    browser = signed_in("auditor")

    view = save(browser)

    assert view is not None
    assert view.query == "reason=client_secret_wrong"
    page = browser.get(f"{LIST}?{view.query}").content.decode()
    assert 'aria-current="true"><bdi>Bad secrets</bdi>' in page


def test_a_view_of_the_whole_audit_is_none(signed_in: Page) -> None:
    browser = signed_in("auditor")
    browser.post(VIEWS, {"name": "All", "query": "p=3"})
    assert not SavedView.objects.exists()


def test_a_view_is_its_owners_unless_it_is_shared(signed_in: Page) -> None:
    auditor, approver = signed_in("auditor"), signed_in("approver")
    save(auditor, "Mine")
    save(auditor, "Everybody's", is_shared="on")

    page = approver.get(LIST).content.decode()

    assert "Everybody&#x27;s" in page
    assert "Mine" not in page


@pytest.mark.parametrize(("role", "is_shared", "gone"), [
    ("auditor", "", True), ("approver", "on", False), ("administrator", "on", True), ("administrator", "", False),
])  # fmt: skip
def test_who_may_forget_a_view(signed_in: Page, role: str, is_shared: str, gone: bool) -> None:
    view = save(signed_in("auditor"), is_shared=is_shared)
    assert view is not None
    browser = signed_in(role)

    browser.get(f"{VIEWS}{view.pk}/forget/")
    assert SavedView.objects.exists()
    browser.post(f"{VIEWS}{view.pk}/forget/")

    assert SavedView.objects.exists() is not gone


def test_views_are_bounded_and_need_the_audits_permission(signed_in: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_views, "MAX_VIEWS", 1)
    browser = signed_in("auditor")
    save(browser, "One")
    assert save(browser, "Two") is None
    assert signed_in("developer").post(VIEWS, {"name": "x", "query": "q=x"}).status_code == 403
