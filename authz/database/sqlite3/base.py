"""Django's SQLite, for several processes of one server, and for a file that may be moved, removed or put back under it.

**Turns.** SQLite has one writer. Whoever finds somebody else writing sleeps for milliseconds before it looks again, as
long as dozens of transactions take. So the threads and processes of a server take turns by a lock of the system's that
is looked at every few microseconds. It is a courtesy: who has waited long goes on without, and SQLite decides.

**The log.** What is committed stands in the write-ahead log until a checkpoint carries it into the database and waits
for the disk. SQLite leaves that to whose commit makes a thousand pages full, every hundred tokens or so, and everybody
waits for it. Here it is done beside them (authz/database/checkpoints.py).

**The file.** A connection goes on writing to the file that it opened, wherever that is now. Tokens would be issued
whose record is in a file that nobody will ever read (law 4). And SQLite makes a new, empty database where it finds
none; whoever has opened that one would answer 503 for ever, and its log would be taken for that of the file that is put
back.
"""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote

from django.db import Error
from django.db.backends.sqlite3 import base

from authz.conf import conf
from authz.database import concurrency
from authz.database.locks import is_locked

T = TypeVar("T")
Identity = tuple[int, int] | None

# Seconds: between two looks, and after which there is another reason than somebody's turn.
LOOK, LONGEST_WAIT = 0.00005, 1.0
# Milliseconds for which SQLite waits for who writes: for a request in the event loop's thread, which all others there
# wait for, and beside it. Then it is answered with 503.
LOOP_BUSY, BUSY = 50, 5000
# Pages of the log: from which it is to begin anew, and from which whoever commits sees to it, if nobody else does.
LONG_LOG, LONGEST_LOG = 16_384, 131_072


class DatabaseWrapper(base.DatabaseWrapper):
    _opened: Identity = None
    _turn: int | None = None  # the descriptor of the file that is locked

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        # `manage.py migrate` makes a database; a process that serves never does.
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
        if conf.run_directory is not None and self._turn is None:
            # Somebody may tidy /tmp under a running server. It goes on without turns.
            with suppress(OSError):
                self._turn = os.open(f"{conf.run_directory}/turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return made

    def close(self) -> None:
        super().close()
        if self.connection is None and self._turn is not None:
            os.close(self._turn)
            self._turn = None

    # --- Turns ---

    def take_turn(self) -> None:
        """Return when nobody else of this server writes. Whoever takes a turn ends it. Raises `Locked`."""
        if self._turn is None:
            return
        began, has_place = 0.0, False
        while True:
            try:
                fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                began = began or time.monotonic()
                waited = time.monotonic() - began
                if waited >= LOOP_BUSY / 1000 and concurrency.is_in_event_loop():
                    raise concurrency.Locked from None
                if waited >= LOOP_BUSY / 1000 and not has_place:
                    has_place = concurrency.may_block()
                    if not has_place:
                        return
                if waited >= LONGEST_WAIT:
                    return
                time.sleep(LOOK)
            else:
                return

    def end_turn(self) -> None:
        if self._turn is not None:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _start_transaction_under_autocommit(self) -> None:
        self.take_turn()
        try:
            self.patiently(super()._start_transaction_under_autocommit)  # type: ignore[misc]  # the stubs do not know it
        except BaseException:
            self.end_turn()
            raise

    def patiently(self, write: Callable[[], T]) -> T:
        """What it gives, a statement that begins to write. Beside the event loop threads are few: whoever has to wait
        for longer than moments needs a place to wait (authz/database/concurrency.py), so that pages go on.
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

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]  # the stubs do not know it
        finally:
            self.end_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # the stubs do not know it
        finally:
            self.end_turn()

    # --- The log ---

    def checkpoint(self) -> None:
        """Carry what is committed into the database, while others write. Where the log is long they wait until all of
        it is there, some milliseconds: only then does the next who writes begin at its start.
        """
        self.ensure_connection()
        if self._carry() > LONG_LOG:
            self._flush()
            # More was committed meanwhile.
            self._carry()
            self._flush()
            self.take_turn()
            try:
                self._carry()
            finally:
                self.end_turn()

    def _carry(self) -> int:
        """How many pages the log has."""
        with self.wrap_database_errors:
            _, pages, _ = self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(pages)

    def _flush(self) -> None:
        """Let the disk take what was carried. SQLite does so only when all of the log is there, and then others wait.

        By SQLite's own descriptor: closing another one of that file would end the locks that this process has on it.
        """
        with suppress(FileNotFoundError):  # Linux lists them; elsewhere the others wait
            for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208  numbers
                with suppress(OSError):  # closed meanwhile, such as the listing's own
                    if _identity(os.fstat(descriptor)) == self._opened:
                        os.fdatasync(descriptor)
                        return

    # --- The file ---

    def close_if_unusable_or_obsolete(self) -> None:
        """Asked before each request."""
        if self.connection is not None and not self.in_atomic_block and self._opened != self._there():
            self.close()
        super().close_if_unusable_or_obsolete()

    def _there(self) -> Identity:
        """The file that stands where the database is."""
        try:
            return _identity(os.stat(self.settings_dict["NAME"]))  # noqa: PTH116  a third of the time
        except OSError:
            return None


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino
