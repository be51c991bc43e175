"""A database that is down, empty or not there, in one sentence."""

from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

from authz.command_line import catalog
from authz.operations.logs import scrub

# Commands that make the database, or need none.
_MAKERS = frozenset({"run", "serve", "prepare", "migrate", "restore", "check", "doctor", "convert"})
_NO_FILE = "no such file: "
_MISSING = ("no such table", "no such column", "UndefinedTable", "UndefinedColumn")


def require_file(command: str) -> None:
    """Raises `DatabaseError` where SQLite would make an empty file and then find no table in it."""
    name = str(settings.DATABASES["default"]["NAME"])
    if command in catalog.names() - _MAKERS and settings.IS_SQLITE and not Path(name).exists():
        raise DatabaseError(f"{_NO_FILE}{name}")


def sentence(error: DatabaseError, program: str) -> str:
    """What to tell the operator. Without the password of DATABASE_URL."""
    said = scrub(str(error).strip().partition("\n")[0])
    if said.startswith(_NO_FILE):
        return (
            f"There is no database at {said.removeprefix(_NO_FILE)}. `{program} prepare` makes it; if it is"
            " elsewhere, set GATEHOUSE_HOME or DATABASE_URL."
        )
    if any(word in f"{said} {type(error.__cause__).__name__}" for word in _MISSING):
        return f"The database {_where()} has not the tables of this version. `{program} prepare` makes them. ({said})"
    return f"The database {_where()} does not answer: {said}"


def _where() -> str:
    values = connection.settings_dict
    if settings.IS_SQLITE:
        return str(values["NAME"])
    return f"{values['NAME']} at {values['HOST'] or 'localhost'}:{values['PORT'] or 5432}"
