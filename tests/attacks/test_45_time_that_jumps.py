"""Attack 45: time that jumps, on one node and on several. It reopens nothing, and it stops nothing."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import connection

from authz import registry
from authz.database import clocks, replay
from authz.database import due as moments
from authz.database.clocks import Anchor
from authz.models import (
    AuditDestination,
    BrowserSession,
    ClockAnchor,
    Notification,
    PeriodicTask,
    RemovalMark,
    UsedAssertion,
)
from authz.operations import doctor, housekeeping, periodic, readiness
from authz.outbound import remote_documents, remote_keys
from authz.protocol.document_lifetimes import is_fresh
from authz.protocol.moments import is_due
from cimd import discovery, leases
from cimd import housekeeping as cimd_housekeeping
from cimd.models import Document, FetchWindow
from tests.support import world
from tests.support.clock import Clock

HOUR = 3600.0
ISSUER = "https://issuer.example"


# --- Used assertions ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("ahead", [HOUR, -HOUR, 61.0, 30 * HOUR, 365 * 24 * HOUR, 0.0])
def test_a_used_assertion_stays_used_whatever_a_nodes_clock_says_when_it_tidies(clock: Clock, ahead: float) -> None:
    """A node's clock jumps and it removes assertions; then the used assertion comes again, and a new one."""
    now = time.time()
    housekeeping.run()
    assert replay.claim(ISSUER, "used", now + 300)
    clock.ahead = ahead
    housekeeping.run()
    clock.ahead = 0.0
    assert not replay.claim(ISSUER, "used", now + 300)
    assert replay.claim(ISSUER, "new", now + 300)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ended", "is_taken"),
    [(-3 * HOUR, False), (-HOUR - 1, False), (-HOUR + 1, True), (0.0, True), (300.0, True), (HOUR, True)],
)
def test_what_may_have_been_removed_is_refused_by_a_node_whose_clock_is_behind(ended: float, *, is_taken: bool) -> None:
    """For such a node it has not expired yet."""
    now = time.time()
    clocks.mark_removed(replay.REMOVED, datetime.fromtimestamp(now - HOUR, UTC))
    assert replay.claim(ISSUER, "x", now + ended) is is_taken
    assert (replay.claim_all(ISSUER, {"y": now + ended, "z": now + 300}) == {"y", "z"}) is is_taken
    assert replay.claim_all(ISSUER, {"y": now + ended, "z": now + 300}) == set()


@pytest.mark.django_db
def test_the_removal_mark_only_moves_forward() -> None:
    at = datetime.now(UTC)
    for moment in (at, at - timedelta(hours=1), at + timedelta(hours=1), at):
        clocks.mark_removed("x", moment)
    assert RemovalMark.objects.get(name="x").until == at + timedelta(hours=1)


# --- Which clock is trusted ----------------------------------------------------------------------------------------

DAY = clocks.BELIEVED_AFTER


@pytest.mark.parametrize(
    ("anchor", "wall", "uptime", "believed", "next_anchor"),
    [
        # Nothing is known yet.
        (None, 1000.0, 10.0, 1000.0, Anchor(1000.0, 10.0)),
        # As the uptime says, and a little apart.
        (Anchor(1000.0, 10.0), 1300.0, 310.0, 1300.0, Anchor(1300.0, 310.0)),
        (Anchor(1000.0, 10.0), 1359.0, 310.0, 1359.0, Anchor(1359.0, 310.0)),
        # Set back: the earlier time is trusted at once.
        (Anchor(5000.0, 10.0), 1400.0, 310.0, 1400.0, Anchor(1400.0, 310.0)),
        # Set ahead: what the uptime says.
        (Anchor(1000.0, 10.0), 4900.0, 310.0, 1300.0, Anchor(1000.0, 10.0, 310.0)),
        (Anchor(1000.0, 10.0, 310.0), 5500.0, 910.0, 1900.0, Anchor(1000.0, 10.0, 310.0)),
        # Right again.
        (Anchor(1000.0, 10.0, 310.0), 1900.0, 910.0, 1900.0, Anchor(1900.0, 910.0)),
        # It stays ahead for longer than a day: then it was wrong before.
        (Anchor(1000.0, 10.0, 310.0), 9e9, 311.0 + DAY, 9e9, Anchor(9e9, 311.0 + DAY)),
    ],
)
def test_a_clock_that_was_set_ahead_is_believed_after_a_day(
    anchor: Anchor | None, wall: float, uptime: float, believed: float, next_anchor: Anchor
) -> None:
    assert clocks.steady(anchor, wall, uptime) == (believed, next_anchor)


@pytest.mark.django_db
@pytest.mark.parametrize("apart", [0.0, -59.0, 59.0, -61.0, 3600.0, -7200.0])
def test_the_earliest_clock_decides_what_has_expired(monkeypatch: pytest.MonkeyPatch, apart: float) -> None:
    monkeypatch.setattr(clocks, "apart", lambda: apart)
    believed = clocks.earliest().timestamp()
    assert believed == pytest.approx(time.time() + min(0.0, apart), abs=5)
    assert clocks.are_together(apart) is (abs(apart) <= 60)


@pytest.mark.django_db
def test_anchors_of_old_boots_are_forgotten() -> None:
    ClockAnchor.objects.bulk_create(
        [ClockAnchor(boot=str(number), wall=number, uptime=1.0) for number in range(clocks.BOOTS + 20)]
    )
    clocks.earliest()
    assert ClockAnchor.objects.count() <= clocks.BOOTS


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("apart", "is_ready"), [(0.0, True), (30.0, True), (-60.0, True), (61.0, False), (-61.0, False), (HOUR, False)]
)
def test_a_node_whose_clock_is_apart_from_the_databases_is_not_ready(
    gatehouse: world.World, monkeypatch: pytest.MonkeyPatch, apart: float, *, is_ready: bool
) -> None:
    monkeypatch.setattr(clocks, "apart", lambda: apart)
    readiness.forget()
    assert readiness.problems() == (() if is_ready else ("clocks_apart",))
    readiness.forget()


@pytest.mark.django_db
def test_the_databases_clock_is_asked(clock: Clock) -> None:
    assert abs(clocks.apart()) < 5
    clock.ahead = HOUR
    expected = -HOUR if connection.vendor == "postgresql" else 0.0
    assert clocks.apart() == pytest.approx(expected, abs=5)


# --- Tasks go on ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "longest", "has_come"),
    [
        (0.0, 60.0, True),
        (999.0, 60.0, True),
        (1000.0, 60.0, True),
        (1000.1, 60.0, False),
        (1060.0, 60.0, False),
        (1060.1, 60.0, False),  # set by a node whose clock is slightly ahead
        (1120.1, 60.0, True),
        (4600.0, 60.0, True),
        (4600.0, 7200.0, False),
    ],
)
def test_a_task_due_later_than_its_interval_is_due_now(at: float, longest: float, *, has_come: bool) -> None:
    assert is_due(at, 1000.0, longest) is has_come


@pytest.mark.django_db
def test_columns_are_read_by_the_same_rule() -> None:
    for number, at in enumerate((0.0, 999.0, 1000.0, 1000.1, 1060.1, 1120.1, 4600.0)):
        PeriodicTask.objects.create(name=str(number), due=at)
    found = set(PeriodicTask.objects.filter(moments.due("due", 1000.0, 60.0)).values_list("name", flat=True))
    assert found == {"0", "1", "2", "5", "6"}


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> dict[str, SimpleNamespace]:
    ran: list[str] = []
    found = {
        "seals": SimpleNamespace(EVERY=5.0, run=lambda: ran.append("seals"), ran=ran),
        "tidies": SimpleNamespace(EVERY=300.0, run=lambda: ran.append("tidies"), ran=ran, NEEDS_TRUE_CLOCK=True),
    }
    monkeypatch.setattr(registry, "periodic_tasks", lambda: found)
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("jump", [HOUR, -HOUR, 61.0, 400.0, 365 * 24 * HOUR, -365 * 24 * HOUR])
def test_after_a_clock_that_jumped_every_task_runs_again_within_its_interval(
    tasks: dict[str, SimpleNamespace], jump: float
) -> None:
    now = 1_800_000_000.0
    periodic.run_due(lambda: now)
    periodic.run_due(lambda: now + jump)
    # And it died holding both leases.
    PeriodicTask.objects.update(lease_until=now + jump + periodic.LEASE, holder="elsewhere/1/1")
    tasks["seals"].ran.clear()
    for later in range(0, 310, 5):
        periodic.run_due(lambda later=later: now + later)
    assert tasks["seals"].ran.count("seals") >= 45
    assert tasks["seals"].ran.count("tidies") >= 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("apart", "runs"),
    [
        (0.0, ["seals", "tidies"]),
        (59.0, ["seals", "tidies"]),
        (-59.0, ["seals", "tidies"]),
        (61.0, ["seals"]),
        (-61.0, ["seals"]),
        (HOUR, ["seals"]),
    ],
)
def test_a_node_whose_clock_is_wrong_tidies_nothing_and_goes_on_sealing(
    tasks: dict[str, SimpleNamespace], apart: float, runs: list[str]
) -> None:
    assert periodic.run_due(apart=apart) == runs


def test_tasks_that_remove_or_end_on_schedule_need_a_true_clock() -> None:
    needs = {name for name, task in registry.periodic_tasks().items() if getattr(task, "NEEDS_TRUE_CLOCK", False)}
    assert needs == {
        "authz.operations.housekeeping",
        "cimd.housekeeping",
        "xaa.housekeeping",
        "authz.approvals.recertification",
        "authz.evidence.archiver",
        "authz.approvals.reminders",
        "authz.approvals.succession",
        "authz.decisions.status_review",
        "xaa.signals.receiving.upkeep",
    }


@pytest.mark.django_db
def test_the_doctor_says_when_tasks_are_put_off(gatehouse: world.World) -> None:
    now = time.time()
    for name, task in registry.periodic_tasks().items():
        PeriodicTask.objects.create(name=name, due=now + task.EVERY)
    assert not list(doctor.periodic_tasks(now))
    PeriodicTask.objects.filter(name="authz.evidence.sealer").update(due=now + HOUR)
    (finding,) = doctor.periodic_tasks(now)
    assert "authz.evidence.sealer is put off for 60 minutes" in finding.says


@pytest.mark.django_db
@pytest.mark.parametrize("jump", [-10.0, 0.0, HOUR, 24 * HOUR, 365 * 24 * HOUR, 30.0])
def test_leases_and_retries_of_a_clock_that_was_ahead_do_not_block(gatehouse: world.World, jump: float) -> None:
    now = time.time()
    holds = 0 < jump < 60
    AuditDestination.objects.create(
        name="siem", to="https://siem.example", format="jsonl", enabled=True, lease_until=now + jump
    )
    from authz.evidence import delivery

    found = AuditDestination.objects.filter(delivery._is_up(now), enabled=True)
    assert found.exists() is not holds
    url = "https://client.example/client.json"
    document = Document.objects.create(url=url, host="client.example", origin=url[:-12], lease_until=now + jump)
    assert leases._is_leased(url, now) is holds
    document.delete()


@pytest.mark.django_db
def test_a_message_that_a_clock_put_off_for_a_year_is_sent(gatehouse: world.World) -> None:
    from authz.notifications import delivery as notification_delivery

    now = datetime.now(UTC)
    made = Notification.objects.create(message=uuid4(), kind="x", recipient=world.person("bob"), created=now, due=now)
    for due, is_claimed in [
        (now + timedelta(days=365), True),
        (now + timedelta(hours=20), False),
        (now + timedelta(hours=31), True),
        (now, True),
        (now - timedelta(days=1), True),
        (now + timedelta(minutes=1), False),
    ]:
        Notification.objects.filter(pk=made.pk).update(due=due)
        assert bool(notification_delivery._claim(now)) is is_claimed, due


@pytest.mark.parametrize(
    ("ahead", "fresh"), [(-1.0, False), (60.0, True), (HOUR, True), (24 * HOUR, True), (25 * HOUR, False), (1e9, False)]
)
def test_a_document_is_not_fresh_for_longer_than_any_may_be(ahead: float, *, fresh: bool) -> None:
    now = time.time()
    assert discovery.is_fresh(now + ahead, now) is fresh


@pytest.mark.django_db
def test_a_node_ahead_does_not_empty_the_windows_that_others_count_in(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    minute = int(now // 60)
    FetchWindow.objects.create(scope="new", minute=minute, count=120)
    monkeypatch.setattr(clocks, "apart", lambda: -HOUR)
    monkeypatch.setattr(time, "time", lambda: now + HOUR)
    cimd_housekeeping.run()
    assert FetchWindow.objects.get().count == 120


def test_foreign_keys_are_not_fresh_for_longer_because_a_clock_was_set_back(clock: Clock) -> None:
    bounds, entry = remote_keys.BOUNDS, remote_documents.Entry[None]()
    answer = remote_documents.Answer(None, {"cache-control": "max-age=60"}, "https://a.example/jwks", time.time())
    entry.arrived(answer, bounds)
    for ahead in (0.0, -HOUR, HOUR, -24 * HOUR, 24 * HOUR, -365 * 24 * HOUR):
        clock.ahead = ahead
        assert is_fresh(entry, time.monotonic(), bounds)
        assert not is_fresh(entry, time.monotonic() + 61, bounds)


@pytest.mark.django_db
def test_what_still_holds_by_the_right_clock_is_not_removed_by_one_that_is_ahead(
    gatehouse: world.World, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """Sessions and codes, too: a wrong clock signs no one out."""
    now = datetime.now(UTC)
    housekeeping.run()
    BrowserSession.objects.create(digest="live", session_data="", expire_date=now + timedelta(hours=1))
    UsedAssertion.objects.create(digest="live", expires=now + timedelta(minutes=5))
    clock.ahead = 30 * HOUR
    housekeeping.run()
    assert BrowserSession.objects.filter(digest="live").exists()
    assert UsedAssertion.objects.filter(digest="live").exists()
