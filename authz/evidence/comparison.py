"""Compares sealed events with the rows (pure): which event was changed, removed, inserted or moved."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from authz.evidence.merkle import SIZE, leaf_hash

# Looking for moved events tries each remaining place. It is skipped for a segment in which everything differs.
_MOST_PLACES = 300


class Fault(StrEnum):
    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    MOVED = "moved"
    SEAL = "seal"
    GONE = "seal_gone"
    SIGNATURE = "signature"
    KEY = "key"
    FORKED = "forked"
    TRUNCATED = "truncated"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was sealed. `event` is an event's id where one can be named."""

    kind: Fault
    sentence: str
    event: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed run of events: the leaves [start, size), in a table or in an archive."""

    start: int
    size: int
    last_id: int
    ids: Sequence[int]
    leaves: bytes
    checkpoint: str

    def hash_of(self, place: int) -> bytes:
        return self.leaves[place * SIZE : (place + 1) * SIZE]


def compare(
    sealed: Sealed, events: Sequence[tuple[int, bytes]], with_id: Callable[[bytes, int], bytes | None]
) -> Iterator[Finding]:
    """Findings about the events of one run. `with_id` gives an event's line as it would be under another id."""
    hashes = [leaf_hash(line) for _, line in events]
    if [event_id for event_id, _ in events] == list(sealed.ids) and b"".join(hashes) == sealed.leaves:
        return
    expected = {event_id: sealed.hash_of(place) for place, event_id in enumerate(sealed.ids)}
    present = dict(events)
    changed = [i for i, h in zip(present, hashes, strict=True) if i in expected and expected[i] != h]
    inserted = [event_id for event_id in present if event_id not in expected]
    removed = [event_id for event_id in expected if event_id not in present]
    moved = _moved([*changed, *inserted], [*changed, *removed], present, expected, with_id)
    for event_id in sorted({*changed, *inserted, *removed}):
        if event_id in moved:
            sentence = f"event {event_id} holds what event {moved[event_id]} was when it was sealed"
            yield Finding(Fault.MOVED, sentence, event_id)
        elif event_id in inserted:
            yield Finding(Fault.INSERTED, f"event {event_id} was not there when its place was sealed", event_id)
        elif event_id not in present:
            yield Finding(Fault.REMOVED, f"event {event_id} is gone", event_id)
        else:
            yield Finding(Fault.CHANGED, f"event {event_id} is not as it was sealed", event_id)


def _moved(
    found_at: Sequence[int],
    missing: Sequence[int],
    present: dict[int, bytes],
    expected: dict[int, bytes],
    with_id: Callable[[bytes, int], bytes | None],
) -> dict[int, int]:
    """{its id now: its id when it was sealed}, for events under another event's id."""
    if len(found_at) * len(missing) > _MOST_PLACES**2:
        return {}
    moved: dict[int, int] = {}
    for place in found_at:
        for event_id in missing:
            line = with_id(present[place], event_id)
            if place != event_id and line is not None and leaf_hash(line) == expected[event_id]:
                moved[place] = event_id
    return moved


def under_another_id(encode: Callable[[dict[str, object]], bytes]) -> Callable[[bytes, int], bytes | None]:
    def with_id(line: bytes, event_id: int) -> bytes | None:
        try:
            event = json.loads(line)
        except ValueError:
            return None
        return encode({**event, "id": event_id}) if isinstance(event, dict) else None

    return with_id
