"""Python runs this where its folder is in PYTHONPATH: each flush of a write-ahead log is noted in the file FLUSH_NOTES,
as the salts of the log and the byte that it is flushed up to.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.support import wal_file

_flush = os.fdatasync
_notes = os.open(os.environ["FLUSH_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def _noted(descriptor: int) -> None:
    is_log = Path(f"/proc/self/fd/{descriptor}").readlink().name.endswith("-wal")
    salts, ends = wal_file.frame_ends(descriptor) if is_log else (b"", [])
    _flush(descriptor)
    if ends:
        os.write(_notes, f"{salts.hex()} {ends[-1]}\n".encode())


os.fdatasync = _noted
