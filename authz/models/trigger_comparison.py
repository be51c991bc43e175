"""Whether the triggers of a database are what `install` makes them: all they do, not only that they are there.

SQLite keeps a trigger's statement as it was written. PostgreSQL keeps it in words of its own, so both are read into the
same parts: when it fires, on what, under which condition, and the body of its function.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

_TRIGGER = re.compile(
    r"CREATE TRIGGER (?P<name>\w+) (?P<timing>BEFORE|AFTER) (?P<events>.+?) ON (?:\w+\.)?(?P<table>\w+)"
    r"(?: FOR EACH (?P<level>ROW|STATEMENT))?(?: WHEN \((?P<condition>.*)\))?"
    r" EXECUTE FUNCTION (?:\w+\.)?(?P<function>\w+)"
)
_FUNCTION = re.compile(r"\s*CREATE OR REPLACE FUNCTION (?P<name>\w+)\(\)[^$]*\$\$(?P<body>.*)\$\$", re.DOTALL)


class Parts(NamedTuple):
    """A trigger of PostgreSQL: when it fires, and the body of its function as words."""

    timing: str
    events: frozenset[str]
    table: str
    level: str
    condition: str
    function: str
    body: str


def expected(vendor: str, statements: Iterable[str]) -> dict[str, object]:
    """Trigger by name, as it is to be."""
    made = list(statements)
    if vendor == "sqlite":
        return {text.split()[2]: text for text in made if text.startswith("CREATE TRIGGER ")}
    bodies = {found["name"]: found["body"] for text in made if (found := _FUNCTION.match(text))}
    triggers = [text for text in made if text.startswith("CREATE TRIGGER ")]
    return {text.split()[2]: _parts(text, bodies) for text in triggers}


def found(connection: BaseDatabaseWrapper, cursor: Any) -> dict[str, object]:
    """The installed triggers by name; None for one that is disabled or cannot be ours."""
    if connection.vendor == "sqlite":
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        return dict(cursor.fetchall())
    cursor.execute(
        "SELECT t.tgname, t.tgenabled <> 'D', pg_get_triggerdef(t.oid), p.proname, p.prosrc"
        " FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal"
    )
    return {
        name: _parts(definition, {function: body}) if enabled else None
        for name, enabled, definition, function, body in cursor.fetchall()
    }


def _parts(definition: str, bodies: Mapping[str, str]) -> Parts | None:
    read = _TRIGGER.match(_words(definition))
    if read is None or read["function"] not in bodies:
        return None
    return Parts(
        timing=read["timing"],
        events=frozenset(read["events"].split(" OR ")),
        table=read["table"],
        level=read["level"] or "STATEMENT",
        condition=_bare(read["condition"] or ""),
        function=read["function"],
        body=_words(bodies[read["function"]]),
    )


def _words(text: str) -> str:
    return " ".join(text.split())


def _bare(condition: str) -> str:
    """A condition without what PostgreSQL adds to it or leaves out: parentheses, casts, quotes, small letters."""
    return re.sub(r'::\w+|[()"\s]', "", condition).lower()
