"""Sealing: a final order without gaps or doubles, also with crashes and concurrent sealers; and no writer waits."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, transaction
from pytest import MonkeyPatch

from authz import audit
from authz.evidence import delivery, horizon, leaves, sealer
from authz.models import AuditDestination, AuditEvent, AuditSegment, CheckpointKey
from tests.evidence.conftest import findings
from tests.support import append_only

Write = Callable[[int], list[int]]


def sealed_ids() -> list[int]:
    return [
        int.from_bytes(bytes(ids)[at : at + 8], "big", signed=True)
        for ids in AuditSegment.objects.order_by("start").values_list("ids", flat=True)
        for at in range(0, len(bytes(ids)), 8)
    ]


@pytest.mark.django_db
def test_every_event_is_sealed_once_in_bounded_runs(write: Write, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(sealer, "SEGMENT", 10)
    ids = write(25)
    sealer.run()
    assert [row.size - row.start for row in AuditSegment.objects.order_by("start")] == [10, 10, 5]
    sealer.run()  # the event about the key, which was written meanwhile
    ids.append(AuditEvent.objects.get(event="key:checkpoint:published").id)
    sealer.run()
    assert sealed_ids() == ids
    assert findings() == []


@pytest.mark.django_db
def test_a_crash_in_the_middle_leaves_nothing_behind(write: Write, monkeypatch: MonkeyPatch) -> None:
    ids = write(5)
    sealer.run()
    write(5)

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr("authz.evidence.sealer.sign", die)
        with pytest.raises(Killed):
            sealer.run()
    assert sealed_ids() == ids
    sealer.run()
    assert sealed_ids() == sorted(AuditEvent.objects.values_list("id", flat=True))
    assert findings() == []


@pytest.mark.django_db(transaction=True)
def test_concurrent_sealers_act_as_one(write: Write, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(sealer, "SEGMENT", 20)
    write(100)
    barrier = threading.Barrier(4)
    failures: list[BaseException] = []

    def node() -> None:
        try:
            barrier.wait()
            sealer.run()
        except BaseException as error:  # told below
            failures.append(error)
        finally:
            connection.close()

    nodes = [threading.Thread(target=node) for _ in range(4)]
    for thread in nodes:
        thread.start()
    for thread in nodes:
        thread.join()
    assert failures == []
    for _ in range(2):
        sealer.run()
    assert CheckpointKey.objects.count() == 1
    assert sealed_ids() == sorted(AuditEvent.objects.values_list("id", flat=True))
    assert findings() == []


@pytest.mark.django_db(transaction=True)
def test_an_event_that_appears_below_later_ones_is_waited_for(write: Write, monkeypatch: MonkeyPatch) -> None:
    """On PostgreSQL an id is taken before its row can be seen. On SQLite there is one writer, so it cannot happen."""
    if connection.vendor != "postgresql":
        return
    monkeypatch.setattr(horizon, "TIMEOUT_SECONDS", 0.2)
    write(3)
    began, commit = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            audit.record(audit.Event.SIGNED_OUT, client_id="slow")
            began.set()
            commit.wait(60)
        connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    began.wait(10)
    before = time.monotonic()
    write(3)  # no writer waits
    assert time.monotonic() - before < 30
    assert horizon.horizon() is None
    sealer.run()
    assert sealed_ids() == []
    commit.set()
    writer.join()
    sealer.run()
    assert sealed_ids() == sorted(AuditEvent.objects.exclude(event__startswith="key:").values_list("id", flat=True))
    assert [event.get("client_id") for event in map(leaves.decode, lines())].index("slow") == 3
    assert findings() == []


def lines() -> Iterator[bytes]:
    return (line for _, line in leaves.read())


@pytest.mark.django_db(transaction=True)
def test_under_load_no_event_is_ever_left_out(write: Write) -> None:
    stop = threading.Event()

    def writer() -> None:
        while not stop.is_set():
            with transaction.atomic():
                audit.record(audit.Event.SIGNED_IN)
                audit.record(audit.Event.SIGNED_OUT)
        connection.close()

    writers = [threading.Thread(target=writer) for _ in range(3)]
    for thread in writers:
        thread.start()
    for _ in range(10):
        sealer.run()
        time.sleep(0.02)
    stop.set()
    for thread in writers:
        thread.join()
    sealer.run()
    assert sealed_ids() == sorted(AuditEvent.objects.values_list("id", flat=True))
    assert findings() == []


@pytest.mark.django_db
def test_the_line_of_an_event_is_the_same_on_both_databases() -> None:
    detail = {"z": 1, "a": {"ä": [True, None, "\n"]}}
    audit.record(audit.Event.TOKEN_ISSUED, client_id="agent", subject='"quoted"', detail=detail)
    event = AuditEvent.objects.get()
    with append_only.lifted():
        AuditEvent.objects.filter(pk=event.pk).update(time="2026-01-02T03:04:05Z")
    [(_, line)] = leaves.read()
    assert line.decode() == (
        '{"client_id":"agent","detail":{"a":{"\\u00e4":[true,null,"\\n"]},"z":1},"event":"token:access:issued",'
        f'"id":{event.pk},"subject":"\\"quoted\\"","time":"2026-01-02T03:04:05.000000Z"}}'
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE authz_auditsegment SET checkpoint = ''",
        "DELETE FROM authz_auditsegment",
        "DELETE FROM authz_auditevent",
        "DELETE FROM authz_auditevent WHERE id = (SELECT MIN(id) FROM authz_auditevent)",
        "INSERT INTO authz_auditarchive (start, size, last_id, file, digest, frontier, checkpoint, archived)"
        " VALUES (0, 1000, 1000, '', '', '', '', '2026-01-01')",
    ],
)
def test_the_database_refuses_to_change_or_remove_a_seal(write: Write, statement: str) -> None:
    write(3)
    sealer.run()
    refused = pytest.raises(Exception, match=r"append-only|only sealed events")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditSegment.objects.count() == 1


@pytest.mark.django_db
def test_the_lag_is_in_the_metrics(write: Write) -> None:
    write(3)
    with append_only.lifted():
        AuditEvent.objects.update(time="2026-01-01T00:00:00Z")
    assert sealer.measures()["gatehouse_audit_unsealed_events"][1] == 3
    assert sealer.measures()["gatehouse_audit_seal_lag_seconds"][1] > 1000
    sealer.run()
    sealer.run()
    assert sealer.measures()["gatehouse_audit_unsealed_events"][1] == 0
    assert delivery.measures()["gatehouse_audit_untold_events"][1] == 0
    AuditDestination.objects.create(name="siem", format="cef", to="file:a", failures=1)
    assert [value for _, value in delivery.measures().values()] == [4, 1]
