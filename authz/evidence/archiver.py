"""Retention (a scheduled task): old events move into archives, and only then out of the database.

Before a row is removed it is proved to be as it was sealed, and written to a file with its seal; the file is read back
and compared with the signed checkpoint. The row of `AuditArchive` is the mark below which the triggers allow removal
(authz/models/archive_triggers.py). It can only be set where a sealed segment ends, and is recorded in the audit. No row
is removed before each destination has received it.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import IntegrityError, connection
from django.db.models import Min

from authz import audit
from authz.conf import conf
from authz.database import clocks
from authz.database.transactions import unit_of_work
from authz.evidence import archive_files, checkpoint_keys, leaves, merkle, segments
from authz.evidence.comparison import compare, under_another_id
from authz.evidence.notes import open_note
from authz.evidence.verify import verify
from authz.models import AuditArchive, AuditDestination, AuditEvent, AuditSegment

EVERY = 300.0
NEEDS_TRUE_CLOCK = True
# A file has about so many events; where fewer come in, one is made a day.
EVENTS = 100_000
AT_LEAST_EVERY = timedelta(days=1)
BATCH = 1000
# Seconds of one run; what is left waits for the next.
BUDGET = 20.0


class RetentionError(Exception):
    """What should be archived is not as it was sealed: it stays, and `manage.py audit verify` says more."""


def run() -> None:
    if conf.audit_retention_days:
        archive(clocks.earliest() - timedelta(days=conf.audit_retention_days))
    remove_archived()


def archive(before: datetime) -> AuditArchive | None:
    """Archive the oldest events that were sealed before a time. Raises `RetentionError` and `ArchiveError`."""
    last = AuditArchive.objects.order_by("-start").first()
    start = last.size if last is not None else 0
    chosen = _due(start, before)
    if not chosen:
        return None
    first_id = (last.last_id if last is not None else leaves.SMALLEST) + 1
    size, last_id = chosen[-1]
    verifiers = checkpoint_keys.verifiers()
    if found := verify(verifiers, since_id=first_id, until_id=last_id, archives=conf.audit_directory).findings:
        raise RetentionError(f"not archived: {found[0]}")
    path = conf.audit_directory / archive_files.name(start, size)
    digest = archive_files.write(path, _runs(start, size))
    end = AuditSegment.objects.get(size=size)
    checkpoint = open_note(end.checkpoint, verifiers)
    frontier = _read_back(path, merkle.split_hashes(bytes(last.frontier)) if last is not None else [], start)
    if merkle.root(frontier) != checkpoint.root:
        raise RetentionError(f"{path.name} does not hold what was sealed")
    try:
        with unit_of_work():
            made = AuditArchive.objects.create(
                start=start,
                size=size,
                last_id=last_id,
                file=path.name,
                digest=digest,
                frontier=b"".join(frontier),
                checkpoint=end.checkpoint,
                archived=datetime.now(UTC),
            )
            detail = {"file": path.name, "sha256": digest, "from": start, "to": size, "last_id": last_id}
            audit.record(audit.Event.AUDIT_ARCHIVED, detail=detail)
    except IntegrityError:
        return None  # another process archived them
    return made


def _due(start: int, before: datetime) -> Sequence[tuple[int, int]]:
    """(size, last id) of the segments that go into the next archive; none while there are too few."""
    enabled = AuditDestination.objects.filter(enabled=True).exclude(format=AuditDestination.Format.CHECKPOINT)
    told = enabled.aggregate(least=Min("position"))["least"]
    # A segment is sealed after its events were written, so by its time they are older still.
    old = AuditSegment.objects.filter(start__gte=start, sealed__lt=before).order_by("start")
    if told is not None:
        old = old.filter(size__lte=told)
    chosen: list[tuple[int, int]] = []
    oldest: datetime | None = None
    for size, last_id, sealed in old.values_list("size", "last_id", "sealed").iterator(500):
        oldest = oldest or sealed
        if chosen and size - start > EVENTS:
            break
        chosen.append((size, last_id))
    if oldest is None or (chosen[-1][0] - start < EVENTS and oldest > before - AT_LEAST_EVERY):
        return []
    return chosen


def _runs(start: int, size: int) -> Iterator[archive_files.Run]:
    for sealed, events, _ in segments.live(start):
        if sealed.size > size:
            return
        yield sealed, events


def _read_back(path: Path, frontier: list[bytes], start: int) -> list[bytes]:
    """The frontier of the tree that the file's own lines make."""
    for sealed, events in archive_files.read(path):
        if any(compare(sealed, events, under_another_id(leaves.encode))):
            raise RetentionError(f"{path.name} does not hold what was sealed")
        frontier, start = merkle.extend(frontier, start, (merkle.leaf_hash(line) for _, line in events))
    return frontier


def remove_archived() -> None:
    """Remove archived rows, in batches. If the file is missing or changed, the rows stay. Raises `ArchiveError`
    then.
    """
    first = AuditEvent.objects.order_by("id").values_list("id", flat=True).first()
    ends = time.monotonic() + BUDGET
    for done in AuditArchive.objects.filter(last_id__gte=first).order_by("start") if first is not None else ():
        path = conf.audit_directory / done.file
        if not path.exists() or archive_files.digest(path) != done.digest:
            raise archive_files.ArchiveError(f"{done.file} is not in the audit's directory as it was written")
        while time.monotonic() < ends and _remove_batch(done.last_id):
            pass
        if not AuditEvent.objects.filter(id__lte=done.last_id).exists():
            AuditSegment.objects.filter(size__lte=done.size).delete()


def _remove_batch(last_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM authz_auditevent WHERE id IN"
            " (SELECT id FROM authz_auditevent WHERE id <= %s ORDER BY id LIMIT %s)",
            [last_id, BATCH],
        )
        return int(cursor.rowcount)
