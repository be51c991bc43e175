"""SQLite's write-ahead log as bytes, to cut it as a power cut does (sqlite.org/fileformat2.html, chapter 4).

A header of 32 bytes, then frames: a header of 24 bytes with the log's salts at offset 8, and a page.
"""

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

HEADER, FRAME_HEADER = 32, 24
# Tokens that clients got: the `jti` of each.
_ISSUED = "SELECT json_extract(detail, '$.jti') FROM authz_auditevent WHERE event = 'token:access:issued'"


def frame_ends(descriptor: int) -> tuple[bytes, list[int]]:
    """The salts of the log, and where each of its frames ends; frames of an earlier log behind them do not count."""
    head = os.pread(descriptor, HEADER, 0)
    if len(head) < HEADER:
        return b"", []
    salts, (page,) = head[16:24], struct.unpack_from(">I", head, 8)
    return salts, list(_ends(descriptor, salts, page))


def _ends(descriptor: int, salts: bytes, page: int) -> Iterator[int]:
    at = HEADER
    while os.pread(descriptor, 8, at + 8) == salts:
        at += FRAME_HEADER + page
        if os.fstat(descriptor).st_size < at:
            return
        yield at


def issued_after_cut(database: bytes, log: bytes, folder: Path) -> set[str]:
    """Which tokens the audit has, after the machine came back with these files."""
    file, beside = folder / "cut.sqlite3", folder / "cut.sqlite3-wal"
    (folder / "cut.sqlite3-shm").unlink(missing_ok=True)
    file.write_bytes(database)
    beside.write_bytes(log)
    with closing(sqlite3.connect(file)) as connection:
        found = {jti for (jti,) in connection.execute(_ISSUED)}
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    return found
