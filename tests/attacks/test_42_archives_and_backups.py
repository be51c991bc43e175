"""Attack 42: archives and backups tampered with. A backup carries a MAC, nothing in it runs, and no destination of the
audit writes into an archive.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from rest_framework.exceptions import ValidationError

from authz.configuration import ConfigurationError, apply
from authz.evidence import archive_files, targets
from authz.models import AuditDestination, AuditEvent, Generation, User, triggers
from authz.operations import backup_mac
from tests.support import commands, databases, world
from tests.support.world import World

sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="a file of SQLite")


@pytest.fixture
def copy(tmp_path: Path, committed_gatehouse: World) -> Path:
    path = tmp_path / "copy"
    call_command("backup", path, verbosity=0, stdout=StringIO())
    return path


def restore(path: Path, *how: str) -> None:
    call_command("restore", path, "--replace", *how, stdout=StringIO())


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if at >= 0 else _from_the_end(data, at)


def _from_the_end(data: bytes, at: int) -> bytes:
    return flipped(len(data) + at)(data)


def without_its_mac(data: bytes) -> bytes:
    return data[: -backup_mac._LENGTH]


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "no MAC": without_its_mac,
    "a byte of the data": flipped(5000),
    "the first byte": flipped(0),
    "a byte of the MAC": flipped(-10),
    "the last byte": flipped(-1),
    "something behind it": lambda data: data + b"\n",
    "something before its MAC": lambda data: without_its_mac(data) + b"x" + data[-backup_mac._LENGTH :],
    "cut short": lambda data: data[: len(data) // 2] + data[-backup_mac._LENGTH :],
    "nothing but a MAC": lambda data: data[-backup_mac._LENGTH :],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_backup_that_was_changed_is_refused_and_changes_nothing(copy: Path, change: str) -> None:
    copy.write_bytes(CHANGES[change](copy.read_bytes()))
    before = Generation.objects.get().value, AuditEvent.objects.count()
    with pytest.raises(CommandError, match="MAC"):
        restore(copy)
    assert (Generation.objects.get().value, AuditEvent.objects.count()) == before
    assert not list(copy.parent.glob("restoring-*"))


@pytest.mark.parametrize(("now", "fallbacks", "is_taken"), [
    ("another-secret-0123456789-0123456789-0123456789-0123456789", [], False),
    ("another-secret-0123456789-0123456789-0123456789-0123456789", ["the first"], True),
    ("another-secret-0123456789-0123456789-0123456789-0123456789", ["a third" * 10], False),
])  # fmt: skip
def test_it_is_bound_to_the_secret(copy: Path, settings: Any, now: str, fallbacks: list[str], is_taken: bool) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY if name == "the first" else name for name in fallbacks]
    settings.SECRET_KEY = now
    if is_taken:
        restore(copy)
    else:
        with pytest.raises(CommandError, match="MAC does not fit"):
            restore(copy)


def test_without_a_mac_it_takes_an_explicit_word_that_is_recorded(copy: Path) -> None:
    copy.write_bytes(without_its_mac(copy.read_bytes()))
    restore(copy, "--unsigned")
    assert AuditEvent.objects.get(event="operation:backup:restored").detail["unsigned"] is True


# --- Nothing in it runs ---------------------------------------------------------------------------------------------

PLANTED = {
    "sqlite": [
        "CREATE TRIGGER planted AFTER INSERT ON authz_auditevent"
        " BEGIN UPDATE authz_user SET role = 'administrator' WHERE username = 'charlie'; END",
        "CREATE VIEW planted_view AS SELECT * FROM authz_user",
        "DROP TRIGGER authz_auditevent_append_only_delete",
    ],
    "postgresql": [
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE authz_user"
        " SET role = 'administrator' WHERE username = 'charlie'; RETURN NULL; END $$;"
        "CREATE TRIGGER planted AFTER INSERT ON authz_auditevent FOR EACH ROW EXECUTE FUNCTION planted()",
        "CREATE RULE planted AS ON DELETE TO authz_rule DO INSTEAD NOTHING",
        "DROP TRIGGER authz_auditevent_append_only_delete ON authz_auditevent",
    ],
}


@pytest.mark.parametrize("planted", range(3))
def test_triggers_planted_before_the_backup_are_not_restored(
    committed_gatehouse: World, tmp_path: Path, planted: int
) -> None:
    path = tmp_path / "copy"
    with connection.cursor() as cursor:
        cursor.execute(PLANTED[connection.vendor][planted])
    call_command("backup", path, stdout=StringIO())
    restore(path)
    assert triggers.missing(using="default") == []
    with connection.cursor() as cursor:
        query = (
            "SELECT tgname FROM pg_trigger WHERE tgname = 'planted' UNION SELECT rulename FROM pg_rules"
            " WHERE rulename = 'planted'"
            if connection.vendor == "postgresql"
            else "SELECT name FROM sqlite_master WHERE name LIKE 'planted%'"
        )
        cursor.execute(query)
        assert cursor.fetchall() == []
    committed_gatehouse.machine_token()
    assert User.objects.get(username="charlie").role == "none"


def drop_triggers(file: sqlite3.Connection) -> None:
    for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        file.execute(f"DROP TRIGGER {name}")


TAMPERED = {
    "another table": "CREATE TABLE planted (id INTEGER)",
    "a table that runs": "CREATE VIRTUAL TABLE planted USING fts5(text)",
    "a table less": "DROP TABLE authz_savedview",
    "another column": "ALTER TABLE authz_user ADD COLUMN planted TEXT",
    "a computed column": "ALTER TABLE authz_user ADD COLUMN planted TEXT GENERATED ALWAYS AS (upper(username))",
    "a column less": "ALTER TABLE authz_scope DROP COLUMN description",
    "a migration of another version": "INSERT INTO django_migrations (app, name, applied)"
    " VALUES ('authz', '9999_later', '2026-01-01')",
    "no database of ours": "DROP TABLE authz_generation",
}


@sqlite_only
@pytest.mark.parametrize("statement", TAMPERED)
def test_a_file_with_other_tables_is_refused_and_changes_nothing(copy: Path, statement: str) -> None:
    copy.write_bytes(without_its_mac(copy.read_bytes()))
    with closing(sqlite3.connect(copy)) as tampered:
        drop_triggers(tampered)
        tampered.execute(TAMPERED[statement])
        tampered.commit()
    before = Generation.objects.get().value
    with pytest.raises(CommandError):
        restore(copy, "--unsigned")
    assert Generation.objects.get().value == before
    assert User.objects.filter(username="alice").exists()


@sqlite_only
def test_triggers_and_views_of_a_tampered_file_go(copy: Path, committed_gatehouse: World) -> None:
    copy.write_bytes(without_its_mac(copy.read_bytes()))
    with closing(sqlite3.connect(copy)) as tampered:
        for statement in PLANTED["sqlite"]:
            tampered.execute(statement)
        tampered.commit()
    restore(copy, "--unsigned")
    assert triggers.missing(using="default") == []
    committed_gatehouse.machine_token()
    assert User.objects.get(username="charlie").role == "none"


@sqlite_only
def test_one_of_an_earlier_version_is_brought_up_to_date(committed_gatehouse: World, tmp_path: Path) -> None:
    with databases.database(tmp_path, world.configuration()) as older:
        with closing(sqlite3.connect(older.removeprefix("sqlite:///"))) as file:
            drop_triggers(file)  # today's name today's columns
        commands.python(["manage.py", "migrate", "xaa", "0004", "--verbosity", "0"], commands.environment(older))
        restore(Path(older.removeprefix("sqlite:///")), "--unsigned")
    assert triggers.missing(using="default") == []
    assert User.objects.filter(username="alice").exists()


# --- Archives -------------------------------------------------------------------------------------------------------

NAMES = [
    "audit-000000000000-000000000007.jsonl.gz",
    "AUDIT-000000000000-000000000007.JSONL.GZ",
    "audit-000000000000-000000000007.jsonl.Gz",
    "audit-000000000000-000000000007.jsonl.0123456789abcdef.part",
    "other.gz",
    "events.PART",
    "../audit-000000000000-000000000007.jsonl.gz",
    "/etc/passwd",
    "a/../b.jsonl",
    ".hidden",
    "",
]


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_no_destination_is_called_like_an_archive(name: str, settings: Any, tmp_path: Path) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "AUDIT_DIRECTORY": tmp_path / "audit"}
    with pytest.raises((ConfigurationError, ValidationError)):
        apply(f"audit_destinations: [{{name: siem, format: jsonl, to: 'file:{name}'}}]")
    assert not AuditDestination.objects.exists()
    # One that is there already, from before, writes nothing.
    with pytest.raises(OSError, match="no file of a destination"):
        targets.send(f"file:{name}", "", [targets.Line(0, {}, "x")], "")
    assert not (tmp_path / "audit").exists()


@pytest.mark.parametrize("kind", ["hard link", "symbolic link", "pipe", "directory", "the database"])
def test_no_destination_writes_through_a_link_or_device(
    kind: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    settings.GATEHOUSE = {**settings.GATEHOUSE, "AUDIT_DIRECTORY": folder}
    archive = folder / archive_files.name(0, 7)
    archive.write_bytes(b"sealed")
    name = folder / "events.jsonl"
    match kind:
        case "hard link":
            os.link(archive, name)
        case "symbolic link":
            name.symlink_to(archive)
        case "pipe":
            os.mkfifo(name)
        case "directory":
            name.mkdir()
        case "the database":
            name.write_bytes(b"sealed")
            settings.IS_SQLITE = True
            monkeypatch.setitem(settings.DATABASES["default"], "NAME", str(name))
    with pytest.raises(OSError):
        targets.send("file:events.jsonl", "", [targets.Line(0, {}, "x")], "")
    assert archive.read_bytes() == b"sealed"
    assert kind != "the database" or name.read_bytes() == b"sealed"


def test_a_plain_file_is_written(settings: Any, tmp_path: Path) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "AUDIT_DIRECTORY": tmp_path}
    targets.send("file:events.jsonl", "", [targets.Line(0, {}, "x")], "")
    assert (tmp_path / "events.jsonl").read_text() == "x\n"
