"""The key file of a first try on one machine, where the environment gives no GATEHOUSE_SECRET_KEY."""

import fcntl
import os
import secrets
from pathlib import Path


def read_or_make(path: Path) -> str:
    """The key in the file `path`. A missing file is created, once for all processes that start at the same time.

    Raises OSError if it can be neither read nor created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if key := _read(path):
        return key
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        return _read(path) or _make(path)
    finally:
        os.close(folder)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _make(path: Path) -> str:
    key = secrets.token_urlsafe(48)
    # Written under another name first: a reader sees all of it or nothing, and a crash leaves no empty file.
    made = path.with_name(f"{path.name}.new")
    made.unlink(missing_ok=True)
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
    return key
