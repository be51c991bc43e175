"""Django's SQLite backend, for several processes of one server, and for a file that may be moved, removed or restored.

**The write lock.** Threads and processes of a server write one after the other (authz/database/sqlite3/write_lock.py).
A thread that has waited long goes on without the lock, and SQLite decides.

**The write-ahead log.** Committed pages stay in the log until a checkpoint moves them into the database file and waits
for the disk. By default SQLite does that in the commit that fills a thousand pages, about every hundred tokens, and all
writers wait for it. Here another thread does it (authz/database/checkpoints.py).

**The file.** A connection goes on writing to the file that it opened, even if that was moved or removed. Tokens would
be issued whose audit records are lost with that file (invariant 4). And SQLite creates a new, empty database where it
finds none: a process that has opened it would answer 503 for ever, and its log would be taken for the log of the file
that is restored.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from django.db import Error, OperationalError
from django.db.backends.sqlite3 import base

from authz.conf import conf
from authz.database import concurrency, greenlets
from authz.database.locks import is_locked
from authz.database.sqlite3.group_commit import GroupCommit
from authz.database.sqlite3.group_transaction import GroupTransaction
from authz.database.sqlite3.log import Log
from authz.database.sqlite3.write_lock import WriteLock

T = TypeVar("T")
Identity = tuple[int, int] | None

# Seconds after which a thread goes on without the write lock.
LONGEST_WAIT = 1.0
# Milliseconds for which SQLite waits for the writer: in the event-loop thread, where all others wait, too, and in other
# threads. Then the request is answered with 503.
LOOP_BUSY, BUSY = 50, 5000
# Pages of the log: from which a checkpoint restarts it, and from which a commit runs a checkpoint itself.
LONG_LOG, LONGEST_LOG = 16_384, 131_072


# Seconds for which it is known which file is at the path. A request that begins in them after the file was replaced
# writes to the one before, as one does that began just before that.
LOOKED_SECONDS = 0.005


class _Look(NamedTuple):
    path: str
    at: float
    found: Identity


_looked = _Look("", 0.0, None)


class DatabaseWrapper(base.DatabaseWrapper):
    _opened: Identity = None
    _write_lock: WriteLock | None = None
    _log: Log | None = None
    _group: GroupCommit | None = None
    _is_in_unit = False

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        # Only `manage.py migrate` creates a database; a serving process never does.
        if conf.run_directory is not None:
            parameters["database"] = f"file:{quote(str(self.settings_dict['NAME']))}?mode=rw"
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        made = super().get_new_connection(conn_params)
        self._opened = self._there()
        if conf.run_directory is not None:
            made.execute(f"PRAGMA wal_autocheckpoint={LONGEST_LOG}")
        if concurrency.is_serving():
            made.execute(f"PRAGMA busy_timeout={LOOP_BUSY if concurrency.is_in_event_loop() else BUSY}")
        if conf.run_directory is not None and self._write_lock is None:
            # The run directory may have been removed from /tmp. The server goes on without the write lock.
            with suppress(OSError):
                self._write_lock = WriteLock(Path(conf.run_directory))
        return made

    def close(self) -> None:
        super().close()
        if self.connection is None:
            self._log = None
        if self.connection is None and self._write_lock is not None:
            self._write_lock.close()
            self._write_lock = None

    # --- The write lock ---

    def take_write_lock(self) -> None:
        """Return when no other thread or process of this server writes, or after a second. The caller releases the
        lock. Raises `Locked` in the event-loop thread.
        """
        if self._write_lock is not None:
            self._write_lock.take(_Waiting().goes_on)

    def take_write_lock_first(self, seconds: float) -> bool:
        """For a group of the event loop: whether the lock is ours, after so many seconds at most. The caller releases
        it in either case.
        """
        return self._write_lock is None or self._write_lock.take_first(seconds)

    def release_write_lock(self) -> None:
        if self._write_lock is not None:
            self._write_lock.release()

    def _start_transaction_under_autocommit(self) -> None:
        if (group := self._group_of_loop()) is not None:
            group.join()
            self._is_in_unit = True
            self.execute("SAVEPOINT unit")
            return
        self.take_write_lock()
        try:
            self._flush_afterwards()
            self.wait_to_write(super()._start_transaction_under_autocommit)  # type: ignore[misc]  # the stubs do not know it
        except BaseException:
            self._written()
            raise

    def wait_to_write(self, write: Callable[[], T]) -> T:
        """Run `write`, a statement that begins to write, and return its result. Threads are few: a request that has to
        wait for more than milliseconds takes a waiting place (authz/database/concurrency.py). Raises Django's `Error`.
        """
        if not concurrency.is_serving() or concurrency.is_in_event_loop():
            return write()
        self.ensure_connection()
        try:
            self._wait_at_most(LOOP_BUSY)
            return write()
        except Error as failure:
            if not is_locked(failure) or not concurrency.may_block():
                raise
            self._wait_at_most(BUSY)
            return write()
        finally:
            self._wait_at_most(BUSY)

    def _wait_at_most(self, milliseconds: int) -> None:
        self.connection.execute(f"PRAGMA busy_timeout={milliseconds}")

    def write_alone(self, write: Callable[[], T]) -> T:
        """Run `write`, a statement that is a transaction of its own, and return its result. Raises Django's `Error`."""
        if (group := self._group_of_loop()) is not None:
            with group.unit():
                return write()
        self.take_write_lock()
        try:
            self._flush_afterwards()
            outcome = self.wait_to_write(write)
        finally:
            self._written()
        self._flush_log()
        return outcome

    def _commit(self) -> None:
        if self._is_in_unit:
            self.execute("RELEASE unit")
            return
        try:
            super()._commit()  # type: ignore[misc]  # the stubs do not know it
        finally:
            self._written()
        self._flush_log()

    def _rollback(self) -> None:
        if self._is_in_unit:
            self.execute("ROLLBACK TO unit")
            self.execute("RELEASE unit")
            return
        try:
            super()._rollback()  # type: ignore[misc]  # the stubs do not know it
        finally:
            self._written()

    # --- The disk: it takes milliseconds, and others may write meanwhile ---

    def _flush_afterwards(self) -> None:
        """SQLite itself would keep all others from writing until the disk has the log."""
        if conf.run_directory is not None:
            self.ensure_connection()
            self.execute("PRAGMA synchronous=NORMAL")

    def _written(self) -> None:
        """Let others write. A commit that failed, such as one with a row whose parent is gone, leaves its transaction
        open, and SQLite changes nothing about the disk in one: the rollback that follows comes here, too.
        """
        try:
            if conf.run_directory is not None and self.connection is not None and not self.connection.in_transaction:
                self.execute("PRAGMA synchronous=FULL")
        finally:
            self.release_write_lock()

    def _flush_log(self) -> None:
        """Return when the disk has what was committed. Raises `OperationalError`."""
        if conf.run_directory is not None:
            try:
                self.log().flush()
            except OSError as error:
                raise OperationalError(f"the disk did not take the log: {error}") from error

    # --- Group commit (authz/database/sqlite3/group_commit.py) ---

    def _group_of_loop(self) -> GroupCommit | None:
        """What a request of the event loop writes with; None elsewhere, where each transaction is committed alone."""
        request = greenlets.current()
        if request is None:
            return None
        if self._group is None or self._group.loop is not request.loop:
            self._group = GroupCommit(GroupTransaction(self), request.loop)
        return self._group

    def _set_autocommit(self, autocommit: bool) -> None:
        """Django's last step of a transaction, committed or rolled back. It returns when the group is on the disk."""
        if not self._is_in_unit or self._group is None:
            super()._set_autocommit(autocommit)  # type: ignore[misc]  # the stubs do not know it
            return
        # Others use this connection before it returns.
        self._is_in_unit, self.autocommit = False, True
        hooks, self.run_on_commit = self.run_on_commit, []
        self._group.leave()
        self.run_on_commit, self.run_commit_hooks_on_set_autocommit_on = hooks, bool(hooks)

    def execute(self, sql: str) -> None:
        with self.wrap_database_errors:
            self.connection.execute(sql)

    def restore_busy_timeout(self) -> None:
        self._wait_at_most(LOOP_BUSY)

    def log(self) -> Log:
        """The log that this connection writes."""
        if self._log is None:
            self._log = Log(f"{self.settings_dict['NAME']}-wal")
        return self._log

    # --- The write-ahead log ---

    def checkpoint(self) -> None:
        """Move what is committed into the database file, while others write. Where the log is long, writers wait some
        milliseconds until all of it is moved: only then the next writer begins at the start of the log.
        """
        self.ensure_connection()
        if self._carry() > LONG_LOG:
            self._flush_pages()
            # More was committed meanwhile.
            self._carry()
            self._flush_pages()
            self.take_write_lock()
            try:
                self._carry()
            finally:
                self.release_write_lock()

    def _carry(self) -> int:
        """Move pages; return how many the log has."""
        with self.wrap_database_errors:
            _, pages, _ = self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(pages)

    def _flush_pages(self) -> None:
        """Flush the moved pages to the disk. SQLite does so only when all of the log is moved, and then writers wait.

        It uses SQLite's own descriptor: closing another one of that file would release this process's locks on it.
        """
        with suppress(FileNotFoundError):  # Linux lists the descriptors; elsewhere writers wait
            for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208  numbers
                with suppress(OSError):  # closed meanwhile, such as the listing's own
                    if _identity(os.fstat(descriptor)) == self._opened:
                        os.fdatasync(descriptor)
                        return

    # --- The file ---

    def close_if_unusable_or_obsolete(self) -> None:
        """Called before each request."""
        if self.connection is not None and not self.in_atomic_block and self._opened != self._lately_there():
            self.close()
        # What else Django looks for costs a statement, and is there only after an error or where a connection ages.
        if self.errors_occurred or self.close_at is not None or not self.autocommit:
            super().close_if_unusable_or_obsolete()

    def _lately_there(self) -> Identity:
        """The file that was at the database's path some milliseconds ago at most. A thread that asks the system lets
        another one compute meanwhile, and then waits for its turn: a quarter of what a page took.
        """
        global _looked  # noqa: PLW0603  one per process is the idea
        path, now = str(self.settings_dict["NAME"]), time.monotonic()
        if _looked.path != path or now - _looked.at > LOOKED_SECONDS:
            _looked = _Look(path, now, self._there())
        return _looked.found

    def _there(self) -> Identity:
        """The file that is now at the database's path."""
        try:
            return _identity(os.stat(self.settings_dict["NAME"]))  # noqa: PTH116  a third of the time
        except OSError:
            return None


class _Waiting:
    """One wait for the write lock. Threads are few, so a request that waits for long needs a waiting place."""

    _has_place = False

    def goes_on(self, waited: float) -> bool:
        """After so many seconds. Raises `Locked` in the event-loop thread."""
        if waited < LOOP_BUSY / 1000:
            return True
        if concurrency.is_in_event_loop():
            raise concurrency.Locked
        self._has_place = self._has_place or concurrency.may_block()
        return self._has_place and waited < LONGEST_WAIT


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino
