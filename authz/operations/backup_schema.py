"""The schema of a SQLite file to be restored: nothing in it may be executed, and its tables are those of the
migrations.

A trigger or a view in a backup would be executed by the server's next statements. All of them are dropped, and
`migrate` installs ours. A file with other tables or columns than the migrations make is refused.
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db.migrations.loader import MigrationLoader

# Tables of earlier versions that migrations leave behind, empty.
LEFT_BEHIND = frozenset({"django_session"})
# Empty columns that migrations keep for an earlier version.
COLUMNS_LEFT_BEHIND = frozenset({("xaa_session", "session_key")})
_OURS = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'view')"


class SchemaError(Exception):
    """Why a file is not restored; in words for operators."""


def prepare(path: Path) -> None:
    """Make the file be what may be restored: without triggers and views, and with today's tables. Raises `SchemaError`.

    It is migrated by a process of its own, since some migrations speak with the default database alone.
    """
    with closing(sqlite3.connect(path)) as copy:
        _require_whole(copy)
        for kind, name in copy.execute(_OURS).fetchall():
            copy.execute(f"DROP {kind} {_quoted(name)}")
        copy.commit()
        pending = _pending(copy)
    if pending:
        _migrate(path)
    with closing(sqlite3.connect(path)) as copy:
        problems = list(_differences(copy))
        for name in [name for kind, name in copy.execute(_OURS).fetchall() if kind == "trigger"]:
            copy.execute(f"DROP TRIGGER {_quoted(name)}")  # made by its migrating
        copy.commit()
    if problems:
        raise SchemaError("its tables are not those that the migrations make: " + "; ".join(problems[:3]))


def require_whole(path: Path) -> None:
    with closing(sqlite3.connect(path)) as copy:
        _require_whole(copy)


def _require_whole(copy: sqlite3.Connection) -> None:
    if (said := copy.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
        raise SchemaError(f"the copy is damaged: {said}")
    if not copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'authz_generation'").fetchone():
        raise SchemaError("it is no database of Gatehouse")


def _pending(copy: sqlite3.Connection) -> bool:
    """Whether it is of an earlier version. Raises `SchemaError` for a later one."""
    loader = MigrationLoader(None)
    applied = set(copy.execute("SELECT app, name FROM django_migrations").fetchall())
    known = set(loader.disk_migrations or ())
    replaced = {old for migration in (loader.disk_migrations or {}).values() for old in migration.replaces}
    installed = {config.label for config in apps.get_app_configs()} & {app for app, _ in known}
    if later := sorted(f"{app} {name}" for app, name in applied - known - replaced if app in installed):
        raise SchemaError(f"it is of a later version, which has the migration {later[0]}")
    return not set(loader.graph.leaf_nodes()) <= applied


def _migrate(path: Path) -> None:
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{path}",
        "GATEHOUSE_HOME": str(settings.HOME),
        "PYTHONPATH": str(settings.BASE_DIR),
    }
    done = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity", "0", "--settings", "authz.settings"],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SchemaError(f"it cannot be migrated: {done.stderr.strip()[-500:]}")


def _differences(copy: sqlite3.Connection) -> Iterator[str]:
    names = [name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
    found = {name: _columns(copy, name) for name in names if not name.startswith("sqlite_")}
    expected = _expected()
    for name in sorted(expected.keys() | found.keys() - LEFT_BEHIND):
        if name not in found:
            yield f"{name} is not there"
        elif name not in expected:
            yield f"{name} is none of them"
        elif found[name] != expected[name]:
            yield f"{name} has other columns"


def _columns(copy: sqlite3.Connection, table: str) -> frozenset[tuple[str, int]]:
    """Name, and whether it is computed (a hidden or generated column)."""
    rows = copy.execute(f"PRAGMA table_xinfo({_quoted(table)})")
    return frozenset((row[1], row[6]) for row in rows if (table, row[1]) not in COLUMNS_LEFT_BEHIND)


def _expected() -> dict[str, frozenset[tuple[str, int]]]:
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    found = {
        model._meta.db_table: frozenset((field.column, 0) for field in model._meta.concrete_fields)
        for model in models
        if not model._meta.proxy and not model._meta.swapped
    }
    return found | {"django_migrations": frozenset((name, 0) for name in ("id", "app", "name", "applied"))}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
