"""Proofs for others: that one event is in the tree, and that one checkpoint continues another.

They can be verified without the server and the database: tools/verify_audit_proof.py needs only the public key.
"""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from authz.conf import as_called
from authz.evidence import archive_files, leaves, merkle, segments
from authz.evidence.comparison import Sealed
from authz.evidence.notes import Checkpoint, NoteError, Verifier, open_note
from authz.models import AuditArchive, AuditSegment

FORMAT = "gatehouse-audit-proof/1"


class ProofError(Exception):
    """There is no such proof."""


def inclusion(event_id: int, verifiers: Sequence[Verifier], archives: Path, note: str | None = None) -> dict[str, Any]:
    """That an event is in the tree of the checkpoint `note`, or of the first one that covers it. Raises `ProofError`.

    The event is the line that was sealed (`leaf`), as text; the hashes are in base64.
    """
    sealed, line = _find(event_id, archives)
    place = list(sealed.ids).index(event_id)
    if merkle.leaf_hash(line) != sealed.hash_of(place):
        raise ProofError(f"event {event_id} is not as it was sealed")
    note = sealed.checkpoint if note is None else note
    checkpoint, verifier = _opened(note, verifiers)
    index = sealed.start + place
    if checkpoint.size <= index:
        raise ProofError(f"the checkpoint was made before event {event_id} was sealed")
    known = _known(sealed.start, checkpoint.size, archives)
    path = known.inclusion(index, checkpoint.size)
    if merkle.root_by_inclusion(sealed.hash_of(place), index, checkpoint.size, path) != checkpoint.root:
        raise ProofError(as_called("the checkpoint is of another history: run `manage.py audit verify`"))
    return {
        "format": FORMAT,
        "leaf": line.decode("ascii"),
        "index": index,
        "inclusion": _encoded(path),
        "checkpoint": note,
        "verifier_key": str(verifier),
    }


def consistency(old: str, new: str | None, verifiers: Sequence[Verifier], archives: Path) -> dict[str, Any]:
    """That the tree of the checkpoint `new` (the latest) begins with the tree of `old`. Raises `ProofError`."""
    new = latest() if new is None else new
    (first, _), (second, verifier) = _opened(old, verifiers), _opened(new, verifiers)
    if not 0 < first.size <= second.size:
        raise ProofError("the first checkpoint must be the older one")
    path: list[bytes] = []
    if first.size < second.size:
        path = _known(_run_before(first.size), second.size, archives).consistency(first.size, second.size)
    if not merkle.is_consistent(first.size, first.root, second.size, second.root, path):
        raise ProofError("the checkpoints are of two histories")
    return {
        "format": FORMAT,
        "old_checkpoint": old,
        "consistency": _encoded(path),
        "checkpoint": new,
        "verifier_key": str(verifier),
    }


def events(archives: Path, since_id: int | None, until_id: int | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """(index, event) of every sealed event of a range that is there, in order. Raises `ProofError` without archive."""
    for sealed, lines in _runs(_first_run(since_id), archives):
        places = {event_id: sealed.start + place for place, event_id in enumerate(sealed.ids)}
        for event_id, line in lines:
            if until_id is not None and event_id > until_id:
                return
            if event_id in places and line and (since_id is None or event_id >= since_id):
                yield places[event_id], leaves.decode(line)


def _first_run(since_id: int | None) -> int:
    """A leaf at which a run begins that lies not behind the event."""
    if since_id is None:
        return 0
    archive = AuditArchive.objects.filter(last_id__gte=since_id).order_by("last_id").first()
    row = archive or AuditSegment.objects.filter(last_id__gte=since_id).order_by("last_id").first()
    return row.start if row is not None else leaves.LARGEST


def latest() -> str:
    """The latest checkpoint, as a signed note. Raises `ProofError` while nothing is sealed."""
    for model in (AuditSegment, AuditArchive):
        note = model._default_manager.order_by("-start").values_list("checkpoint", flat=True).first()
        if note is not None:
            return str(note)
    raise ProofError("nothing is sealed yet")


def _find(event_id: int, archives: Path) -> tuple[Sealed, bytes]:
    archive = AuditArchive.objects.filter(last_id__gte=event_id).order_by("last_id").first()
    row = AuditSegment.objects.filter(last_id__gte=event_id).order_by("last_id").first()
    if archive is None and row is None:
        raise ProofError(f"event {event_id} is not sealed yet, or does not exist")
    runs = _runs(archive.start if archive is not None else row.start, archives)  # type: ignore[union-attr]
    for sealed, events in runs:
        if sealed.last_id >= event_id:
            for found, line in events:
                if found == event_id and event_id in sealed.ids:
                    return sealed, line
            break
    raise ProofError(f"there is no sealed event {event_id}")


def _runs(start: int, archives: Path) -> Iterator[tuple[Sealed, Sequence[tuple[int, bytes]]]]:
    """Every run from the leaf `start` on, where one begins: out of the archives, then out of the tables."""
    position = start
    for archive in AuditArchive.objects.filter(size__gt=start).order_by("start"):
        try:
            for sealed, events in archive_files.read(archives / archive.file):
                if sealed.start >= position:
                    yield sealed, events
                    position = sealed.size
        except archive_files.ArchiveError as error:
            raise ProofError(str(error)) from error
    for sealed, events, _ in segments.live(position):
        yield sealed, events


def _run_before(size: int) -> int:
    """A leaf not beyond `size` at which a run begins whose frontier before it is stored."""
    last = AuditSegment.objects.filter(size__lte=size).order_by("-size").values_list("size", flat=True).first()
    archive = AuditArchive.objects.filter(size__lte=size).order_by("-size").values_list("size", flat=True).first()
    return max(last or 0, archive or 0)


def _known(start: int, size: int, archives: Path) -> merkle.Leaves:
    """The leaves from a run's beginning on, up to `size` and perhaps a bit more, with the frontier before them."""
    stored = _run_before(start)
    row = AuditSegment.objects.filter(size=stored).first() or AuditArchive.objects.filter(size=stored).first()
    frontier = merkle.split_hashes(bytes(row.frontier)) if row is not None else []
    hashes = bytearray()
    for sealed, _ in _runs(stored, archives):
        if sealed.start >= size:
            break
        hashes += sealed.leaves
    if len(hashes) // merkle.SIZE < size - stored:
        raise ProofError("the tree is smaller than the checkpoint")
    return merkle.Leaves.after(frontier, stored, bytes(hashes))


def _opened(note: str, verifiers: Sequence[Verifier]) -> tuple[Checkpoint, Verifier]:
    for verifier in verifiers:
        try:
            return open_note(note, [verifier]), verifier
        except NoteError:
            continue
    raise ProofError("the checkpoint is not signed by a key of this audit")


def _encoded(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(item).decode() for item in hashes]
