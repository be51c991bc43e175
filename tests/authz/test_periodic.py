"""Periodic tasks: each runs when it is due, once however many nodes look, and a broken one stops no other."""

import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.contrib.sessions.models import Session
from django.db import connection

from authz import housekeeping, periodic, registry
from authz.models import PeriodicTask, UsedAssertion


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
def test_housekeeping_removes_what_is_over_and_nothing_else() -> None:
    now = datetime.now(UTC)
    for name, age in [("old", timedelta(hours=1)), ("recent", timedelta(minutes=5)), ("live", -timedelta(minutes=1))]:
        UsedAssertion.objects.create(digest=name, expires=now - age)
        Session.objects.create(session_key=name, session_data="", expire_date=now - age)
    housekeeping.run()
    assert set(UsedAssertion.objects.values_list("digest", flat=True)) == {"recent", "live"}
    assert set(Session.objects.values_list("session_key", flat=True)) == {"live"}
