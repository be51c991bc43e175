"""Delivers the audit to its destinations (a scheduled task): at least once, in order, each at its own pace.

Only sealed events are delivered, in the order of the tree. A destination's position moves after a batch has arrived, so
after a crash a batch is sent again; the index in each record identifies a repetition. A failing destination is retried
at growing intervals with smaller batches. No token request waits for this.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ALL_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import F, Min, Q, QuerySet

from authz.conf import conf
from authz.database import leases
from authz.database.due import due as due_by
from authz.evidence import checkpoint_keys, leaves, proofs, targets
from authz.evidence.destination_tokens import token_of
from authz.evidence.formats import cef, json_lines, ocsf
from authz.evidence.notes import read_notes
from authz.evidence.segments import as_sealed
from authz.evidence.targets import Line
from authz.keys.secrets_at_rest import WrongKeyError
from authz.models import AuditArchive, AuditDestination, AuditSegment
from authz.outbound import OutboundError

logger = logging.getLogger(__name__)

EVERY = 2.0
FORMATS = {"jsonl": json_lines, "ocsf": ocsf, "cef": cef}
# Seconds after which a run begins no new batch.
BUDGET = 10.0
BATCH = 500
BATCH_BYTES = 1024 * 1024
SEGMENTS = 64
REST, LONGEST_REST = 5.0, 600.0
QUEUES = 16


class DeliveryError(Exception):
    """The destination's content is not what was delivered to it."""


def run() -> None:
    names = _up()
    if len(names) == 1:
        _serve(names[0])
    elif names:
        _serve_all(names)


def _serve_all(names: Sequence[str]) -> None:
    """Serve each destination in a thread of its own, so that a slow one delays no other."""
    ends, under_way = time.monotonic() + BUDGET, dict[Future[None], str]()
    with ThreadPoolExecutor(max_workers=QUEUES) as threads:
        while True:
            for name in [name for name in names if name not in under_way.values()][: QUEUES - len(under_way)]:
                under_way[threads.submit(_serve_in_a_thread, name)] = name
            for served in wait(under_way, timeout=EVERY, return_when=ALL_COMPLETED).done:
                served.result()
                del under_way[served]
            if not under_way:
                return
            names = _up() if time.monotonic() < ends else []


def _up() -> list[str]:
    due = AuditDestination.objects.filter(_is_up(time.time()), enabled=True)
    return list(due.values_list("name", flat=True))


def _is_up(now: float) -> Q:
    return due_by("next_try", now, LONGEST_REST) & due_by("lease_until", now, leases.LEASE)


def measures() -> Mapping[str, tuple[str, float]]:
    """The destinations' state, for the metrics."""
    size = AuditSegment.objects.order_by("-start").values_list("size", flat=True).first() or 0
    enabled = AuditDestination.objects.filter(enabled=True)
    least = enabled.aggregate(least=Min("position"))["least"]
    behind = max(0, size - least) if least is not None else 0
    return {
        "gatehouse_audit_untold_events": ("Sealed events that the slowest destination was not told yet.", behind),
        "gatehouse_audit_destinations_failing": (
            "Destinations of the audit whose last delivery failed.",
            enabled.filter(failures__gt=0).count(),
        ),
    }


def _serve_in_a_thread(name: str) -> None:
    try:
        _serve(name)
    finally:
        connection.close()


def _serve(name: str) -> None:
    """Deliver batches to one destination for a while, if this process gets its lease."""
    row = AuditDestination.objects.filter(name=name)
    now = time.time()
    until = now + leases.LEASE
    # One conditional statement decides (invariant 3): two concurrent deliveries would mix up the order.
    if not row.filter(_is_up(now), enabled=True).update(lease_until=until):
        return
    with leases.renewed(row, until, time.time) as lease:
        ended = _tell(row)
    lease.release(**ended)


def _tell(row: QuerySet[AuditDestination]) -> dict[str, Any]:
    """What the row says afterwards, if it failed."""
    ends = time.monotonic() + BUDGET
    try:
        while time.monotonic() < ends and _tell_next(row.get()):
            pass
    except Exception as error:  # any failure stops this destination only
        if not isinstance(error, (OutboundError, OSError, WrongKeyError, DeliveryError)):
            logger.exception("telling the audit to %s failed", row.get().name)
        failure = in_words(error)[:200].replace("\0", "")
        rest = min(REST * 2 ** min(row.get().failures, 10), LONGEST_REST)
        return {
            "failures": F("failures") + 1,
            "failure": failure,
            "failed": datetime.now(UTC),
            "next_try": time.time() + rest,
        }
    return {}


def in_words(error: Exception) -> str:
    """Why a delivery failed."""
    if isinstance(error, OutboundError):
        more = [error.detail, f"status {error.status}" if error.status else ""]
        return " ".join([error.cause.sentence, f"({error.cause.value})", *filter(None, more)])
    return f"{type(error).__name__}: {error}"


def _tell_next(destination: AuditDestination) -> bool:
    """Deliver the next batch. True: there was one."""
    if destination.format == AuditDestination.Format.CHECKPOINT:
        position = _tell_checkpoint(destination)
    else:
        position = _tell_events(destination)
    if position is None:
        return False
    mine = AuditDestination.objects.filter(name=destination.name, position=destination.position)
    return bool(
        mine.update(position=position, failures=0, failure="", next_try=0, delivered=datetime.now(UTC), failed=None)
    )


def _tell_events(destination: AuditDestination) -> int | None:
    spoken = FORMATS[destination.format]
    batch = _next_events(destination)
    if not batch:
        return None
    lines: list[Line] = []
    size = 0
    for index, event in batch:
        line = Line(index, event, spoken.line(index, event))
        size += len(line.text)
        if lines and size > BATCH_BYTES:
            break
        lines.append(line)
    targets.send(destination.to, spoken.MEDIA_TYPE, lines, token_of(destination))
    return lines[-1].index + 1


def _next_events(destination: AuditDestination) -> Sequence[tuple[int, dict[str, object]]]:
    archived = AuditArchive.objects.order_by("-start").values_list("size", flat=True).first() or 0
    position = max(destination.position, archived)
    count = max(1, BATCH >> min(destination.failures, 16))
    wanted: dict[int, int] = {}
    for row in AuditSegment.objects.filter(size__gt=position).order_by("start")[:SEGMENTS]:
        sealed = as_sealed(row)
        for place, event_id in enumerate(sealed.ids):
            if sealed.start + place >= position and len(wanted) < count:
                wanted[event_id] = sealed.start + place
        if len(wanted) >= count:
            break
    if not wanted:
        return []
    found = dict(leaves.read(after=min(wanted) - 1, up_to=max(wanted)))
    return [(index, _event(event_id, found.get(event_id))) for event_id, index in wanted.items()]


def _event(event_id: int, line: bytes | None) -> dict[str, object]:
    # An event that was removed or changed since it was sealed is delivered as such: its index is not left out.
    if not line:
        return {"id": event_id, "event": "audit:event:missing"}
    return leaves.decode(line)


def _tell_checkpoint(destination: AuditDestination) -> int | None:
    latest = AuditSegment.objects.order_by("-start").values_list("size", "checkpoint").first()
    if latest is None or latest[0] <= destination.position:
        return None
    size, note = latest
    if targets.is_file(destination.to):
        _check_last(targets.read_file(destination.to), note)
    targets.send_checkpoint(destination.to, note, token_of(destination))
    return int(size)


def _check_last(file: str, note: str) -> None:
    """The previous content has to be the beginning of the new one."""
    notes = list(read_notes(file))
    if notes:
        try:
            proofs.consistency(notes[-1], note, checkpoint_keys.verifiers(), conf.audit_directory)
        except proofs.ProofError as error:
            raise DeliveryError(f"the file's last checkpoint contradicts the audit: {error}") from error
