"""The triggers that keep rows, in tests: installed as in the product, and lifted for as long as a test needs it.

Tests run with them, so that code which changes or removes such a row fails. Two things lift them: emptying the tables
after a test that commits, and a test that makes rows older or plays the attacker who owns the database.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.color import no_style
from django.db import connection

# Triggers that refuse to change or remove rows, by what their names hold (authz/models/triggers.py).
_KEEPING = ("_append_only", "_kept_")


def drop() -> None:
    """What the owner of the database can do. The end of the test brings them back."""
    for name, table, _ in _installed():
        of_table = f" ON {table}" if connection.vendor == "postgresql" else ""
        _execute(f"DROP TRIGGER {name}{of_table}")


@contextmanager
def lifted() -> Iterator[None]:
    """Rows may be changed and removed inside."""
    if connection.vendor == "postgresql":
        _execute("SET session_replication_role = replica")
        yield
        _execute("SET session_replication_role = DEFAULT")
        return
    installed = _installed()
    drop()
    yield
    for _, _, statement in installed:
        _execute(statement)


def emptied_without(sql_flush: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """Django's statements that empty all tables after a test, so that they do so past the triggers. Installing these
    again is what `post_migrate` does then, as after each `migrate`.
    """

    def statements(style: object, tables: list[str], **how: Any) -> list[str]:
        if connection.vendor == "postgresql":
            # TRUNCATE makes new files for all tables and their indexes: a second for the few rows of a test.
            emptying = [f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables]  # noqa: S608  our own tables
            return ["SET LOCAL session_replication_role = replica", *emptying]
        return [*(f"DROP TRIGGER {name}" for name, _, _ in _installed()), *sql_flush(no_style(), tables, **how)]

    return statements


def _installed() -> list[tuple[str, str, str]]:
    """Name, table and, on SQLite, the statement that made it."""
    query = (
        "SELECT tgname, tgrelid::regclass::text, '' FROM pg_trigger WHERE NOT tgisinternal"
        if connection.vendor == "postgresql"
        else "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [row for row in cursor.fetchall() if any(kind in row[0] for kind in _KEEPING)]


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
