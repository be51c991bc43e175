"""Whether this process could issue a token now: what `/readyz` says.

Whether something can be written shows only when it is: a full disk takes a record that is taken back again. So a row
of its own is written, once a second at most however often is asked; asking is no way to keep the database busy.
"""

import threading
import time
from collections.abc import Iterator
from functools import cache
from shutil import disk_usage

from django.db import Error as DatabaseFailure
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader

from authz import audit, keys
from authz.database import clocks, concurrency, configuration_cache
from authz.keys.secrets_at_rest import WrongKeyError
from authz.protocol.errors import OAuthError

# Seconds for which a result is remembered, and for which it is given while another thread checks again.
REMEMBERED, STALE = 1.0, 5.0
# Less than this left on the disk that a SQLite database is on, and the next writes fail.
LEAST_DISK = 16 * 1024 * 1024
_DISK_FULL = "53100"

_lock = threading.Lock()
_last: tuple[float, tuple[str, ...]] = (float("-inf"), ())


def problems() -> tuple[str, ...]:
    """Codes of problems, none of them a secret; empty when the server is ready. Raises `MustRunInThread` in the
    event-loop thread.
    """
    global _last  # noqa: PLW0603  one per process is the idea
    looked, found = _last
    if time.monotonic() - looked <= REMEMBERED:
        return found
    # Looking takes as long as the database takes, so never in the event loop's thread.
    if concurrency.is_in_event_loop():
        raise concurrency.MustRunInThread
    # While another thread checks, the last result is given to others at once.
    if not _lock.acquire(blocking=time.monotonic() - looked > STALE):
        return found
    try:
        if time.monotonic() - _last[0] > REMEMBERED:
            _last = (time.monotonic(), tuple(_found()))
        return _last[1]
    finally:
        _lock.release()


def forget() -> None:
    """Look again (tests)."""
    global _last  # noqa: PLW0603
    _last = (float("-inf"), ())


def _found() -> Iterator[str]:
    if not _answers():
        yield "database_unavailable"
        return
    try:
        configuration_cache.begin()
    except DatabaseFailure:
        yield "migrations_missing"  # a database, but not ours
        return
    for code, is_well in (
        ("migrations_missing", _is_migrated),
        ("signing_key_unusable", _can_sign),
        ("database_unwritable", _can_write),
        ("audit_unwritable", _can_record),
        ("disk_full", _has_room),
        ("clocks_apart", _are_clocks_together),
    ):
        try:
            if not is_well():
                yield code
        except DatabaseFailure:
            yield code


def _answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseFailure:
        return False
    return True


@cache
def _migrations() -> frozenset[tuple[str, str]]:
    loader = MigrationLoader(None)
    return frozenset(loader.disk_migrations)


def _is_migrated() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        # A newer version may have applied more (an upgrade under way); what this one needs has to be there.
        return _migrations() <= set(cursor.fetchall())


def _can_sign() -> bool:
    try:
        for alg in keys.ALGORITHMS:
            keys.signing_key(alg, time.time())
    except (OAuthError, WrongKeyError):
        return False
    return True


def _can_write() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO authz_periodictask (name, due, lease_until, succeeded, failed, failures, failure)"
            " VALUES ('readiness', 0, 0, %s, 0, 0, '')"
            " ON CONFLICT (name) DO UPDATE SET succeeded = excluded.succeeded",
            [time.time()],
        )
    return True


def _can_record() -> bool:
    """An event is written and taken back. It brings its own number, so that none is missing from the row of events.

    Where space is short it may find some that is left, so what became of the last real one counts, too.
    """
    if audit.failed_lately():
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO authz_auditevent"
            ' (id, time, event, reason, client_id, subject, resource, "authorization", address, request_id, detail)'
            " VALUES (-1, CURRENT_TIMESTAMP, 'readiness', '', '', '', '', '', '', '', '{}')"
        )
        transaction.set_rollback(True)
    return True


def _are_clocks_together() -> bool:
    return clocks.are_together(clocks.apart())


def _has_room() -> bool:
    if connection.vendor == "postgresql":
        return _takes_temporary_file()
    return disk_usage(str(connection.settings_dict["NAME"]).rpartition("/")[0] or ".").free > LEAST_DISK


def _takes_temporary_file() -> bool:
    """Whether PostgreSQL's disk has room for some hundred kilobytes. Rows that fit into existing pages do not show it.

    The statement needs more than the working memory, so it writes a temporary file.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL work_mem = '64kB'")
            cursor.execute("SELECT count(*) FROM generate_series(1, 10000)")
    except DatabaseFailure as failure:
        return getattr(failure.__cause__, "sqlstate", "") != _DISK_FULL
    return True
