"""Database triggers, for what must hold whoever writes: the ORM, a bulk update, or a person at the database's prompt.

- Each write to a configuration table moves the generation, in the same transaction, so that no process goes on deciding
  by what it has cached (authz/snapshot.py).
- Rows of the audit are never changed or removed.

They are installed again after each `migrate`, because SQLite drops a table's triggers when a migration rebuilds it.
"""

from typing import Any

from django.apps import AppConfig, apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


def install(*, using: str, **_: Any) -> None:
    """Install the triggers of all apps that name `CONFIGURATION_MODELS` or `APPEND_ONLY_MODELS`."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        if "authz_generation" not in tables:
            return  # migrated back to nothing
        for statement in _functions(connection):
            cursor.execute(statement)
        cursor.execute(_FIRST_GENERATION)
        for app in apps.get_app_configs():
            for table in tables.intersection(_tables(app, "CONFIGURATION_MODELS")):
                for statement in _generation(connection, table):
                    cursor.execute(statement)
            for table in tables.intersection(_tables(app, "MACHINE_GRANT_MODELS")):
                for statement in _generation_of_machine_grants(connection, table):
                    cursor.execute(statement)
            for table in tables.intersection(_tables(app, "APPEND_ONLY_MODELS")):
                for statement in _append_only(connection, table):
                    cursor.execute(statement)


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
    """Ending the standing grant of a machine moves the generation too, so that its id may be cached; those of people
    come and go with every sign-in and do not."""
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
        f" FOR EACH ROW WHEN (NEW.user_id IS NULL) {moved}",
        f"DROP TRIGGER IF EXISTS {table}_machine_removed{of_table}",
        f"CREATE TRIGGER {table}_machine_removed AFTER DELETE ON {table}"
        f" FOR EACH ROW WHEN (OLD.user_id IS NULL) {moved}",
    ]


def _append_only(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    if connection.vendor == "postgresql":
        return [
            f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}",
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION authz_append_only()",
        ]
    statements = []
    for operation in ("UPDATE", "DELETE"):
        name = f"{table}_append_only_{operation.lower()}"
        statements += [
            f"DROP TRIGGER IF EXISTS {name}",
            f"CREATE TRIGGER {name} BEFORE {operation} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
        ]
    # INSERT OR REPLACE removes the row that it replaces without asking the trigger on DELETE.
    name = f"{table}_append_only_insert"
    statements += [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    ]
    return statements
