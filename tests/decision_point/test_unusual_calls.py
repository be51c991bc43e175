"""Unusual calls at the decision point: the first use of a tool, far more calls than before, and rules that name
them.
"""

import itertools
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from authz import audit
from authz.authorizations import removal
from authz.database import raw_sql
from authz.database.transactions import unit_of_work
from authz.decisions import usage, usage_counts
from authz.models import AccessRequest, AuditEvent, CallDay, ProtectedResource, ToolUse
from authz.operations import housekeeping
from tests.decision_point.conftest import PDP, call, configure, server
from tests.decision_point.test_access_requests import submit
from tests.decision_point.test_events import report, reported
from tests.support.races import at_once
from tests.support.world import NOTES, World, client, hidden_fields, person

RULE: dict[str, Any] = {"clients": ["*"], "groups": ["*"], "resources": [NOTES], "scopes": ["*"]}
FIRST_NEEDS_A_HUMAN: dict[str, Any] = RULE | {
    "name": "First use needs a human",
    "effect": "require_approval",
    "conditions": {"unusual": ["first_use"]},
    "approvers": {"users": ["alice"]},
}
NO_FLOODS: dict[str, Any] = RULE | {"name": "No floods", "effect": "deny", "conditions": {"unusual": ["volume"]}}


@pytest.fixture
def token(gatehouse: World, pdp: PDP) -> str:
    found: str = gatehouse.signed_in_tokens()["access_token"]
    return found


def last_event() -> AuditEvent:
    return AuditEvent.objects.filter(event__startswith="access:call").latest("id")


def day_before(days: int, n: int, *, is_reported: bool = False) -> None:
    """Bob's desktop app made so many calls so many days ago."""
    notes = ProtectedResource.objects.get(identifier=NOTES)
    holder = usage_counts.Holder(client("desktop-app").pk, person("bob").pk, notes.pk, is_reported)
    day = datetime.now(UTC).date() - timedelta(days=days)
    CallDay.objects.create(
        holder=holder.key, client=client("desktop-app"), user=person("bob"), resource=notes, day=day, n=n,
        reported=is_reported,
    )  # fmt: skip
    usage.forget()


def test_the_first_call_of_a_tool_waits_for_a_person_and_passes_once_it_is_approved(pdp: PDP, token: str) -> None:
    configure(FIRST_NEEDS_A_HUMAN)
    body = call(token, "erase", {"id": 7})
    answer = pdp.ask(body)
    assert (answer["decision"], answer["context"]["reason"]) == (False, "call_waits")
    # To be asked for does not make it used.
    assert pdp.ask(body)["decision"] is False
    assert last_event().detail["unusual"] == ["first_use"]
    request = AccessRequest.objects.get(pk=submit(pdp, body, answer).json()["task"]["id"])
    assert request.context["rules"] == ["First use needs a human"]

    console = Browser()
    console.force_login(person("alice"), backend="authz.sign_in.password_backend.PasswordBackend")
    page = console.get(f"/console/authz/accessrequest/{request.pk}/decide/")
    assert "first call of it for this person" in page.content.decode()
    form = hidden_fields(page) | {"lasts": "once", "comment": "", "decision": "approve"}
    told = console.post(f"/console/authz/accessrequest/{request.pk}/decide/", form, follow=True)
    assert "Approved, for one call" in told.content.decode()
    # Approved, and not made yet: a call with other arguments is the first one still.
    assert pdp.ask(call(token, "erase", {"id": 8}))["decision"] is False
    assert pdp.ask(body)["decision"] is True
    assert last_event().detail["unusual"] == ["first_use"]

    assert pdp.ask(call(token, "erase", {"id": 8}))["decision"] is True
    assert "unusual" not in last_event().detail
    assert pdp.ask(call(token, "search", {"q": "x"}))["decision"] is False


def test_what_another_process_has_recorded_is_known_at_once(pdp: PDP, token: str) -> None:
    configure()
    assert pdp.call(token, "search")["decision"] is True
    usage.forget()
    configure(FIRST_NEEDS_A_HUMAN)
    assert pdp.call(token, "search")["decision"] is True


def test_it_is_the_first_use_for_each_person(pdp: PDP, token: str) -> None:
    pdp.call(token, "search")
    configure(FIRST_NEEDS_A_HUMAN)
    assert pdp.call(token, "search")["decision"] is True
    alices = World().signed_in_tokens(username="alice")["access_token"]
    assert pdp.call(alices, "search")["decision"] is False
    assert ToolUse.objects.filter(tool="search").count() == 1


def test_a_tool_that_was_not_called_for_long_is_called_for_the_first_time_again(pdp: PDP, token: str) -> None:
    pdp.call(token, "search")
    pdp.call(token, "list")
    ToolUse.objects.filter(tool="search").update(last=datetime.now(UTC).date() - timedelta(days=91))
    day_before(36, 5)
    day_before(35, 5)
    housekeeping.run()
    assert [use.tool for use in ToolUse.objects.all()] == ["list"]
    assert CallDay.objects.filter(n=5).count() == 1
    usage.forget()
    pdp.call(token, "search")
    assert last_event().detail["unusual"] == ["first_use"]


def test_a_use_of_today_is_the_last_one(pdp: PDP, token: str) -> None:
    pdp.call(token, "search")
    ToolUse.objects.update(last=datetime.now(UTC).date() - timedelta(days=50))
    usage.forget()
    pdp.call(token, "search")
    usage_counts.flush()
    assert ToolUse.objects.get().last == datetime.now(UTC).date()


@pytest.mark.parametrize(("busiest", "usual"), [(0, 5), (1, 5), (4, 8)])
def test_far_more_calls_than_on_the_busiest_day(pdp: PDP, token: str, busiest: int, usual: int) -> None:
    configure(NO_FLOODS, usual_calls=5, usual_times=2)
    if busiest:
        day_before(30, busiest)
        day_before(2, 1)
    day_before(31, 1000)
    decisions = [pdp.call(token, "search", q=str(n))["decision"] for n in range(usual + 3)]
    assert decisions == [True] * usual + [False] * 3
    event = last_event()
    assert (event.event, event.detail["unusual"]) == ("access:call:denied", ["volume"])
    assert event.detail["calls"] == {"today": usual + 1, "busiest_day": busiest, "usual": usual}
    usage_counts.flush()
    today = CallDay.objects.get(day=datetime.now(UTC).date())
    # What was denied doesn't count: tomorrow is compared with what was let pass.
    assert (today.n, today.busiest) == (usual, busiest)
    assert today.unusual_since is not None
    # Written or not, they count.
    assert pdp.call(token, "search")["decision"] is False
    usage.forget()
    assert pdp.call(token, "search")["decision"] is False


def test_volume_is_marked_without_a_rule_and_its_beginning_stays(pdp: PDP, token: str) -> None:
    configure(usual_calls=2)
    assert all(pdp.call(token, "search")["decision"] for _ in range(3))
    usage_counts.flush()
    since = CallDay.objects.get().unusual_since
    assert since is not None
    pdp.call(token, "search")
    usage_counts.flush()
    day = CallDay.objects.get()
    assert (day.n, day.unusual_since) == (4, since)


def test_counts_that_cannot_be_written_are_written_later(pdp: PDP, token: str, monkeypatch: Any) -> None:
    def fails(*_: object) -> int:
        raise OperationalError

    pdp.call(token, "search")
    with monkeypatch.context() as broken:
        broken.setattr(raw_sql, "write", fails)
        with pytest.raises(OperationalError):
            usage_counts.flush()
    pdp.call(token, "search")
    usage_counts.flush()
    usage_counts.flush()
    assert CallDay.objects.get().n == 2


def test_a_replay_knows_what_was_unusual_then(pdp: PDP, token: str) -> None:
    configure(FIRST_NEEDS_A_HUMAN)
    pdp.call(token, "search")
    event = last_event()
    assert event.detail["ask"]["tool"]["unusual"] == ["first_use"]
    out = StringIO()
    call_command("policy", "replay", "--event", str(event.pk), stdout=out, no_color=True)
    assert "It was" not in out.getvalue()


def test_recorded_calls_leave_out_no_first_use_and_count_all(pdp: PDP, token: str) -> None:
    configure(recorded_calls=10_000)
    for _ in range(20):
        pdp.call(token, "search")
    assert AuditEvent.objects.filter(event="access:call:allowed", detail__unusual=["first_use"]).count() == 1
    usage_counts.flush()
    assert CallDay.objects.get().n == 20


def test_a_search_and_other_methods_use_no_tool(pdp: PDP, token: str) -> None:
    configure(tools=[{"name": "search"}])
    body = call(token, "search") | {"resource": {"type": "tool"}}
    assert pdp.post("search/resource", body).json()["results"] == [{"type": "tool", "id": "search"}]
    assert (
        pdp.ask(body | {"action": {"name": "tools/list"}, "resource": {"type": "mcp", "id": "x"}})["decision"] is True
    )
    assert not ToolUse.objects.exists()
    usage_counts.flush()
    assert not CallDay.objects.exists()


def test_a_decision_on_a_known_tool_asks_the_database_nothing_more(pdp: PDP, token: str) -> None:
    pdp.call(token, "search")
    pdp.call(token, "search")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        pdp.call(token, "search")
    tables = " ".join(query["sql"] for query in asked.captured_queries)
    assert "authz_tooluse" not in tables
    assert "authz_callday" not in tables


# --- Attacks ----------------------------------------------------------------------------------------------------------


def test_attack_a_flood_of_names_that_no_tool_has(pdp: PDP, token: str, monkeypatch: Any) -> None:
    """The table has a bound for each agent, person and server; what is beyond it stays a first use."""
    monkeypatch.setattr(usage, "MOST_TOOLS", 10)
    for n in range(30):
        pdp.call(token, f"junk_{n}")
    for name in ("x" * 5000, "pay\u200b", "drop table"):
        pdp.call(token, name)
    assert ToolUse.objects.count() == 10
    configure(FIRST_NEEDS_A_HUMAN)
    assert pdp.call(token, "junk_3")["decision"] is True
    assert pdp.call(token, "junk_29")["decision"] is False
    assert pdp.call(token, "erase")["decision"] is False


def test_attack_a_reporter_makes_a_tool_a_used_one(pdp: PDP, token: str) -> None:
    configure(FIRST_NEEDS_A_HUMAN, NO_FLOODS, usual_calls=1)
    report(pdp, *(reported(str(n), token) for n in range(5)))
    day_before(1, 1000, is_reported=True)
    assert pdp.call(token, "search")["decision"] is False
    events = AuditEvent.objects.filter(event="access:call:reported").order_by("id")
    assert [event.detail.get("unusual") for event in events] == [["first_use"], *[["volume"]] * 4]
    # And what was decided here makes no report usual: each is compared with its own.
    configure(*(rule | {"enabled": False} for rule in (FIRST_NEEDS_A_HUMAN, NO_FLOODS)))
    assert pdp.call(token, "list")["decision"] is True
    usage_counts.flush()
    assert {(use.tool, use.reported) for use in ToolUse.objects.all()} == {("search", True), ("list", False)}


def test_attack_a_reporter_fills_the_table_with_agents_and_people_that_never_were(pdp: PDP, token: str) -> None:
    made_up = [
        reported(str(n)) | {"context": {"agent": f"agent-{n}"}, "subject": {"type": "identity", "id": f"sub-{n}"}}
        for n in range(20)
    ]
    by_name = reported("known") | {"subject": {"type": "identity", "id": str(person("bob").subject)}}
    answer = report(pdp, *made_up, reported("no-person"), by_name, reported("denied", token, decision=False))
    assert answer["accepted"] == 23
    usage_counts.flush()
    assert [(use.user, use.client) for use in ToolUse.objects.all()] == [(person("bob"), client("desktop-app"))]
    assert CallDay.objects.get().n == 1


def test_attack_calls_in_a_batch_that_is_refused_as_a_whole_leave_nothing(
    pdp: PDP, token: str, monkeypatch: Any
) -> None:
    """A first use goes with the event that it belongs to."""
    wrote = itertools.count()

    def fails(*given: Any, **more: Any) -> bool:
        if next(wrote) == 1:
            raise ZeroDivisionError
        return bool(recorded(*given, **more))

    recorded = audit.record
    monkeypatch.setattr(audit, "record", fails)
    batch = {**call(token, "search"), "evaluations": [{}, {"resource": {"type": "tool", "id": "erase"}}]}
    pdp.browser.raise_request_exception = False
    assert pdp.post("evaluations", batch).status_code >= 500
    monkeypatch.undo()
    assert not ToolUse.objects.exists()
    configure(FIRST_NEEDS_A_HUMAN)
    assert pdp.call(token, "search")["decision"] is False


@pytest.mark.django_db(transaction=True)
def test_many_calls_at_once_are_all_counted_and_the_tool_is_used_once(committed_gatehouse: World) -> None:
    configure(usual_calls=1)
    token = committed_gatehouse.signed_in_tokens()["access_token"]

    def make() -> bool:
        found = bool(PDP(World().browser).call(token, "search")["decision"])
        usage_counts.flush()
        return found

    assert at_once([make] * 8) == [True] * 8
    usage_counts.flush()
    assert (CallDay.objects.get().n, ToolUse.objects.count()) == (8, 1)
    # Each of those that come at once may be the first that is known: some, and one at least, are marked.
    events = AuditEvent.objects.filter(event="access:call:allowed")
    assert 1 <= sum("first_use" in event.detail.get("unusual", ()) for event in events) <= len(events) == 8


def test_what_a_server_calls_usual_is_configured(pdp: PDP) -> None:
    configure(usual_calls=7, usual_times=9)
    row = ProtectedResource.objects.get(identifier=NOTES)
    assert (row.usual_calls, row.usual_times) == (7, 9)
    assert json.dumps(server()).find("usual") == -1
    configure()
    row.refresh_from_db()
    assert (row.usual_calls, row.usual_times) == (200, 3)


def test_who_has_left_leaves_no_usage(pdp: PDP, token: str) -> None:
    pdp.call(token, "search")
    usage_counts.flush()
    assert ToolUse.objects.count() == CallDay.objects.count() == 1
    with unit_of_work():
        removal.remove(person("bob"))
    assert not ToolUse.objects.exists()
    assert not CallDay.objects.exists()
