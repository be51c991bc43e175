"""Triggers that void an undo: a change of a row that was cut off removes its marks (authz/models/cut_off.py).

An app names these tables in `CUT_OFF_MODELS`, with the columns that do not count: those that change by time or by
reading, and do not affect what the row may do.
"""

from collections.abc import Iterable, Iterator

from django.db.models import Model

TABLE = "authz_cutoffmark"
FUNCTION = "authz_void_cut_off"
FUNCTION_BODY = f"""
        CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN DELETE FROM {TABLE} WHERE of_table = TG_TABLE_NAME AND of_row = OLD.id; RETURN NULL; END $$
        """


def statements(vendor: str, model: type[Model], without: Iterable[str]) -> Iterator[str]:
    """The SQL of the triggers for one table."""
    table = model._meta.db_table
    fields = [field for field in model._meta.concrete_fields if field.name not in {"id", *without}]
    is_postgresql = vendor == "postgresql"
    differs = "OLD.{0} IS DISTINCT FROM NEW.{0}" if is_postgresql else "OLD.{0} IS NOT NEW.{0}"
    changed = " OR ".join(differs.format(f'"{field.column}"') for field in fields)
    for operation, condition in (("UPDATE", f"WHEN ({changed})"), ("DELETE", "")):
        name = f"{table}_void_cut_off_{operation.lower()}"
        if is_postgresql:
            yield f"DROP TRIGGER IF EXISTS {name} ON {table}"
            yield (
                f"CREATE TRIGGER {name} AFTER {operation} ON {table} FOR EACH ROW {condition}"
                f" EXECUTE FUNCTION {FUNCTION}()"
            )
        else:
            yield f"DROP TRIGGER IF EXISTS {name}"
            yield (
                f"CREATE TRIGGER {name} AFTER {operation} ON {table} {condition}"
                f" BEGIN DELETE FROM {TABLE} WHERE of_table = '{table}' AND of_row = OLD.id; END"
            )
