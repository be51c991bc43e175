"""The threads and processes of a server on SQLite share a write lock, and no commit runs a checkpoint
(authz/database/sqlite3).
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import IntegrityError, OperationalError, transaction

from authz.database import raw_sql
from authz.database.sqlite3 import base
from authz.database.sqlite3.base import DatabaseWrapper
from authz.database.sqlite3.log import Log

FULL = 2  # PRAGMA synchronous

# Without it no connection may be made.
pytestmark = pytest.mark.django_db


@pytest.fixture
def connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], DatabaseWrapper]]:
    """Makes connections of one server to one file."""
    monkeypatch.setattr(base, "conf", SimpleNamespace(run_directory=tmp_path))
    (tmp_path / "db").touch()
    made: list[DatabaseWrapper] = []

    def connect() -> DatabaseWrapper:
        how = {
            "NAME": str(tmp_path / "db"),
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "check_same_thread": False},
            "TIME_ZONE": None,
            "AUTOCOMMIT": True,
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": False,
            "ATOMIC_REQUESTS": False,
        }
        made.append(DatabaseWrapper(how, alias=f"turns{len(made)}"))
        made[-1].inc_thread_sharing()
        made[-1].connect()
        made[-1].execute("PRAGMA journal_mode=WAL")
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


def test_one_transaction_waits_for_the_other_and_starts_within_milliseconds(
    connected: Callable[[], DatabaseWrapper],
) -> None:
    first, second = connected(), connected()
    first.cursor().execute("CREATE TABLE t (x)")
    began, late = threading.Event(), list[float]()

    def write() -> None:
        began.set()
        second._start_transaction_under_autocommit()
        late.append(time.monotonic() - ended)
        second._commit()

    first._start_transaction_under_autocommit()
    other = threading.Thread(target=write)
    other.start()
    began.wait()
    time.sleep(0.3)  # by now SQLite would look again each 50 or 100 ms
    assert not late
    ended = time.monotonic()
    first._commit()
    other.join()
    assert late[0] < 0.03


def test_a_refusal_and_an_error_release_the_write_lock(connected: Callable[[], DatabaseWrapper]) -> None:
    first, second = connected(), connected()
    for end in (first._commit, first._rollback):
        first._start_transaction_under_autocommit()
        assert not is_free(second)
        end()
        assert is_free(second)
    first._start_transaction_under_autocommit()
    with pytest.raises(OperationalError):
        first._start_transaction_under_autocommit()  # SQLite knows no transaction in a transaction
    first._rollback()
    assert is_free(second)


def test_a_closed_connection_holds_no_write_lock(connected: Callable[[], DatabaseWrapper]) -> None:
    first, second = connected(), connected()
    pid = os.fork()
    if pid == 0:
        connected().take_write_lock()
        os._exit(0)
    os.waitpid(pid, 0)
    assert is_free(second)
    first.take_write_lock()
    first.close()
    assert is_free(second)


def test_a_write_lock_that_is_never_released_delays_others_for_a_second_only(
    connected: Callable[[], DatabaseWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "LONGEST_WAIT", 0.2)
    first, second = connected(), connected()
    first.take_write_lock()
    second._start_transaction_under_autocommit()
    second.cursor().execute("CREATE TABLE t (x)")
    second._commit()
    assert not is_free(second)


def test_without_the_run_directory_it_goes_on(
    connected: Callable[[], DatabaseWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "conf", SimpleNamespace(run_directory="/nowhere"))
    only = connected()
    only._start_transaction_under_autocommit()
    only._commit()
    assert only._write_lock is None


@pytest.mark.skipif(not settings.IS_SQLITE, reason="PostgreSQL has as many writers as ask")
@pytest.mark.django_db(transaction=True)
def test_a_single_statement_takes_the_write_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    monkeypatch.setattr(DatabaseWrapper, "take_write_lock", lambda _: turns.append("taken"))
    monkeypatch.setattr(DatabaseWrapper, "release_write_lock", lambda _: turns.append("ended"))
    raw_sql.write("DELETE FROM authz_usedassertion")
    assert turns == ["taken", "ended"]
    turns.clear()
    with transaction.atomic():
        raw_sql.write("DELETE FROM authz_usedassertion")
        raw_sql.write("DELETE FROM authz_usedassertion")
        assert turns == ["taken"]
    assert turns == ["taken", "ended"]


WRITES: dict[str, Callable[[DatabaseWrapper], None]] = {
    "a transaction": lambda connection: write_pages(connection, 1),
    "a single statement": lambda connection: connection.write_alone(
        lambda: connection.execute("CREATE TABLE u (x)"),
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_others_write_while_the_disk_takes_the_log(
    connected: Callable[[], DatabaseWrapper], monkeypatch: pytest.MonkeyPatch, write: Callable[[DatabaseWrapper], None]
) -> None:
    """Attack: on a slow disk, sixty-four clients that are refused keep a person from signing in (503)."""
    first, second = connected(), connected()
    flushed: list[bool] = []

    def flush(log: Log) -> None:
        flushed.append(is_free(second))
        second.execute("CREATE TABLE meanwhile (x)")

    first.log()
    monkeypatch.setattr(Log, "flush", flush)
    write(first)
    assert flushed[-1:] == [True]
    # Elsewhere SQLite waits for the disk itself.
    assert first.connection.execute("PRAGMA synchronous").fetchone() == (FULL,)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_the_disk_did_not_take_has_failed(
    connected: Callable[[], DatabaseWrapper], monkeypatch: pytest.MonkeyPatch, write: Callable[[DatabaseWrapper], None]
) -> None:
    def fail(_: Log) -> None:
        raise OSError("input/output error")

    only = connected()
    monkeypatch.setattr(Log, "flush", fail)
    with pytest.raises(OperationalError, match="input/output error"):
        write(only)


def test_a_commit_that_fails_says_why(connected: Callable[[], DatabaseWrapper]) -> None:
    """SQLite looks at deferred foreign keys in the commit, and its transaction stays open."""
    only = connected()
    only.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    only.execute("CREATE TABLE child (parent REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)")
    only._start_transaction_under_autocommit()
    only.execute("INSERT INTO child VALUES (1)")
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        only._commit()
    only._rollback()
    assert is_free(connected())
    assert only.connection.execute("PRAGMA synchronous").fetchone() == (FULL,)


def test_a_commit_runs_no_checkpoint(connected: Callable[[], DatabaseWrapper], tmp_path: Path) -> None:
    first, second = connected(), connected()
    write_pages(first, 1500)  # SQLite's own default is a thousand
    assert (tmp_path / "db").stat().st_size < 1500 * 4096
    second.checkpoint()
    assert (tmp_path / "db").stat().st_size > 1500 * 4096


def test_a_checkpoint_that_fails_is_a_failure_of_the_database(connected: Callable[[], DatabaseWrapper]) -> None:
    """It is caught as one, and tried again (authz/database/checkpoints.py)."""
    only = connected()
    only.connection.close()
    with pytest.raises(DatabaseFailure):
        only.checkpoint()


def test_a_long_log_is_restarted(connected: Callable[[], DatabaseWrapper], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LONG_LOG", 50)
    first, second = connected(), connected()
    write_pages(first, 100)
    second.checkpoint()
    assert is_free(first)
    write_pages(first, 1)
    assert second._carry() < 20


def test_writers_wait_while_a_long_log_is_moved(
    connected: Callable[[], DatabaseWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a client that writes all the time keeps the log from being restarted, so that it grows without end."""
    first, second = connected(), connected()
    write_pages(first, 100)
    monkeypatch.setattr(base, "LONG_LOG", 50)
    carry, free = DatabaseWrapper._carry, list[bool]()

    def watched(self: DatabaseWrapper) -> int:
        free.append(is_free(first))
        return carry(self)

    monkeypatch.setattr(DatabaseWrapper, "_carry", watched)
    second.checkpoint()
    assert free == [True, True, False]


def test_pages_are_flushed_before_writers_have_to_wait(
    connected: Callable[[], DatabaseWrapper], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SQLite flushes all pages at the end, while writers wait: the larger the database, the longer that takes."""
    first, second = connected(), connected()
    write_pages(first, 100)
    monkeypatch.setattr(base, "LONG_LOG", 50)
    carry, sync, done = DatabaseWrapper._carry, os.fdatasync, list[str]()

    def carried(self: DatabaseWrapper) -> int:
        done.append("carried")
        return carry(self)

    def synced(descriptor: int) -> None:
        assert os.path.samestat(os.fstat(descriptor), (tmp_path / "db").stat())
        assert is_free(first)
        done.append("on the disk")
        sync(descriptor)

    monkeypatch.setattr(DatabaseWrapper, "_carry", carried)
    monkeypatch.setattr(os, "fdatasync", synced)
    second.checkpoint()
    assert done == ["carried", "on the disk", "carried", "on the disk", "carried"]


def test_a_system_that_does_not_list_descriptors_has_checkpoints(
    connected: Callable[[], DatabaseWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = connected(), connected()
    write_pages(first, 100)
    monkeypatch.setattr(base, "LONG_LOG", 50)
    monkeypatch.setattr(os, "listdir", lambda folder: Path("/nothing-is-here", folder[1:]).read_text())
    second.checkpoint()
    assert is_free(first)


def write_pages(connection: DatabaseWrapper, count: int) -> None:
    """Write at least so many pages to the log."""
    connection.cursor().execute("CREATE TABLE IF NOT EXISTS t (x)")
    connection._start_transaction_under_autocommit()
    connection.cursor().execute("INSERT INTO t VALUES (zeroblob(%s))", [4096 * count])
    connection._commit()


def is_free(connection: DatabaseWrapper) -> bool:
    assert connection._write_lock is not None
    descriptor = connection._write_lock._lock
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True
