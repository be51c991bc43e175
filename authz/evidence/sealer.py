"""Seals events (a scheduled task): fixes their order, adds them to the tree, and signs its head.

A run of events becomes one `AuditSegment` in one transaction, with the checkpoint that covers it. Its primary key is
the index of its first leaf, so of two concurrent sealers one fails without an effect; a crash leaves nothing behind.
Writing an event never waits for this.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import IntegrityError

from authz.database.transactions import unit_of_work
from authz.evidence import checkpoint_keys, leaves, merkle
from authz.evidence.horizon import horizon
from authz.evidence.notes import Checkpoint, NoteError, open_note, sign
from authz.evidence.status import MAX_EVENTS, unsealed
from authz.models import AuditArchive, AuditSegment, CheckpointKey

EVERY = 5.0
# Events in a segment: 160 kB of hashes at the most.
SEGMENT = 4096
# Seconds of one run; what is left waits for the next.
BUDGET = 20.0


class SealError(Exception):
    """What was sealed before is not as it was signed. Nothing is put upon it; `manage.py audit verify` says more."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the tree ends: what the next segment is put upon."""

    size: int
    last_id: int
    frontier: list[bytes]


def run() -> None:
    highest = horizon()
    if highest is None:
        return
    deadline = time.monotonic() + BUDGET
    while seal(highest) == SEGMENT and time.monotonic() < deadline:
        pass


def seal_all() -> int:
    """Seal everything that may be sealed now. Returns how many events. Raises `SealError`."""
    highest, count = horizon(), 0
    while highest is not None and (sealed := seal(highest)):
        count += sealed
    return count


def measures() -> Mapping[str, tuple[str, float]]:
    """The sealer's lag, for the metrics."""
    waiting, lag = unsealed()
    return {
        "gatehouse_audit_unsealed_events": (
            f"Events that wait for their seal ({MAX_EVENTS} stands for more).",
            waiting,
        ),
        "gatehouse_audit_seal_lag_seconds": ("The age of the oldest event that waits for its seal.", lag),
    }


def seal(highest: int) -> int:
    """Seal the next events up to the id `highest`. Returns how many. Raises `SealError`."""
    before = head()
    events = leaves.read(after=before.last_id, up_to=highest, limit=SEGMENT)
    if not events:
        return 0
    hashes = [merkle.leaf_hash(line) for _, line in events]
    frontier, size = merkle.extend(before.frontier, before.size, hashes)
    now = datetime.now(UTC)
    try:
        with unit_of_work():
            signer = checkpoint_keys.current() if CheckpointKey.objects.exists() else checkpoint_keys.make(now)
            checkpoint = Checkpoint(signer.verifier.name, size, merkle.root(frontier))
            AuditSegment.objects.create(
                start=before.size,
                size=size,
                last_id=events[-1][0],
                ids=b"".join(event_id.to_bytes(8, "big", signed=True) for event_id, _ in events),
                leaves=b"".join(hashes),
                frontier=b"".join(frontier),
                checkpoint=sign(checkpoint, signer.private_key, signer.verifier),
                sealed=now,
            )
    except IntegrityError:
        return 0  # another process sealed them
    return len(events)


def head() -> Head:
    """The end of the tree, if it is what was signed. A tree that was changed is not continued. Raises `SealError`."""
    # Read first: the first key and the first seal are committed together, so a reader of the key sees the seal.
    was_sealed = CheckpointKey.objects.exists()
    columns = ("size", "last_id", "frontier", "checkpoint")
    last = AuditSegment.objects.order_by("-start").values_list(*columns).first()
    last = last or AuditArchive.objects.order_by("-start").values_list(*columns).first()
    if last is None:
        if was_sealed:
            raise SealError("there is a key, so there were seals, and they are gone")
        return Head(0, leaves.SMALLEST, [])
    size, last_id, joined, note = last
    frontier = merkle.split_hashes(bytes(joined))
    try:
        checkpoint = open_note(note, checkpoint_keys.verifiers())
    except NoteError as error:
        raise SealError(f"the last checkpoint is not one of ours: {error}") from error
    if len(frontier) != size.bit_count() or (checkpoint.size, checkpoint.root) != (size, merkle.root(frontier)):
        raise SealError("the last checkpoint is not of this tree")
    return Head(size, last_id, frontier)
