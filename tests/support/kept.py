"""The migrated SQLite file of the last run, for the next one: it takes nine seconds of processor time to make.

It is `var/tests/NAME.sqlite3`, named by all that decides what is in it. `make test`, `make interop` and `make e2e` of
the same files are such runs.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from demo.processes import ROOT

FOLDER = ROOT / "var" / "tests"
# What migrations consist of and use, and what `post_migrate` adds: triggers, types of content, permissions.
# tests/database/test_kept.py finds what is missing here.
DECIDE = (
    *(f"{app}/{part}" for app in ("authz", "cimd", "xaa") for part in ("apps.py", "migrations", "models")),
    "authz/protocol", "cimd/client_identifier.py", "authz/settings.py", "authz/django_settings.py",
    "authz/database/sqlite3", "requirements/runtime.txt", "tests/support/kept.py",
)  # fmt: skip


@cache
def file() -> Path | None:
    """Where it is, or would be. None in a run with other settings than the project's own."""
    if os.environ.get("DJANGO_SETTINGS_MODULE", "authz.settings") != "authz.settings":
        return None
    found = hashlib.sha256()
    for path in _files():
        found.update(f"{path.relative_to(ROOT)} {path.stat().st_size}\n".encode() + path.read_bytes())
    return FOLDER / f"{found.hexdigest()[:32]}.sqlite3"


def _files() -> Iterator[Path]:
    for name in DECIDE:
        path = ROOT / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def keep(copy: Callable[[Path], None]) -> None:
    """`copy` writes it to a path. It appears as a whole, and those of other files go."""
    if (kept := file()) is None:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for other in FOLDER.glob("*.sqlite3"):
        other.unlink(missing_ok=True)
    part = kept.with_suffix(f".{os.getpid()}")
    copy(part)
    part.replace(kept)
