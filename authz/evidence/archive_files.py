"""An archive of sealed events: gzipped lines that can be read without this server.

For each run of events one line begins with `{"segment":` and holds what was sealed (ids, leaf hashes, the signed
checkpoint). The events follow, each as the line whose SHA-256 is its leaf. The first run begins where the previous
archive ended.
"""

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from authz.evidence.comparison import Sealed

_MARK = b'{"segment":'
Run = tuple[Sealed, list[tuple[int, bytes]]]


class ArchiveError(Exception):
    """The file is not there, or is no archive."""


def name(start: int, size: int) -> str:
    return f"audit-{start:012d}-{size:012d}.jsonl.gz"


def write(path: Path, runs: Iterable[Run]) -> str:
    """Write an archive atomically and flush it to the disk. Returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two may archive the same at once; each writes its own file, and both are the same.
    being_written = path.with_suffix(f".{os.urandom(8).hex()}.part")
    with being_written.open("wb") as raw:
        # Without a name and a time in it, the same events make the same file.
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
            for sealed, events in runs:
                file.write(_MARK + _segment(sealed) + b"}\n")
                for _, line in events:
                    file.write(line + b"\n")
        raw.flush()
        os.fsync(raw.fileno())
    being_written.replace(path)
    _sync_folder(path.parent)
    return digest(path)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> Iterator[Run]:
    """The runs of an archive. Raises `ArchiveError`."""
    try:
        with gzip.open(path) as file:
            sealed: Sealed | None = None
            events: list[tuple[int, bytes]] = []
            for line in file:
                if line.startswith(_MARK):
                    if sealed is not None:
                        yield sealed, events
                    sealed, events = _sealed(json.loads(line)["segment"]), []
                elif sealed is None:
                    raise ArchiveError(f"{path.name} is no archive of this audit")
                else:
                    event = line.rstrip(b"\n")
                    events.append((int(json.loads(event)["id"]), event))
            if sealed is not None:
                yield sealed, events
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{path.name} cannot be read: {type(error).__name__}") from error


def _segment(sealed: Sealed) -> bytes:
    return json.dumps(
        {
            "start": sealed.start,
            "size": sealed.size,
            "ids": list(sealed.ids),
            "leaves": base64.b64encode(sealed.leaves).decode(),
            "checkpoint": sealed.checkpoint,
        },
        separators=(",", ":"),
    ).encode()


def _sealed(segment: dict[str, object]) -> Sealed:
    ids = [int(event_id) for event_id in segment["ids"]]  # type: ignore[attr-defined]
    return Sealed(
        start=int(segment["start"]),  # type: ignore[call-overload]
        size=int(segment["size"]),  # type: ignore[call-overload]
        last_id=ids[-1],
        ids=ids,
        leaves=base64.b64decode(str(segment["leaves"]), validate=True),
        checkpoint=str(segment["checkpoint"]),
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
