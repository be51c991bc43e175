"""The state of the evidence: sealed, waiting and archived events, and the destinations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from authz.evidence import checkpoint_keys, leaves
from authz.models import AuditArchive, AuditDestination, AuditEvent, AuditSegment

# More waiting events than this are not counted: the number is not what matters then.
MAX_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """A destination, and how many sealed events are not yet delivered to it."""

    destination: AuditDestination
    behind: int


@dataclass(frozen=True, slots=True)
class Status:
    """`size` is the tree's; `waiting` events (`MAX_EVENTS` at the most) are not sealed yet, the oldest for `lag`
    seconds."""

    size: int
    sealed: datetime | None
    checkpoint: str
    waiting: int
    lag: float
    archived: int
    archives: int
    verifier_keys: Sequence[str]
    told: Sequence[Told]


def status() -> Status:
    """A few look-ups by primary key, however many events there are."""
    size, _, sealed, checkpoint = _end()
    archive = AuditArchive.objects.order_by("-start").first()
    count, lag = unsealed()
    return Status(
        size=size,
        sealed=sealed,
        checkpoint=checkpoint,
        waiting=count,
        lag=lag,
        archived=archive.size if archive is not None else 0,
        archives=AuditArchive.objects.count(),
        verifier_keys=[str(verifier) for verifier in checkpoint_keys.verifiers()],
        told=[Told(row, max(0, size - row.position)) for row in AuditDestination.objects.all()],
    )


def unsealed() -> tuple[int, float]:
    """How many events are not sealed yet (`MAX_EVENTS` at the most), and for how many seconds the oldest of them."""
    count, since = waiting()
    return count, max(0.0, (datetime.now(UTC) - since).total_seconds()) if since else 0.0


def waiting() -> tuple[int, datetime | None]:
    """How many events are not sealed yet (`MAX_EVENTS` at the most), and when the oldest of them was written."""
    found = AuditEvent.objects.filter(id__gt=_end()[1]).order_by("id")
    oldest = found.values_list("time", flat=True).first()
    return (found[:MAX_EVENTS].count(), oldest) if oldest is not None else (0, None)


def _end() -> tuple[int, int, datetime | None, str]:
    """(size, last id, when it was sealed, checkpoint) of the tree's end."""
    last = AuditSegment.objects.order_by("-start").values_list("size", "last_id", "sealed", "checkpoint").first()
    archive = AuditArchive.objects.order_by("-start").values_list("size", "last_id", "archived", "checkpoint").first()
    return last or archive or (0, leaves.SMALLEST, None, "")


def is_sealed(event_id: int) -> bool:
    """Whether an event has its place in the tree."""
    return AuditSegment.objects.filter(last_id__gte=event_id).exists()
