"""A copy of the whole database while the server serves, and its restore.

A backup is of a moment. A restore revives what was revoked, used or withdrawn after it; so it ends all authorizations
and sessions: people sign in and consent anew. A backup carries a MAC (backup_mac.py), and nothing in it is executed
(backup_schema.py).
"""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from authz import audit, authorizations
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.models import (
    AuditEvent,
    Authorization,
    AuthorizationCode,
    BrowserSession,
    ConfigurationPlan,
    Consent,
    Invitation,
    triggers,
)
from authz.operations import backup_mac, backup_schema

REASON = "restored"


class BackupError(Exception):
    """Why there is no backup, or no restoring it; in words for operators."""


@dataclass(frozen=True, slots=True)
class Restored:
    """`newest` is the time of the last event in the backup: what happened after it is not known any more."""

    newest: datetime | None
    ended: int


def write(path: Path) -> None:
    """Write a consistent copy to `path`, which must not exist. Raises `BackupError`."""
    if path.exists():
        raise BackupError(f"{path} exists; a backup is never overwritten")
    partial = path.with_name(f"{path.name}.partial")
    # Signing keys are encrypted in it, but people's names and addresses are not.
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        _write_sqlite(partial) if connection.vendor == "sqlite" else _write_postgresql(partial)
        backup_mac.seal(partial, connection.vendor)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.rename(path)


def restore(path: Path, *, now: datetime, as_is: bool = False, unsigned: bool = False) -> Restored:
    """Replace the database by the backup. Raises `BackupError`.

    `as_is` ends nothing: only for a copy since which nothing has happened, such as a move to another machine.
    `unsigned` accepts a backup with a missing or wrong MAC.
    """
    if not path.is_file():
        raise BackupError(f"there is no file {path}")
    connection.close()
    try:
        with backup_mac.verified(path, connection.vendor, beside=_room(), unsigned=unsigned) as copy:
            _read_sqlite(copy) if connection.vendor == "sqlite" else _read_postgresql(copy)
    except (backup_mac.MacError, backup_schema.SchemaError) as error:
        raise BackupError(f"{path}: {error}") from None
    connection.close()
    # It may be of an older version; this installs the triggers, too.
    call_command("migrate", verbosity=0)
    newest = AuditEvent.objects.order_by("-id").values_list("time", flat=True).first()
    with unit_of_work():
        ended = 0 if as_is else _end_everything(now)
        how = {"as_is": as_is, "unsigned": unsigned}
        detail = {"newest": newest.isoformat() if newest else "", "ended": ended, **how}
        audit.record(audit.Event.RESTORED, detail=detail)
        # Processes that have cached the old configuration have to forget it.
        triggers.move_generation(using="default")
    configuration_cache.forget()
    return Restored(newest, ended)


def _end_everything(now: datetime) -> int:
    ended = authorizations.end(Authorization.objects.all(), reason=REASON, now=now)
    # A consent that was withdrawn since would let an agent back in without a question.
    Consent.objects.all().delete()
    AuthorizationCode.objects.filter(expires__gt=now).update(expires=now)
    BrowserSession.objects.all().delete()
    # One that was used since would work again.
    Invitation.objects.filter(used=None, voided=None).update(voided=now)
    # One that was applied or declined since would be applied again.
    plan = ConfigurationPlan.Status
    open_plans = ConfigurationPlan.objects.filter(status__in=[plan.WAITING, plan.APPROVED])
    open_plans.update(status=plan.OUTDATED, file=None)
    return ended


# --- SQLite ---------------------------------------------------------------------------------------------------------


def _write_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(_file())) as source, closing(sqlite3.connect(path)) as copy:
        # The online backup of SQLite: readers and writers go on meanwhile.
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log
    try:
        backup_schema.require_whole(path)
    except backup_schema.SchemaError as error:
        raise BackupError(str(error)) from None


def _read_sqlite(path: Path) -> None:
    try:
        backup_schema.prepare(path)
        with closing(sqlite3.connect(path)) as copy, closing(sqlite3.connect(_file())) as target:
            # In WAL mode it would take no pages of another size than its own.
            target.execute("PRAGMA journal_mode = DELETE")
            copy.backup(target)
            target.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError as error:
        raise BackupError(f"it is not a backup of SQLite, or the database is in use: {error}") from None


def _room() -> Path | None:
    """The directory for the verified copy: the database's; None means that of temporary files."""
    if connection.vendor != "sqlite":
        return None
    folder = Path(_file()).parent
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _file() -> str:
    return str(connection.settings_dict["NAME"])


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


def _write_postgresql(path: Path) -> None:
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}")


def _read_postgresql(path: Path) -> None:
    # All of it or nothing. The tables are those of the backup; existing ones are dropped first.
    chosen = path.with_name("chosen")
    listed = _run("pg_restore", "--list", str(path)).splitlines()
    chosen.write_text("\n".join(line for line in listed if _is_data(line)))
    name = f"--dbname={connection.settings_dict['NAME']}"
    how = ("--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction", f"--use-list={chosen}")
    _run("pg_restore", *how, name, str(path))


# Tables and their rows, in pg_dump's words. Functions, triggers, views, rules and the like could be executed; `migrate`
# installs ours.
_DATA = (
    "TABLE", "TABLE DATA", "SEQUENCE", "SEQUENCE OWNED BY", "SEQUENCE SET", "DEFAULT", "CONSTRAINT", "FK CONSTRAINT",
    "INDEX", "ENCODING", "STDSTRINGS", "SEARCHPATH",
)  # fmt: skip


def _is_data(line: str) -> bool:
    """Whether a line of pg_restore's list is about one of them: `215; 1259 16387 TABLE public authz_client owner`."""
    words = line.split()
    return len(words) > 4 and any(words[3 : 3 + len(kind.split())] == kind.split() for kind in _DATA)


def _run(program: str, *arguments: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise BackupError(f"{program} is not installed (Debian: postgresql-client)")
    done = subprocess.run([found, *arguments], env=_environment(), capture_output=True, text=True, check=False)  # noqa: S603  our own arguments
    if done.returncode != 0:
        raise BackupError(f"{program}: {done.stderr.strip()[:500]}")
    return done.stdout


def _environment() -> dict[str, str]:
    """libpq's variables: every user of the machine could read a password on the command line."""
    settings = connection.settings_dict
    told = {
        "PGHOST": settings["HOST"],
        "PGPORT": str(settings["PORT"] or ""),
        "PGUSER": settings["USER"],
        "PGPASSWORD": settings["PASSWORD"],
        "PGDATABASE": settings["NAME"],
        "PGSSLMODE": settings["OPTIONS"].get("sslmode", ""),
        "PGSSLROOTCERT": settings["OPTIONS"].get("sslrootcert", ""),
    }
    return os.environ | {name: value for name, value in told.items() if value}
