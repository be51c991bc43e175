"""Database triggers, for rules that hold for every writer: the ORM, a bulk update, or manual SQL.

- Each write to a configuration table changes the generation, in the same transaction, so no process decides by an
  outdated cache (authz/database/configuration_cache.py).
- Each change of a rule becomes a row of the rules' history, in the same transaction, never changed or removed.
- A change of what was cut off voids the undo (mark_triggers.py).
- Audit rows are never changed, and never removed before they are archived (archive_triggers.py).
- What has had an authorization is ended, not removed, and stays ended (keeping_triggers.py).

They are installed again after each `migrate`, because SQLite drops a table's triggers when a migration rebuilds it.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import AppConfig, apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from authz.models import archive_triggers, keeping_triggers, mark_triggers, trigger_comparison


def install(*, using: str, **_: Any) -> None:
    """Install the triggers of all apps that name `CONFIGURATION_MODELS` or `APPEND_ONLY_MODELS`."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        if "authz_generation" not in tables:
            return  # migrated back to nothing
        for statement in _statements(connection, tables):
            cursor.execute(statement)


def move_generation(*, using: str) -> None:
    """What a change of configuration does; also called after a restore."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE authz_generation SET value = {_NEW_VALUE[connection.vendor]} WHERE id = 1")


def missing(*, using: str) -> list[str]:
    """The names of triggers that are missing, disabled, or different from what `install` makes."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        found = trigger_comparison.found(connection, cursor)
    wanted = trigger_comparison.expected(connection.vendor, _statements(connection, tables))
    return sorted(name for name, parts in wanted.items() if parts is None or found.get(name) != parts)


def _statements(connection: BaseDatabaseWrapper, tables: set[str]) -> Iterator[str]:
    yield from _functions(connection)
    yield _FIRST_GENERATION
    for app in apps.get_app_configs():
        for table in tables.intersection(_tables(app, "CONFIGURATION_MODELS")):
            yield from _generation(connection, table)
        for table in tables.intersection(_tables(app, "MACHINE_GRANT_MODELS")):
            yield from _generation_of_machine_grants(connection, table)
        for name in getattr(app, "APPEND_ONLY_MODELS", ()):
            model = app.get_model(name)
            if model._meta.db_table in tables:
                yield from _append_only(connection, model)
        for name, without in getattr(app, "CUT_OFF_MODELS", {}).items():
            model = app.get_model(name)
            if tables >= {model._meta.db_table, mark_triggers.TABLE}:
                yield from mark_triggers.statements(connection.vendor, model, without)
    yield from keeping_triggers.statements(connection.vendor, tables)
    if tables >= {"authz_rule", "authz_rulechange", "authz_ruleauthor"}:
        yield from _rule_history(connection)


def _tables(app: AppConfig, attribute: str) -> list[str]:
    models = [app.get_model(name) for name in getattr(app, attribute, ())]
    # With a model's own table come those of its many-to-many fields.
    joins = [field.m2m_db_table() for model in models for field in model._meta.local_many_to_many]
    return [model._meta.db_table for model in models] + joins


_FIRST_GENERATION = "INSERT INTO authz_generation (id, value) VALUES (1, 0) ON CONFLICT (id) DO NOTHING"
# A random value rather than a counter: no restore, rollback or race can ever bring an old value back.
_NEW_VALUE = {"sqlite": "random()", "postgresql": "floor((random() - 0.5) * 9e18)::bigint"}


def _functions(connection: BaseDatabaseWrapper) -> list[str]:
    if connection.vendor != "postgresql":
        return []
    return [
        f"""
        CREATE OR REPLACE FUNCTION authz_move_generation() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN UPDATE authz_generation SET value = {_NEW_VALUE["postgresql"]} WHERE id = 1; RETURN NULL; END $$
        """,
        """
        CREATE OR REPLACE FUNCTION authz_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
        """,
        mark_triggers.FUNCTION_BODY,
    ]


def _generation(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    if connection.vendor == "postgresql":
        return [
            f"DROP TRIGGER IF EXISTS {table}_generation ON {table}",
            f"CREATE TRIGGER {table}_generation AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION authz_move_generation()",
        ]
    statements = []
    for operation in ("INSERT", "UPDATE", "DELETE"):
        name = f"{table}_generation_{operation.lower()}"
        statements += [
            f"DROP TRIGGER IF EXISTS {name}",
            f"CREATE TRIGGER {name} AFTER {operation} ON {table}"
            f" BEGIN UPDATE authz_generation SET value = {_NEW_VALUE['sqlite']} WHERE id = 1; END",
        ]
    return statements


def _generation_of_machine_grants(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """Ending a machine's authorization changes the generation, too, so its id may be cached. Those of people
    change with each sign-in and do not."""
    postgresql = connection.vendor == "postgresql"
    moved = (
        "EXECUTE FUNCTION authz_move_generation()"
        if postgresql
        else f"BEGIN UPDATE authz_generation SET value = {_NEW_VALUE['sqlite']} WHERE id = 1; END"
    )
    of_table = f" ON {table}" if postgresql else ""
    return [
        f"DROP TRIGGER IF EXISTS {table}_machine_ended{of_table}",
        f"CREATE TRIGGER {table}_machine_ended AFTER UPDATE OF revoked ON {table}"
        f" FOR EACH ROW WHEN (NEW.user_id IS NULL AND NEW.parent_id IS NULL) {moved}",
        f"DROP TRIGGER IF EXISTS {table}_machine_removed{of_table}",
        f"CREATE TRIGGER {table}_machine_removed AFTER DELETE ON {table}"
        # An ended one changed the generation when it ended; removing it years later does not matter.
        f" FOR EACH ROW WHEN (OLD.user_id IS NULL AND OLD.parent_id IS NULL AND OLD.revoked IS NULL) {moved}",
    ]


_HISTORY = "INSERT INTO authz_rulechange (time, action, rule, name, effect, enabled, definition, author, how)"
_NOW = {"sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')", "postgresql": "clock_timestamp()"}


def _kept(vendor: str, action: str, row: str) -> str:
    """The SELECT that makes a row of the history of a rule: time and author are the transaction's, if it has one."""
    told = {
        name: f"COALESCE((SELECT {name} FROM authz_ruleauthor WHERE id = 1), {otherwise})"
        for name, otherwise in (("time", _NOW[vendor]), ("author", "''"), ("how", "''"))
    }
    rule = ", ".join(f"{row}.{name}" for name in ("id", "name", "effect", "enabled", "definition"))
    return f"SELECT {told['time']}, '{action}', {rule}, {told['author']}, {told['how']}"


def _rule_history(connection: BaseDatabaseWrapper) -> list[str]:
    """Triggers that write each change of a rule into the history."""
    vendor = connection.vendor
    # Rules that are older than their history begin it now.
    unknown = "NOT EXISTS (SELECT 1 FROM authz_rulechange c WHERE c.rule = r.id)"
    begin = f"{_HISTORY} {_kept(vendor, 'created', 'r')} FROM authz_rule r WHERE {unknown} ORDER BY r.id"
    differs = "OLD.{0} IS DISTINCT FROM NEW.{0}" if vendor == "postgresql" else "OLD.{0} IS NOT NEW.{0}"
    changed = " OR ".join(differs.format(name) for name in ("name", "effect", "enabled", "definition"))
    statements = []
    for operation, action, row, condition in (
        ("INSERT", "created", "NEW", ""),
        ("UPDATE", "changed", "NEW", f"WHEN ({changed})"),
        ("DELETE", "removed", "OLD", ""),
    ):
        name = f"authz_rule_history_{operation.lower()}"
        keep = f"{_HISTORY} {_kept(vendor, action, row)};"
        if vendor == "postgresql":
            statements += [
                # Concurrent writers of rules wait here for each other, so that ids have the order of commits.
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$"
                f" BEGIN PERFORM 1 FROM authz_generation WHERE id = 1 FOR UPDATE; {keep} RETURN NULL; END $$",
                f"DROP TRIGGER IF EXISTS {name} ON authz_rule",
                f"CREATE TRIGGER {name} AFTER {operation} ON authz_rule FOR EACH ROW {condition}"
                f" EXECUTE FUNCTION {name}()",
            ]
        else:
            statements += [
                f"DROP TRIGGER IF EXISTS {name}",
                f"CREATE TRIGGER {name} AFTER {operation} ON authz_rule {condition} BEGIN {keep} END",
            ]
    return [*statements, begin]


def _append_only(connection: BaseDatabaseWrapper, model: type[Model]) -> list[str]:
    """Triggers that refuse UPDATE and DELETE on a table."""
    table = model._meta.db_table
    of_archives = archive_triggers.statements(connection.vendor, table)
    # Deleting is either refused to all, or guarded row by row.
    refused = ("UPDATE",) if table in archive_triggers.TABLES else ("UPDATE", "DELETE")
    if connection.vendor == "postgresql":
        return [
            f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}",
            f"CREATE TRIGGER {table}_append_only BEFORE {' OR '.join(refused)} OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION authz_append_only()",
            *of_archives,
        ]
    statements = []
    for operation in refused:
        name = f"{table}_append_only_{operation.lower()}"
        statements += [
            f"DROP TRIGGER IF EXISTS {name}",
            f"CREATE TRIGGER {name} BEFORE {operation} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
        ]
    # INSERT OR REPLACE removes the row that it replaces without asking the trigger on DELETE.
    unique = [field.column for field in model._meta.concrete_fields if field.unique]
    taken = " OR ".join(f"{column} = NEW.{column}" for column in unique)
    name = f"{table}_append_only_insert"
    statements += [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken})"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    ]
    return statements + of_archives
