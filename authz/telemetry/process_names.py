"""Which process is it? A name that no later process has, so that what a process held can be seen to be nobody's.

`host/pid/start`: the host's name, the process id, and when the process started, in the kernel's ticks since the machine
booted. A process id is used again; with the time of its start it is not.
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
        # The command's name stands in brackets and may hold anything: fields are counted from behind it.
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
