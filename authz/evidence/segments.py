"""Sealed runs of events with their events: those in the tables, in bounded batches."""

from collections.abc import Iterator

from authz.evidence import leaves
from authz.evidence.comparison import Sealed
from authz.models import AuditArchive, AuditSegment

# Small segments are read together, until they have so many events.
BATCH = 8192
_AT_ONCE = 32


def as_sealed(row: AuditSegment) -> Sealed:
    ids = bytes(row.ids)
    return Sealed(
        start=row.start,
        size=row.size,
        last_id=row.last_id,
        ids=[int.from_bytes(ids[at : at + 8], "big", signed=True) for at in range(0, len(ids), 8)],
        leaves=bytes(row.leaves),
        checkpoint=row.checkpoint,
    )


def live(after: int = 0) -> Iterator[tuple[Sealed, list[leaves.Leaf], bytes]]:
    """(run, its events, the frontier that is stored with it) of every run beyond the leaf `after`, in their order.

    The events are all that lie between the ids of two runs, so what was inserted is among them.
    """
    previous = AuditSegment.objects.filter(size__lte=after).order_by("-start").values_list("last_id", flat=True).first()
    if previous is None:
        previous = AuditArchive.objects.order_by("-start").values_list("last_id", flat=True).first()
    last_id = leaves.SMALLEST if previous is None else previous
    for rows in _batches(after):
        events = iter(leaves.read(after=last_id, up_to=rows[-1].last_id))
        event = next(events, None)
        for row in rows:
            of_row: list[leaves.Leaf] = []
            while event is not None and event[0] <= row.last_id:
                of_row.append(event)
                event = next(events, None)
            yield as_sealed(row), of_row, bytes(row.frontier)
        last_id = max(last_id, rows[-1].last_id)


def _batches(after: int) -> Iterator[list[AuditSegment]]:
    start = after
    batch: list[AuditSegment] = []
    while rows := list(AuditSegment.objects.filter(start__gte=start).order_by("start")[:_AT_ONCE]):
        for row in rows:
            batch.append(row)
            if row.size - batch[0].start >= BATCH:
                yield batch
                batch = []
        start = rows[-1].start + 1
    if batch:
        yield batch
