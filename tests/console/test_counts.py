"""The figures of the home page: counted once by any process, including the latest events."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from authz.audit import counts
from authz.audit.counts import DAY, HOUR, Dimension, Figures, slot
from authz.models import AuditEvent, EventCount, EventCountMark
from tests.support import append_only

NOW = datetime.now(UTC).replace(minute=30)
ISSUED, REFUSED = "token:access:issued", "token:access:refused"


def happened(hours_ago: float, event: str = ISSUED, *, agent: str = "agent-x", reason: str = "") -> AuditEvent:
    return AuditEvent.objects.create(
        time=NOW - timedelta(hours=hours_ago), event=event, client_id=agent, reason=reason,
        resource="https://mcp.example.com/", detail={"grant_type": "client_credentials"},
    )  # fmt: skip


@pytest.fixture
def month(db: None) -> None:
    with append_only.lifted():
        AuditEvent.objects.all().delete()
    for days in (400, 20, 6, 3, 0.1):
        happened(24 * days)
        happened(24 * days, REFUSED, reason="code_expired")
    happened(0.05, agent="agent-y")


def days(many: int) -> list[str]:
    return [slot(NOW - timedelta(days=n), DAY) for n in range(many)]


def seen(figures: Figures) -> dict[str, object]:
    return {dimension.value: figures.ranking(dimension, 6) for dimension in Dimension}


@pytest.mark.usefixtures("month")
def test_figures_are_the_same_whether_counted_before_or_on_demand() -> None:
    fresh = [seen(Figures(days(many))) for many in (1, 7, 30)]
    counts.run()
    assert EventCountMark.objects.get().counted_to > 0

    counted = [seen(Figures(days(many))) for many in (1, 7, 30)]

    assert counted == fresh
    assert fresh[2]["grant"] == [("client_credentials", 5)]
    assert fresh[2]["reason"] == [("code_expired", 4)]
    assert fresh[2]["agent"] == [("agent-x", 4), ("agent-y", 1)]


@pytest.mark.usefixtures("month")
def test_what_happened_since_is_added_to_what_was_counted() -> None:
    counts.run()
    for _ in range(5):
        happened(0, agent="agent-y")
    happened(0, agent="agent-z")

    ranking = Figures(days(30)).ranking(Dimension.AGENT, 6)

    assert ranking == [("agent-y", 6), ("agent-x", 4), ("agent-z", 1)]


@pytest.mark.usefixtures("month")
def test_counting_again_counts_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "BATCH", 2)
    counts.run()
    before = sorted(EventCount.objects.values_list("dimension", "slot", "value", "n"))

    counts.run()

    assert sorted(EventCount.objects.values_list("dimension", "slot", "value", "n")) == before


def test_what_a_slow_transaction_may_yet_add_is_not_counted_before_it_is_a_minute_old(db: None) -> None:
    with append_only.lifted():
        AuditEvent.objects.all().delete()
    old = happened(1)
    AuditEvent.objects.create(time=datetime.now(UTC), event=ISSUED, client_id="young")

    counts.run()

    assert EventCountMark.objects.get().counted_to == old.pk


def test_hours_are_kept_for_days_and_days_for_a_year(month: None) -> None:
    counts.run()
    kept = {
        len(name)
        for name in EventCount.objects.filter(slot__lt=slot(NOW - timedelta(days=4), DAY)).values_list(
            "slot", flat=True
        )
    }
    assert kept == {DAY}
    EventCount.objects.create(
        dimension="grant", slot=slot(NOW - counts.KEPT_HOURS - timedelta(hours=2), HOUR), value="x", n=1
    )
    EventCount.objects.create(
        dimension="grant", slot=slot(NOW - counts.KEPT_DAYS - timedelta(days=2), DAY), value="x", n=1
    )

    counts.forget(NOW)

    assert not EventCount.objects.filter(value="x").exists()


def test_figures_that_lag_say_so_and_count_no_more_than_a_bounded_tail(
    month: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "LONGEST_TAIL", 2)

    figures = Figures(days(30))

    assert figures.is_behind
    assert sum(n for _, n in figures.ranking(Dimension.GRANT, 6)) <= 2


@pytest.mark.parametrize("value", ["ü" * 1024, "https://agent.example.com/" + "x" * 998])
def test_the_longest_name_fits_an_index(db: None, value: str) -> None:
    happened(1, agent=value)

    counts.run()

    assert EventCount.objects.filter(dimension="agent", value=value[: 500 if "ü" in value else 1024]).exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_who_count_at_once_one_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(40):
        happened(1)
    EventCountMark.objects.bulk_create([EventCountMark(pk=1)], ignore_conflicts=True)
    end = AuditEvent.objects.latest("id").pk + 1
    together = threading.Barrier(4)

    def count() -> None:
        together.wait()
        counts.count_next(end)
        connection.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {row.n for row in EventCount.objects.filter(dimension="agent")} == {40}
