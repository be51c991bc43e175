"""The database: reachable, migrated, with its triggers and with room on its disk; and the shared cache."""

from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import RedisError

from authz.models import triggers
from authz.operations.doctor.finding import ERROR, WARNING, Finding

# Bytes. A backup of SQLite needs as much again.
LEAST_FREE = 512 * 1024 * 1024
OLDEST_POSTGRESQL = 14_00_00


def unreachable() -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        yield Finding(
            ERROR,
            "database",
            f"It does not answer: {error}",
            "See to it and to DATABASE_URL. Nothing is issued until it answers; then the server goes on by itself, and"
            " everything else can be examined.",
        )


def database() -> Iterator[Finding]:
    """Is the database migrated, and of a supported version and mode?"""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = [f"{migration.app_label} {migration.name}" for migration, _ in plan]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        says = f"Migrations are missing: {', '.join(names[:5])}{more}."
        yield Finding(ERROR, "database", says, "Run `manage.py migrate`.")
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA journal_mode")
            if (mode := cursor.fetchone()[0]) != "wal":
                yield Finding(
                    ERROR,
                    "database",
                    f"SQLite's journal is {mode!r}, not WAL: readers and writers block each other.",
                    "Put the database on a local disk (a network file system has no WAL) and start again.",
                )
        elif connection.pg_version < OLDEST_POSTGRESQL:  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it
            yield Finding(ERROR, "database", "PostgreSQL is older than 14.", "Upgrade it; Django 5.2 needs 14.")


def installed_triggers() -> Iterator[Finding]:
    if names := triggers.missing(using="default"):
        yield Finding(
            ERROR,
            "triggers",
            f"Triggers are missing or were changed: {', '.join(names)}. Without them processes go on deciding by what"
            " they remember, and the audit can be rewritten.",
            "Run `manage.py migrate`, which installs them, then `manage.py audit verify`; find out who dropped them.",
        )


def disk() -> Iterator[Finding]:
    if connection.vendor != "sqlite" or (path := Path(str(connection.settings_dict["NAME"]))).parent == Path():
        return
    free, size = disk_usage(path.parent).free, path.stat().st_size
    if free < LEAST_FREE + size:
        yield Finding(
            WARNING,
            "disk",
            f"{free // 2**20} MB are free beside a database of {size // 2**20} MB; a backup needs as much again.",
            "Make room, or archive the audit's sealed segments elsewhere (docs/operations.md).",
        )


def shared_cache() -> Iterator[Finding]:
    if not settings.CACHE_URL:
        return
    try:
        # The cache itself would answer from this process's memory.
        cache.ping()  # type: ignore[attr-defined]  # with CACHE_URL it is SharedCache
    except (RedisError, OSError) as error:
        yield Finding(
            ERROR,
            "cache",
            f"Redis or Valkey does not answer: {error}",
            "See to it and to CACHE_URL. Meanwhile tokens are issued, and each process counts alone: rate limits are as"
            " many times looser as there are processes.",
        )
