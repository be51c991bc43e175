"""What has had an authorization is ended, not removed, and stays ended, for every writer
(authz/authorizations/removal.py).

The row of an authorization may be removed days after it ended, when no token and no refresh token of it can be alive.
Until then a status list shows its state at its entry, and that entry is never reused.
"""

AUTHORIZATION = "authz_authorization"
ENDED_ENTRY = "authz_endedentry"
# What authorizations point at, and by which column.
PARENTS = {"authz_client": "client_id", "authz_user": "user_id", "authz_protectedresource": "resource_id"}
# Two days: its tokens live for one at the most (authz/keys/__init__.py), and clocks differ.
_AGO = {"sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-2 days')", "postgresql": "now() - interval '2 days'"}
_REMOVED = "what had an authorization is ended, not removed"
_REVIVED = "what has ended stays so"


def statements(vendor: str, tables: set[str]) -> list[str]:
    """What keeps authorizations and what they point at."""
    if AUTHORIZATION not in tables:
        return []
    found = _kept(vendor, AUTHORIZATION, "DELETE", f"NOT ({_is_over(vendor)})", _REMOVED)
    columns = "UPDATE OF revoked, status_list, status_index"
    found += _kept(vendor, AUTHORIZATION, columns, _is_undone(vendor, ENDED_ENTRY in tables), _REVIVED)
    for table, column in PARENTS.items():
        if table in tables:
            stands = f"EXISTS (SELECT 1 FROM {AUTHORIZATION} WHERE {column} = OLD.id)"
            found += _kept(vendor, table, "DELETE", stands, _REMOVED)
    return found


def _is_over(vendor: str) -> str:
    ago = _AGO[vendor]
    return (
        f"(OLD.revoked IS NOT NULL AND OLD.revoked < {ago})"
        f" OR (OLD.revoked IS NULL AND OLD.expires IS NOT NULL AND OLD.expires < {ago})"
        # Without refresh tokens a person's is over with its one token, and so is one that another token was exchanged
        # for; a machine's own ends by being revoked alone.
        " OR (OLD.revoked IS NULL AND OLD.expires IS NULL AND (OLD.user_id IS NOT NULL OR OLD.parent_id IS NOT NULL)"
        f" AND OLD.created < {ago})"
    )


def _is_undone(vendor: str, has_ended_entries: bool) -> str:
    differs = "NEW.{0} IS DISTINCT FROM OLD.{0}" if vendor == "postgresql" else "NEW.{0} IS NOT OLD.{0}"
    moved = " OR ".join(differs.format(name) for name in ("status_list", "status_index"))
    if has_ended_entries:
        # It may go without its entry where the list goes on saying that the entry has ended.
        told = 'status_list_id = OLD.status_list AND "index" = OLD.status_index'
        is_told = f"EXISTS (SELECT 1 FROM {ENDED_ENTRY} WHERE {told})"
        moved = f"({moved}) AND NOT (NEW.status_list IS NULL AND NEW.status_index IS NULL AND {is_told})"
    return f"(OLD.revoked IS NOT NULL AND NEW.revoked IS NULL) OR (OLD.status_list IS NOT NULL AND ({moved}))"


def _kept(vendor: str, table: str, events: str, refused: str, because: str) -> list[str]:
    name = f"{table}_kept_{events.split(maxsplit=1)[0].lower()}"
    if vendor == "postgresql":
        row = "NEW" if events.startswith("UPDATE") else "OLD"
        return [
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$"
            f" BEGIN IF {refused} THEN RAISE EXCEPTION '{because}' USING ERRCODE = 'integrity_constraint_violation';"
            f" END IF; RETURN {row}; END $$",
            f"DROP TRIGGER IF EXISTS {name} ON {table}",
            f"CREATE TRIGGER {name} BEFORE {events} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
        ]
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} BEFORE {events} ON {table} WHEN {refused} BEGIN SELECT RAISE(ABORT, '{because}'); END",
    ]
