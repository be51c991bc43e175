"""Periodic tasks: each runs when it is due, once however many nodes look, and a broken one stops no other."""

import os
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from authz import registry
from authz.database import replay
from authz.models import AccessRequest, Authorization, BrowserSession, Generation, PeriodicTask, UsedAssertion
from authz.operations import housekeeping, periodic
from authz.telemetry import process_names
from tests.support import append_only, world
from tests.support.races import at_once


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> dict[str, SimpleNamespace]:
    ran: list[str] = []

    def breaks() -> None:
        raise RuntimeError("out of paper")

    tasks = {
        "broken": SimpleNamespace(EVERY=10.0, run=breaks, ran=ran),
        "works": SimpleNamespace(EVERY=10.0, run=lambda: ran.append("works"), ran=ran),
    }
    monkeypatch.setattr(registry, "periodic_tasks", lambda: tasks)
    return tasks


@pytest.mark.django_db
def test_a_task_runs_when_it_is_due_and_a_broken_one_stops_no_other(tasks: dict[str, SimpleNamespace]) -> None:
    assert periodic.run_due(lambda: 1000.0) == ["broken", "works"]
    assert periodic.run_due(lambda: 1009.0) == []
    assert periodic.run_due(lambda: 1010.0) == ["broken", "works"]
    broken = PeriodicTask.objects.get(name="broken")
    assert (broken.failures, broken.failure, broken.succeeded) == (2, "RuntimeError: out of paper", 0)
    assert PeriodicTask.objects.get(name="works").succeeded == 1010.0


@pytest.mark.django_db(transaction=True)
def test_a_task_that_hangs_holds_up_no_other(tasks: dict[str, SimpleNamespace]) -> None:
    """A webhook that drips stopped sealing and housekeeping (attack 41)."""
    over, ran, looks = threading.Event(), threading.Event(), 0
    begun: list[str] = []

    def hangs() -> None:
        begun.append("hangs")
        over.wait(30)

    tasks |= {
        "broken": SimpleNamespace(EVERY=0.05, run=hangs),
        "works": SimpleNamespace(EVERY=0.05, run=lambda: begun.append("works") or ran.set()),
    }

    def is_over(_: float) -> bool:
        nonlocal looks
        looks += 1
        time.sleep(0.1)
        return looks > 100 or begun.count("works") >= 3

    try:
        periodic.go_on(is_over)
        assert begun.count("works") >= 3
        assert begun.count("hangs") == 1  # and is not begun again meanwhile
    finally:
        over.set()
        for thread in threading.enumerate():
            if thread.name in tasks:
                thread.join(10)


@pytest.mark.django_db
def test_a_lease_ends_by_itself_when_its_holder_died(tasks: dict[str, SimpleNamespace]) -> None:
    periodic.run_due(lambda: 1000.0)
    PeriodicTask.objects.filter(name="works").update(lease_until=1010.0 + periodic.LEASE)
    assert "works" not in periodic.run_due(lambda: 1011.0)
    assert "works" in periodic.run_due(lambda: 1010.0 + periodic.LEASE)


@pytest.mark.django_db(transaction=True)
def test_of_many_nodes_one_runs_a_task(tasks: dict[str, SimpleNamespace]) -> None:
    del tasks["broken"]
    barrier = threading.Barrier(8)

    def node() -> None:
        barrier.wait()
        periodic.run_due(lambda: 1000.0)
        connection.close()

    nodes = [threading.Thread(target=node) for _ in range(8)]
    for thread in nodes:
        thread.start()
    for thread in nodes:
        thread.join()
    assert tasks["works"].ran == ["works"]


@pytest.mark.django_db
def test_housekeeping_removes_expired_rows_and_nothing_else() -> None:
    now = datetime.now(UTC)
    for name, age in [("old", timedelta(hours=1)), ("recent", timedelta(minutes=5)), ("live", -timedelta(minutes=1))]:
        UsedAssertion.objects.create(digest=name, expires=now - age)
        BrowserSession.objects.create(digest=name, session_data="", expire_date=now - age)
    housekeeping.run()
    assert set(UsedAssertion.objects.values_list("digest", flat=True)) == {"recent", "live"}
    assert set(BrowserSession.objects.values_list("digest", flat=True)) == {"live"}


DAY = timedelta(days=1)


def grant(age: timedelta, *, username: str = "bob", **fields: Any) -> Authorization:
    """An authorization made `age` ago; times among the fields are ages, too."""
    now = datetime.now(UTC)
    moments = {name: now - value for name, value in fields.items() if isinstance(value, timedelta)}
    return Authorization.objects.create(
        client=world.client("desktop-app"),
        user=world.person(username) if username else None,
        grant_type="authorization_code",
        created=now - age,
        **{**fields, **moments},
    )


def test_authorizations_that_ended_long_ago_are_removed_and_live_ones_stay(gatehouse: world.World) -> None:
    gone = [
        grant(200 * DAY, revoked=91 * DAY, expires=-30 * DAY),
        grant(200 * DAY, expires=91 * DAY),
        grant(91 * DAY, expires=None),  # a token of an ID-JAG, that nothing refreshes
        grant(200 * DAY, username="", revoked=91 * DAY),
    ]
    stay = [
        grant(200 * DAY, revoked=89 * DAY),
        grant(200 * DAY, expires=89 * DAY),
        grant(170 * DAY, expires=-DAY),
        grant(89 * DAY, expires=None),
        grant(400 * DAY, username=""),  # a machine's: it is live until it is ended
    ]
    housekeeping.run()
    left = set(Authorization.objects.values_list("pk", flat=True))
    assert not left & {row.pk for row in gone}
    assert left >= {row.pk for row in stay}


def test_a_refresh_token_of_a_grant_that_was_tidied_away_is_refused(gatehouse: world.World) -> None:
    refresh_token = gatehouse.signed_in_tokens()["refresh_token"]
    long_ago = datetime.now(UTC) - 200 * DAY
    Authorization.objects.update(created=long_ago, revoked=long_ago)
    housekeeping.run()
    assert not Authorization.objects.exists()
    assert gatehouse.refresh(refresh_token).status_code == 400


def test_removing_a_machines_ended_authorization_keeps_the_cache_and_a_live_one_clears_it(
    gatehouse: world.World,
) -> None:
    """Each process caches the ids of machines' authorizations; housekeeping must not clear all caches."""
    grant(200 * DAY, username="", revoked=91 * DAY)
    live = grant(200 * DAY, username="")
    before = Generation.objects.get().value
    housekeeping.run()
    assert Generation.objects.get().value == before
    append_only.drop()
    live.delete()
    assert Generation.objects.get().value != before


def test_access_requests_are_kept_for_a_year_after_they_were_closed(gatehouse: world.World) -> None:
    now = datetime.now(UTC)

    def request(status: str, asked: int, decided: int | None = None, expires: int | None = None) -> AccessRequest:
        return AccessRequest.objects.create(
            digest=f"{status} {asked} {decided} {expires}",
            status=status,
            client=world.client("desktop-app"),
            grant_type="authorization_code",
            first_asked=now - asked * DAY,
            last_asked=now - asked * DAY,
            decided=None if decided is None else now - decided * DAY,
            expires=None if expires is None else now - expires * DAY,
        )

    gone = [request("denied", 400, 399, 390), request("expired", 400), request("open", 400)]
    gone.append(request("approved", 500, 499, 480))
    stay = [request("denied", 400, 300), request("open", 10), request("approved", 400, 399, 300)]
    stay.append(request("approved", 400, 399, -5))
    housekeeping.run()
    assert not AccessRequest.objects.filter(pk__in=[row.pk for row in gone]).exists()
    assert AccessRequest.objects.filter(pk__in=[row.pk for row in stay]).count() == len(stay)


def test_it_goes_in_batches_of_each_kind_in_turn_until_its_time_is_over(
    gatehouse: world.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = datetime.now(UTC) - DAY
    UsedAssertion.objects.bulk_create([UsedAssertion(digest=str(number), expires=over) for number in range(5)])
    BrowserSession.objects.create(digest="over", session_data="", expire_date=over)
    monkeypatch.setattr(housekeeping, "BATCH", 2)
    turns = iter([0.0, 1.0, 2.0, 99.0])
    monkeypatch.setattr(housekeeping.time, "monotonic", lambda: next(turns))
    assert housekeeping.run() is True
    monkeypatch.undo()
    assert UsedAssertion.objects.count() == 1
    assert not BrowserSession.objects.exists()
    assert housekeeping.run() is False
    assert not UsedAssertion.objects.exists()


@pytest.mark.django_db
def test_a_task_that_has_left_something_is_due_again_in_a_moment(tasks: dict[str, SimpleNamespace]) -> None:
    tasks["works"].run = lambda: True
    periodic.run_due(lambda: 1000.0)
    assert PeriodicTask.objects.get(name="works").due == 1000.0 + periodic.POLL_SECONDS


@pytest.mark.django_db(transaction=True)
def test_housekeeping_is_faster_than_the_use_of_assertions() -> None:
    """Three thousand a second at the most (docs/decisions/0011-event-loop-and-workers.md): what removes them has to
    keep up.
    """
    ends = datetime.now(UTC).timestamp() + 60
    began = time.perf_counter()
    for number in range(300):
        assert replay.claim("https://issuer.example", str(number), ends)
    claiming = (time.perf_counter() - began) / 300
    over, many = datetime.now(UTC) - timedelta(hours=1), 30_000
    UsedAssertion.objects.bulk_create(
        [UsedAssertion(digest=sha256(str(number).encode()).hexdigest(), expires=over) for number in range(many)],
        batch_size=400,
    )
    began = time.perf_counter()
    while housekeeping.run():
        pass
    removing = (time.perf_counter() - began) / many
    assert UsedAssertion.objects.count() == 300
    assert removing < claiming / 2


def test_sign_ins_whose_browser_session_is_over_are_forgotten(gatehouse: world.World) -> None:
    from xaa import housekeeping as of_xaa
    from xaa.models import Session as SignIn

    now = datetime.now(UTC)
    for key, ends in [("live", now + DAY), ("over", now - DAY)]:
        BrowserSession.objects.create(digest=key, session_data="", expire_date=ends)
    for key in ("live", "over", "gone"):
        SignIn.objects.create(digest=key, user=world.person("bob"))
    of_xaa.run()
    assert set(SignIn.objects.values_list("digest", flat=True)) == {"live"}


def leased(holder: str) -> None:
    PeriodicTask.objects.update_or_create(
        name="works", defaults={"due": 1000.0, "lease_until": 1000.0 + periodic.LEASE, "holder": holder}
    )


@pytest.mark.django_db
def test_the_lease_of_a_process_that_has_ended_is_taken_at_once(tasks: dict[str, SimpleNamespace]) -> None:
    """A node that was killed and started again goes on sealing at once, and not a minute later."""
    leased(f"{socket.gethostname()}/{os.getpid()}/1")
    assert "works" in periodic.run_due(lambda: 1001.0)
    row = PeriodicTask.objects.get(name="works")
    assert (row.lease_until, row.holder, row.due) == (0, "", 1011.0)


@pytest.mark.django_db
@pytest.mark.parametrize("holder", ["ours", "", "elsewhere/17/4711", "elsewhere"])
def test_the_lease_of_one_that_may_be_running_is_not(holder: str, tasks: dict[str, SimpleNamespace]) -> None:
    leased(process_names.own() if holder == "ours" else holder)
    assert "works" not in periodic.run_due(lambda: 1001.0)
    assert "works" in periodic.run_due(lambda: 1000.0 + periodic.LEASE)


@pytest.mark.django_db
def test_a_tasks_row_names_the_process_that_runs_it(tasks: dict[str, SimpleNamespace]) -> None:
    held = []
    tasks["works"].run = lambda: held.append(PeriodicTask.objects.get(name="works").holder)
    periodic.run_due(lambda: 1000.0)
    assert held == [process_names.own()]


@pytest.mark.django_db(transaction=True)
def test_of_many_that_find_the_lease_of_one_that_has_ended_one_takes_it(tasks: dict[str, SimpleNamespace]) -> None:
    del tasks["broken"]
    leased(f"{socket.gethostname()}/{os.getpid()}/1")
    at_once([lambda: periodic.run_due(lambda: 1001.0)] * 8)
    assert tasks["works"].ran == ["works"]
