"""A name of a process that no later process has, so that leases and counts of an ended process can be recognised.

`host/pid/start`: the host's name, the process id, and the process's start in the kernel's ticks since boot. Process ids
are reused; with the start time the name is unique.
"""

import os
from functools import lru_cache
from pathlib import Path

UNKNOWN = "-"


def own() -> str:
    """The name of this process."""
    return _name(os.getpid())


def has_ended(name: str) -> bool:
    """Whether the process of that name was on this host and is gone. False where that cannot be known from here."""
    host, _, process = name.partition("/")
    pid, _, started = process.partition("/")
    if host != _host() or not pid.isdecimal():
        return False
    # Where it cannot be read when that one started, it may be another's process or the same.
    return _start(int(pid)) not in {started, UNKNOWN}


def _name(pid: int) -> str:
    return f"{_host()}/{pid}/{_start(pid)}"


@lru_cache(maxsize=1)
def _host() -> str:
    return os.uname().nodename.replace("/", "-")[:150]


def _start(pid: int) -> str:
    """When it started, `UNKNOWN` where the system does not say; "" if there is no such process."""
    try:
        # The command's name is in brackets and may contain any character, so fields are counted from after it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return UNKNOWN if _is_there(pid) else ""


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
