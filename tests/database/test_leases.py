"""Leases: renewed while the work goes on, never taken back once another process has them."""

import threading
import time

import pytest
from django.db import DatabaseError

from authz.database import leases
from authz.models import PeriodicTask
from tests.support.races import at_once

NAME = "work"


def take(until: float) -> leases.Held:
    PeriodicTask.objects.update_or_create(name=NAME, defaults={"lease_until": until})
    return leases.Held(PeriodicTask.objects.filter(name=NAME), until, lambda: 1000.0)


def lease_until() -> float:
    return PeriodicTask.objects.get(name=NAME).lease_until


@pytest.mark.django_db
def test_a_lease_is_moved_ahead_from_now_and_ended_with_the_result() -> None:
    held = take(1003.0)
    assert held.renew()
    assert lease_until() == 1000.0 + leases.LEASE
    assert held.release(succeeded=1001.0)
    row = PeriodicTask.objects.get(name=NAME)
    assert (row.lease_until, row.succeeded) == (0, 1001.0)


@pytest.mark.django_db
def test_a_lease_that_another_process_has_taken_is_neither_renewed_nor_ended(caplog: pytest.LogCaptureFixture) -> None:
    held = take(1003.0)
    PeriodicTask.objects.update(lease_until=1011.0, holder="another")
    assert not held.renew()
    assert not held.release(failures=1, holder="")
    row = PeriodicTask.objects.get(name=NAME)
    assert (row.lease_until, row.holder, row.failures) == (1011.0, "another", 0)
    assert "another process has taken it over" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_renewed_while_the_work_goes_on_also_after_the_database_was_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.02)
    began, tries, renew = time.time(), iter(range(100_000)), leases.Held.renew

    def away_at_first(held: leases.Held) -> bool:
        if next(tries) == 0:
            raise DatabaseError
        return renew(held)

    monkeypatch.setattr(leases.Held, "renew", away_at_first)
    take(began)
    with leases.renewed(PeriodicTask.objects.filter(name=NAME), began, time.time) as held:
        deadline = time.monotonic() + 20
        while lease_until() < began + leases.LEASE and time.monotonic() < deadline:
            time.sleep(0.02)
    assert lease_until() >= began + leases.LEASE
    assert held.release()
    assert "lease" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.django_db(transaction=True)
def test_of_a_renewal_and_a_takeover_at_once_exactly_one_succeeds() -> None:
    """Each is one conditional statement on the same value."""
    for _ in range(20):
        held = take(999.0)

        def take_over() -> bool:
            return bool(PeriodicTask.objects.filter(name=NAME, lease_until=999.0).update(lease_until=1010.0))

        assert sorted(at_once([held.renew, take_over])) == [False, True]
