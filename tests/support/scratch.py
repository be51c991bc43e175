"""Where the files of a test run are: in memory, if there is room.

The server writes each answer to the disk before it sends it, and each test that commits empties a hundred tables. A run
waits for the disk longer than for all else. What survives a power cut is tested by cutting the log
(tests/serving/test_power_cut.py), which needs no disk.
"""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  each run makes a folder of its own there
# Bytes. A whole run leaves a tenth of it. Containers often have 64 MiB there, which is not enough.
NEEDED = 4 * 2**30


def in_memory(memory: Path = MEMORY, needed: int = NEEDED) -> bool:
    """From now on temporary files of this process and its children are made in memory. False: there is no room, or
    TMPDIR says where they go.
    """
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < needed:
        return False
    os.environ["TMPDIR"] = str(memory)
    tempfile.tempdir = None
    return True
