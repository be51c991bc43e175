"""Proves that the audit is as it was sealed, or lists the differences: `manage.py audit verify`.

For each run, the events are compared with the sealed leaf hashes, the hashes are folded into the tree, and its root is
compared with the signed checkpoint. A run whose seal was changed is reported, and the next one is checked from the
frontier that is stored with it, if that frontier's root was signed. Checkpoints from elsewhere are compared with the
same tree: they show what the database alone cannot, that all of it was sealed again or its end removed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from authz.evidence import archive_files, checkpoint_keys, leaves, merkle, segments
from authz.evidence.comparison import Fault, Finding, Sealed, compare, under_another_id
from authz.evidence.notes import Checkpoint, NoteError, Verifier, open_note
from authz.models import AuditArchive, AuditDestination, AuditSegment, CheckpointKey

_with_id = under_another_id(leaves.encode)


@dataclass(slots=True)
class Report:
    """What was proved: how many events, up to which size of the tree; and what was found."""

    findings: list[Finding] = field(default_factory=list)
    events: int = 0
    segments: int = 0
    size: int = 0
    checkpoints: int = 0


@dataclass(slots=True)
class _Walk:
    """Where the walk along the tree is. `frontier` is None where nothing that was signed says what came before."""

    verifiers: Sequence[Verifier]
    kept: list[Checkpoint]
    report: Report
    position: int = 0
    last_id: int | None = None
    frontier: list[bytes] | None = field(default_factory=list)
    agreed: int = 0

    def find(self, kind: Fault, sentence: str, event: int | None = None) -> None:
        self.report.findings.append(Finding(kind, sentence, event))

    def step(self, sealed: Sealed, events: Sequence[leaves.Leaf], stored: bytes | None) -> None:
        """Go one run further. `stored` is the frontier that was stored with it."""
        if sealed.start != self.position:
            between = f"before event {sealed.ids[0] if sealed.ids else sealed.last_id}"
            if self.last_id is not None:
                between = f"after event {self.last_id} and {between}"
            self.find(Fault.GONE, f"the seals of {sealed.start - self.position} events are gone, {between}")
            self.frontier = None
        self.report.findings += compare(sealed, events, _with_id)
        self.report.events += len(sealed.ids)
        self.report.segments += 1
        signed = self._signed(sealed)
        after: list[bytes] | None = None
        if self.frontier is not None:
            self._hold_against_kept(sealed, self.frontier)
            after = self._folded(sealed, self.frontier)
        if signed is not None and (after is None or merkle.root(after) != signed.root):
            if self.frontier is not None:
                ids = f"{sealed.ids[0]} to {sealed.last_id}" if sealed.ids else f"up to {sealed.last_id}"
                self.find(Fault.SEAL, f"the seal of the events {ids} is not the one that was signed")
            after = _trusted(stored, signed)
        self.position, self.last_id, self.frontier = sealed.size, sealed.last_id, after

    def skip(self, size: int, last_id: int, stored: bytes, note: str) -> None:
        """Begin at `size`, behind the event `last_id`, from what was signed there."""
        sealed = Sealed(0, size, 0, (), b"", note)
        signed = self._signed(sealed)
        self.position, self.last_id = size, last_id
        self.frontier = _trusted(stored, signed) if signed is not None else None
        if signed is not None and self.frontier is None:
            self.find(Fault.SEAL, f"the frontier at {size} is not of the tree that was signed")

    def _signed(self, sealed: Sealed) -> Checkpoint | None:
        try:
            signed = open_note(sealed.checkpoint, self.verifiers)
        except NoteError as error:
            self.find(Fault.SIGNATURE, f"the checkpoint at {sealed.size} is not one of ours: {error}")
            return None
        if signed.size != sealed.size:
            self.find(Fault.SIGNATURE, f"the checkpoint at {sealed.size} is the one of {signed.size}")
            return None
        return signed

    def _folded(self, sealed: Sealed, frontier: list[bytes]) -> list[bytes] | None:
        hashes = merkle.split_hashes(sealed.leaves)
        if len(hashes) != sealed.size - sealed.start or len(sealed.ids) != len(hashes):
            return None
        return merkle.extend(frontier, sealed.start, hashes)[0]

    def _hold_against_kept(self, sealed: Sealed, frontier: list[bytes]) -> None:
        hashes = merkle.split_hashes(sealed.leaves)
        while self.kept and self.kept[0].size <= sealed.size:
            kept = self.kept.pop(0)
            if kept.size < self.position:
                continue
            self.report.checkpoints += 1
            grown, _ = merkle.extend(frontier, sealed.start, hashes[: kept.size - sealed.start])
            if merkle.root(grown) == kept.root:
                self.agreed = kept.size
            else:
                self.find(
                    Fault.FORKED,
                    f"the checkpoint kept of {kept.size} is of another history: what was sealed between"
                    f" {self.agreed} and {kept.size} was sealed anew",
                )


def verify(
    verifiers: Sequence[Verifier],
    *,
    since_id: int | None = None,
    until_id: int | None = None,
    kept: Iterable[str] = (),
    archives: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Prove the events from `since_id` to `until_id`, in whole runs, against the signed checkpoints and those `kept`
    elsewhere (signed notes).

    `progress` is called with the number of checked leaves, and of all.
    """
    notes = list(kept)
    while True:
        archived = _archived()
        walk = _Walk(verifiers, [], Report())
        _open_kept(walk, notes)
        total = AuditSegment.objects.order_by("-start").values_list("size", flat=True).first() or archived
        _walk_archives(walk, archives, since_id, until_id, lambda: progress(walk.position, total))  # noqa: B023
        if not _is_beyond(until_id, AuditArchive.objects.order_by("-start").first()):
            _walk_live(walk, since_id, until_id, lambda: progress(walk.position, total))  # noqa: B023
        walk.report.size = walk.position
        if until_id is None:
            _look_at_the_end(walk)
        # An event that is archived during the check moves from the tables into a file, so the check has seen half of
        # each.
        if archived == _archived():
            return walk.report


def _archived() -> int:
    return AuditArchive.objects.order_by("-start").values_list("size", flat=True).first() or 0


def _open_kept(walk: _Walk, notes: Iterable[str]) -> None:
    for note in notes:
        try:
            walk.kept.append(open_note(note, walk.verifiers))
        except NoteError as error:
            walk.find(Fault.FORKED, f"a checkpoint was kept that is not signed by a key of this audit: {error}")
    walk.kept.sort(key=lambda checkpoint: checkpoint.size)


def _is_beyond(until_id: int | None, archive: AuditArchive | None) -> bool:
    return until_id is not None and archive is not None and archive.last_id >= until_id


def _walk_archives(
    walk: _Walk, folder: Path | None, since_id: int | None, until_id: int | None, tick: Callable[[], None]
) -> None:
    before = leaves.SMALLEST
    for archive in AuditArchive.objects.order_by("start"):
        if until_id is not None and before >= until_id:
            return
        if since_id is not None and archive.last_id < since_id:
            walk.skip(archive.size, archive.last_id, bytes(archive.frontier), archive.checkpoint)
        else:
            _walk_archive(walk, archive, folder, before, tick)
        before = archive.last_id


def _walk_archive(
    walk: _Walk, archive: AuditArchive, folder: Path | None, before: int, tick: Callable[[], None]
) -> None:
    """Go on through one archive, and report where it is missing, damaged or does not fit."""
    known: dict[int, bytes] = {}
    try:
        if folder is None:
            raise archive_files.ArchiveError(f"{archive.file} was not looked for")
        for sealed, events in archive_files.read(folder / archive.file):
            walk.step(sealed, events, None)
            known.update(events)
            tick()
        if walk.position != archive.size:
            walk.find(Fault.ARCHIVE, f"{archive.file} ends at {walk.position} and not at {archive.size}")
    except archive_files.ArchiveError as error:
        walk.find(Fault.ARCHIVE, f"the events up to {archive.last_id} are in an archive: {error}")
    if walk.position != archive.size or walk.frontier is None:
        walk.skip(archive.size, archive.last_id, bytes(archive.frontier), archive.checkpoint)
    # Rows are removed after they are archived, so some may still be there; none may be there that was not archived.
    for event_id, line in leaves.read(after=before, up_to=archive.last_id):
        if known and known.get(event_id) != line:
            walk.find(Fault.INSERTED, f"event {event_id} is not as it was archived", event_id)


def _walk_live(walk: _Walk, since_id: int | None, until_id: int | None, tick: Callable[[], None]) -> None:
    if since_id is not None:
        before = AuditSegment.objects.filter(last_id__lt=since_id).order_by("-start").first()
        if before is not None and before.size > walk.position:
            walk.skip(before.size, before.last_id, bytes(before.frontier), before.checkpoint)
    for sealed, events, stored in segments.live(walk.position):
        walk.step(sealed, events, stored)
        tick()
        if until_id is not None and sealed.last_id >= until_id:
            return


def _look_at_the_end(walk: _Walk) -> None:
    """What lies beyond the tree's end although it was seen before: the end was cut off."""
    if walk.position == 0 and CheckpointKey.objects.exists():
        walk.find(Fault.GONE, "there is a key that signed checkpoints, and not one seal")
    for key_id in checkpoint_keys.foreign():
        walk.find(
            Fault.KEY, f"GATEHOUSE_SECRET_KEY does not decrypt the key {key_id}: it was made under another secret"
        )
    for kept in walk.kept:
        if kept.size > walk.position:
            sentence = f"a checkpoint was kept of {kept.size} leaves, and there are {walk.position}"
            walk.find(Fault.TRUNCATED, sentence)
    for destination in AuditDestination.objects.filter(position__gt=walk.position):
        sentence = f"{destination.name} was told of {destination.position} leaves, and there are {walk.position}"
        walk.find(Fault.TRUNCATED, sentence)


def _trusted(stored: bytes | None, signed: Checkpoint) -> list[bytes] | None:
    """The stored frontier, if it is the one of the tree that was signed."""
    frontier = merkle.split_hashes(stored or b"")
    fits = len(frontier) == signed.size.bit_count() and merkle.root(frontier) == signed.root
    return frontier if fits else None
