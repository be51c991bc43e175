"""Databases for tests, of the kind that DATABASE_URL names: SQLite files, or PostgreSQL databases.

Seventy migrations take longer than most tests. So a test run migrates one database, in the process that is the
first to need it, and all others are copies of it: the tests' own, and those of the servers that tests start. A migrated
SQLite file is also kept for the next run (tests/support/kept.py).
"""

import atexit
import fcntl
import hashlib
import os
import secrets
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.support import commands, kept

# Where the processes of a run find what one of them has made.
DIRECTORY = "TESTS_DIRECTORY"


@cache
def directory() -> Path:
    """The run's. It goes, and with it all that is in it, when the process ends that asked first."""
    if DIRECTORY not in os.environ:
        os.environ[DIRECTORY] = tempfile.mkdtemp(prefix="gatehouse-tests-")
        atexit.register(_remove, Path(os.environ[DIRECTORY]))
    return Path(os.environ[DIRECTORY])


@contextmanager
def database(where: Path, configuration: str = "", **settings: str) -> Iterator[str]:
    """The URL of a new database: migrated and, where it has a configuration, with signing keys. It is gone after it."""
    url = _copy(_configured(configuration, settings) if configuration else migrated(), where)
    try:
        yield url
    finally:
        drop(url)


@contextmanager
def empty(where: Path) -> Iterator[str]:
    """The URL of a new database without tables. It is gone after it."""
    url = _copy("", where)
    try:
        yield url
    finally:
        drop(url)


def prepare(file: Path) -> None:
    """So that `make serve` on that SQLite file has nothing to migrate. Where the tests have PostgreSQL, it migrates."""
    if migrated().startswith("sqlite"):
        copy_file(migrated(), file)


def migrated() -> str:
    """The URL of the one that is only copied."""

    def migrate() -> str:
        url = _copy("", directory())
        if url.startswith("sqlite") and (of := kept.file()) is not None and of.exists():
            copy_file(f"sqlite:///{of}", Path(urlsplit(url).path))
            return url
        commands.python(["manage.py", "migrate", "--verbosity", "0"], commands.environment(url))
        if url.startswith("sqlite"):
            kept.keep(lambda copy: copy_file(url, copy))
        return url

    return _once("migrated", migrate)


def _configured(configuration: str, settings: dict[str, str]) -> str:
    of = migrated()

    def configure() -> str:
        url = _copy(of, directory())
        file = directory() / f"{secrets.token_hex(6)}.yaml"
        file.write_text(configuration)
        env = commands.environment(url, **{"GATEHOUSE_ISSUER": "http://127.0.0.1:1/o", **settings})
        commands.python(["manage.py", "prepare", str(file)], env)
        return url

    return _once(hashlib.sha256(repr((configuration, sorted(settings.items()))).encode()).hexdigest(), configure)


def _once(name: str, make: Callable[[], str]) -> str:
    """Its result, computed by the first process of the run that needs it."""
    made = directory() / f"{name}.url"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_text(make())
    return made.read_text()


def _remove(shared: Path) -> None:
    for made in shared.glob("*.url"):
        drop(made.read_text())
    shutil.rmtree(shared)


def copy_file(of: str, file: Path) -> None:
    """A SQLite database, with all that others have committed to it."""
    with closing(sqlite3.connect(urlsplit(of).path)) as source, closing(sqlite3.connect(file)) as copy:
        source.backup(copy)


def _copy(of: str, where: Path) -> str:
    """The URL of a copy of that database, or of an empty one."""
    name = f"gatehouse_{secrets.token_hex(6)}"
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        file = where / f"{name}.sqlite3"
        if of:
            copy_file(of, file)
        return f"sqlite:///{file}"
    _administer("CREATE DATABASE {} TEMPLATE {}", name, urlsplit(of).path[1:] or "template1")
    need_not_survive(name)
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def drop(url: str) -> None:
    """A SQLite file goes with the directory that it is in."""
    if url.startswith("postgres"):
        _administer("DROP DATABASE {} WITH (FORCE)", urlsplit(url).path[1:])


def recorded(url: str, event: str) -> int:
    """How many of such events the audit of that database holds."""
    statement = f"SELECT count(*) FROM authz_auditevent WHERE event = '{event}'"  # noqa: S608  a name of ours
    if url.startswith("postgres"):
        with psycopg.connect(url) as connection:
            return int(connection.execute(statement).fetchone()[0])  # type: ignore[call-overload, index]
    with closing(sqlite3.connect(urlsplit(url).path)) as file:
        return int(file.execute(statement).fetchone()[0])


def need_not_survive(name: str) -> None:
    """A power cut, that is: no commit to this PostgreSQL database waits for the disk."""
    _administer("ALTER DATABASE {} SET synchronous_commit TO off", name)


def _administer(statement: LiteralString, *names: str) -> None:
    url = urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(urlunsplit(url._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


if __name__ == "__main__":  # python -m tests.support.databases FILE: makes the kept one, and a copy of it there
    prepare(Path(sys.argv[1]))
