"""The only removal that append-only tables allow: that of archived rows (authz/evidence/archiver.py).

An archive's row says up to which event it reaches. It can only be written where a sealed segment ends, and is never
changed or removed. So neither a mistake nor a lesser account can remove events that were not archived under a
checkpoint. An owner of the database who drops triggers is found by `manage.py audit verify`.
"""

# What of a row has to lie below the mark, by table.
_MARKS = {"authz_auditevent": ("id", "last_id"), "authz_auditsegment": ("size", "size")}
TABLES = frozenset(_MARKS)
_ARCHIVE = "authz_auditarchive"
_SEALED = "EXISTS (SELECT 1 FROM authz_auditsegment WHERE size = NEW.size AND last_id = NEW.last_id)"
_NEXT = f"NEW.start = (SELECT COALESCE(MAX(size), 0) FROM {_ARCHIVE})"


def statements(vendor: str, table: str) -> list[str]:
    """What guards deleting from a table of `TABLES`, and writing the mark."""
    if table == _ARCHIVE:
        return _postgresql_mark() if vendor == "postgresql" else _sqlite_mark()
    if table not in TABLES:
        return []
    column, mark = _MARKS[table]
    archived = f"OLD.{column} <= (SELECT COALESCE(MAX({mark}), -1) FROM {_ARCHIVE})"
    name = f"{table}_append_only_delete"
    if vendor == "postgresql":
        return [
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$"
            f" BEGIN IF {archived} THEN RETURN OLD; END IF; RAISE EXCEPTION '{table} is append-only'; END $$",
            f"DROP TRIGGER IF EXISTS {name} ON {table}",
            f"CREATE TRIGGER {name} BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
        ]
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} BEFORE DELETE ON {table} WHEN NOT ({archived})"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    ]


def _postgresql_mark() -> list[str]:
    name = f"{_ARCHIVE}_sealed_only"
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN IF {_SEALED} AND {_NEXT} THEN RETURN NEW; END IF;"
        f" RAISE EXCEPTION 'only sealed events can be archived'; END $$",
        f"DROP TRIGGER IF EXISTS {name} ON {_ARCHIVE}",
        f"CREATE TRIGGER {name} BEFORE INSERT ON {_ARCHIVE} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]


def _sqlite_mark() -> list[str]:
    name = f"{_ARCHIVE}_sealed_only"
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} BEFORE INSERT ON {_ARCHIVE} WHEN NOT ({_SEALED} AND {_NEXT})"
        f" BEGIN SELECT RAISE(ABORT, 'only sealed events can be archived'); END",
    ]
