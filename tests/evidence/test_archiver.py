"""Retention: events are archived before they are removed, also if a process dies in between, and can be proved as
before.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from authz.evidence import archive_files, archiver, checkpoint_keys, merkle, proofs, sealer
from authz.evidence.verify import verify
from authz.models import AuditArchive, AuditDestination, AuditEvent, AuditSegment
from tests.evidence.conftest import attack, findings, kinds
from tests.evidence.test_proofs import offline
from tests.support import append_only

Write = Callable[[int], list[int]]


@pytest.fixture
def old(sealed: list[int], settings: Any) -> list[int]:
    """The first 21 of 31 events were sealed long ago. Their ids."""
    settings.GATEHOUSE = {**settings.GATEHOUSE, "AUDIT_RETENTION_DAYS": 30}
    with append_only.lifted():
        AuditSegment.objects.filter(size__lte=21).update(sealed=datetime.now(UTC) - timedelta(days=40))
    return sealed[:21]


def the_file(folder: Path) -> Path:
    return folder / AuditArchive.objects.get().file


def test_old_events_move_into_an_archive_and_stay_provable(
    sealed: list[int], old: list[int], audit_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = proofs.latest()
    archiver.run()
    assert sorted(AuditEvent.objects.filter(id__lte=sealed[-1]).values_list("id", flat=True)) == sealed[21:]
    assert AuditSegment.objects.count() == 3
    sealer.run()
    report = verify(checkpoint_keys.verifiers(), kept=[kept], archives=audit_directory)
    assert (report.findings, report.events, report.checkpoints) == ([], 32, 1)
    [event] = AuditEvent.objects.filter(event="audit:events:archived")
    assert event.detail["sha256"] == archive_files.digest(the_file(audit_directory))
    for place in (0, 13, 20, 21, 30):
        call_command("audit", "proof", str(sealed[place]))
        told = offline(tmp_path, capsys.readouterr().out, str(checkpoint_keys.current().verifier))
        assert told.returncode == 0
    call_command("audit", "export")
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == [*sealed, event.id]
    archiver.run()
    assert AuditArchive.objects.count() == 1


def test_an_auditor_proves_an_archived_event_against_a_checkpoint_of_then(
    sealed: list[int], old: list[int], tmp_path: Path, audit_directory: Path
) -> None:
    then, key = AuditSegment.objects.get(size=14).checkpoint, str(checkpoint_keys.current().verifier)
    archiver.run()
    verifiers = checkpoint_keys.verifiers()
    proof = proofs.inclusion(sealed[3], verifiers, audit_directory, then)
    assert offline(tmp_path, json.dumps(proof), key).returncode == 0
    proof = proofs.consistency(then, None, verifiers, audit_directory)
    assert offline(tmp_path, json.dumps(proof), key).returncode == 0


def test_the_tree_goes_on_after_everything_was_archived(sealed: list[int], old: list[int], write: Write) -> None:
    with append_only.lifted():
        AuditSegment.objects.update(sealed=datetime.now(UTC) - timedelta(days=40))
    archiver.run()
    assert AuditSegment.objects.count() == 0
    write(3)
    sealer.run()
    assert AuditSegment.objects.order_by("-start").first().size == 35
    assert findings() == []


def test_events_that_were_changed_are_neither_archived_nor_removed(old: list[int], audit_directory: Path) -> None:
    attack("UPDATE authz_auditevent SET subject = 'x' WHERE id = %s", old[3])
    with pytest.raises(archiver.RetentionError, match=f"event {old[3]} is not as it was sealed"):
        archiver.run()
    assert not audit_directory.exists()
    assert kinds() == [("changed", old[3])]


def test_young_events_and_undelivered_ones_stay(sealed: list[int], old: list[int], write: Write) -> None:
    row = AuditDestination.objects.create(name="siem", format="jsonl", to="file:a", position=10)
    archiver.run()
    assert AuditArchive.objects.get().size == 7
    row.position = 31
    row.save()
    archiver.run()
    assert AuditArchive.objects.order_by("-start").first().size == 21
    assert findings() == []


def test_few_events_wait_until_a_day_of_them_is_there(sealed: list[int], settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "AUDIT_RETENTION_DAYS": 30}
    with append_only.lifted():
        AuditSegment.objects.update(sealed=datetime.now(UTC) - timedelta(days=30, hours=5))
    archiver.run()
    assert AuditArchive.objects.count() == 0


def test_without_retention_nothing_ever_goes(sealed: list[int]) -> None:
    with append_only.lifted():
        AuditSegment.objects.update(sealed=datetime.now(UTC) - timedelta(days=4000))
    archiver.run()
    assert AuditArchive.objects.count() == 0


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["unit_of_work", "_read_back", "remove_archived", "_remove_batch"])
def test_a_crash_at_any_moment_loses_nothing(
    sealed: list[int], old: list[int], moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiver, "BATCH", 5)
    original = getattr(archiver, moment)
    calls = iter(range(1, 100))

    def die(*arguments: Any) -> Any:
        if moment == "_remove_batch" and next(calls) < 3:
            return original(*arguments)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(archiver, moment, die)
        with pytest.raises(Killed):
            archiver.run()
    assert findings() == []
    archiver.run()
    assert AuditEvent.objects.filter(id__lte=sealed[20]).count() == 0
    assert findings() == []


def test_without_its_file_no_row_is_removed(old: list[int], audit_directory: Path) -> None:
    made = archiver.archive(datetime.now(UTC) - timedelta(days=30))
    path = the_file(audit_directory)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(archive_files.ArchiveError):
        archiver.remove_archived()
    assert made is not None and AuditEvent.objects.filter(id__lte=made.last_id).count() == 21
    path.with_suffix(".away").rename(path)
    archiver.remove_archived()
    assert AuditEvent.objects.filter(id__lte=made.last_id).count() == 0


def spoil(path: Path, was: str, becomes: str) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(was.encode(), becomes.encode())))


def test_changed_and_removed_events_of_an_archive_are_named(
    sealed: list[int], old: list[int], audit_directory: Path
) -> None:
    archiver.run()
    path = the_file(audit_directory)
    whole = path.read_bytes()
    spoil(path, '"agent-3"', '"agent-0"')
    assert kinds() == [("changed", sealed[3])]
    path.write_bytes(whole)
    lines = gzip.decompress(whole).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(line for line in lines if f'"id":{sealed[5]},'.encode() not in line)))
    assert kinds() == [("removed", sealed[5])]
    path.write_bytes(whole[: len(whole) // 2])
    assert [kind for kind, _ in kinds()][-1] == "archive"
    path.unlink()
    assert [kind for kind, _ in kinds()] == ["archive"]
    # What lies after it is proved without it.
    later = verify(checkpoint_keys.verifiers(), since_id=sealed[21], archives=audit_directory)
    assert (later.findings, later.events) == ([], 10)


def test_an_archive_with_a_seal_of_its_own_is_not_the_one_that_was_signed(
    sealed: list[int], old: list[int], audit_directory: Path
) -> None:
    archiver.run()
    path = the_file(audit_directory)
    runs = list(archive_files.read(path))
    first, events = runs[0]
    forged = [(i, line.replace(b'"agent-3"', b'"agent-0"')) for i, line in events]
    hashes = b"".join(merkle.leaf_hash(line) for _, line in forged)
    archive_files.write(path, [(replace(first, leaves=hashes), forged), *runs[1:]])
    assert next(kind for kind, _ in kinds()) == "seal"


@pytest.mark.django_db(transaction=True)
def test_triggers_allow_the_removal_of_archived_rows_only(
    write: Write, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "AUDIT_RETENTION_DAYS": 30}
    monkeypatch.setattr(sealer, "SEGMENT", 5)
    ids = write(12)
    sealer.run()
    with append_only.lifted():
        AuditSegment.objects.filter(size__lte=10).update(sealed=datetime.now(UTC) - timedelta(days=40))
    archiver.run()
    assert AuditEvent.objects.filter(id__lte=ids[9]).count() == 0
    assert AuditSegment.objects.count() == 1
    for statement in (
        "DELETE FROM authz_auditevent",
        f"DELETE FROM authz_auditevent WHERE id = {ids[10]}",  # noqa: S608
        "DELETE FROM authz_auditsegment",
        "DELETE FROM authz_auditarchive",
        "UPDATE authz_auditarchive SET last_id = 1000000",
        "INSERT INTO authz_auditarchive (start, size, last_id, file, digest, frontier, checkpoint, archived)"
        " VALUES (10, 1000, 1000, '', '', '', '', '2026-01-01')",
    ):
        refused = pytest.raises(Exception, match=r"append-only|only sealed")
        with refused, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert AuditEvent.objects.filter(id__in=ids).count() == 2
    assert findings() == []
