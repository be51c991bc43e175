"""Group commit: what the requests of one event loop write at the same time is one transaction of SQLite.

A request that begins to write leaves its greenlet (authz/database/greenlets.py) until the loop has no other that is
ready. Then each of them writes, one after the other, behind a savepoint of its own. One commit and one wait for the
disk are for all. A request goes on when its rows are on the disk. So it notices nothing of the others: to it a commit
takes a moment longer, and if the group's fails, its own has failed (docs/decisions/0073-group-commit.md).

The transaction begins and ends within one call of the loop. While one group waits for the disk, the next one gathers.
"""

import asyncio
import logging
import time
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol

from django.db import Error as DatabaseFailure
from django.db import OperationalError

from authz.database import greenlets
from authz.database.greenlets import Request
from authz.database.sqlite3 import log
from authz.database.sqlite3.log import Log

logger = logging.getLogger(__name__)

# Requests in one group, and seconds after which it ends: other processes wait for the write lock meanwhile.
MOST, LONGEST = 256, 0.005
# Seconds: after which a request that cannot write fails, after which a group goes on without the write lock, and
# between two tries.
PATIENCE, GOES_ON, TRY_AGAIN = 5.0, 1.0, 0.002


class Transaction(Protocol):
    """The group's transaction, on the connection of the loop's thread. Its methods raise Django's `Error`."""

    def begin(self, *, goes_on: bool) -> bool:
        """Begin to write. False: another process writes, and threads let this one go first until it calls again, or
        calls `end`. `goes_on` without the write lock: SQLite decides.
        """

    def is_open(self) -> bool:
        """SQLite itself ends a transaction where the disk is full, for example."""

    def commit(self) -> Log:
        """Commit; what has to be flushed now."""

    def abandon(self) -> None:
        """Roll back what is still open."""

    def end(self) -> None:
        """Let others write."""


@dataclass(slots=True)
class _Unit:
    """What one request writes. First it has its turn, then it is over: on the disk, or failed."""

    request: Request[Any]
    since: float = field(default_factory=time.monotonic)
    has_turn: bool = False
    has_left: bool = False
    is_over: bool = False
    failure: str = ""

    def write(self) -> None:
        self.has_turn = True
        self.request.wake()

    def end(self, failure: str = "") -> None:
        self.is_over, self.failure = True, failure
        self.request.wake()


class GroupCommit:
    """Of one connection, and the loop whose thread has it."""

    def __init__(self, transaction: Transaction, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self._transaction = transaction
        self._waiting: deque[_Unit] = deque()
        self._writes: _Unit | None = None
        self._is_due = self._is_flushing = False

    # --- In the greenlet of a request ---

    @contextmanager
    def unit(self) -> Iterator[None]:
        """What is written in here is on the disk afterwards. Raises `OperationalError`."""
        self.join()
        try:
            yield
        finally:
            self.leave()

    def join(self) -> None:
        """Return when the request may write. It has to `leave` then. Raises `OperationalError`."""
        request = greenlets.current()
        assert request is not None  # noqa: S101  threads have transactions of their own
        unit = _Unit(request)
        self._waiting.append(unit)
        greenlets.call_soon(self._write_soon)
        try:
            self._wait_for_turn(unit)
        except BaseException:
            if unit in self._waiting:
                self._waiting.remove(unit)
            raise
        self._writes = unit

    def _wait_for_turn(self, unit: _Unit) -> None:
        until = unit.since + PATIENCE
        while not unit.has_turn:
            unit.request.pause(until)
            if unit.is_over or (not unit.has_turn and time.monotonic() >= until):
                raise OperationalError(unit.failure or "database is locked")

    def leave(self) -> None:
        """Return when what the request has written is on the disk. Raises `OperationalError`."""
        unit, self._writes = self._writes, None
        assert unit is not None  # noqa: S101  it has joined
        unit.has_left = True
        while not unit.is_over:
            unit.request.pause(inf)
        if unit.failure:
            raise OperationalError(unit.failure)

    # --- In the loop ---

    def _write_soon(self) -> None:
        if self._waiting and not self._is_due and not self._is_flushing:
            self._is_due = True
            self.loop.call_soon(self._write)

    def _write(self) -> None:
        self._is_due = False
        if not self._waiting:
            self._transaction.end()  # they have all gone while others wrote
            return
        if not self._has_begun():
            return
        written: list[_Unit] = []
        try:
            changed = self._write_together(written)
        except DatabaseFailure as failure:
            self._over(written, str(failure))
        except Exception:
            logger.exception("a group was not committed")
            self._over(written, "the group was not committed")
        else:
            self._is_flushing = True
            log.flush(changed, self.loop, lambda failure: self._over(written, failure))

    def _has_begun(self) -> bool:
        waited = time.monotonic() - self._waiting[0].since
        # Django opens no connection where a loop is running.
        asyncio._set_running_loop(None)
        try:
            if self._transaction.begin(goes_on=waited > GOES_ON):
                return True
        except DatabaseFailure as failure:
            waiting = list(self._waiting)
            self._waiting.clear()
            self._over(waiting, str(failure))
            return False
        finally:
            asyncio._set_running_loop(self.loop)
        self._is_due = True
        self.loop.call_later(TRY_AGAIN, self._write)
        return False

    def _write_together(self, written: list[_Unit]) -> Log:
        try:
            ends = time.monotonic() + LONGEST
            while self._waiting and len(written) < MOST and time.monotonic() < ends:
                unit = self._waiting.popleft()
                written.append(unit)
                unit.write()
                if not self._transaction.is_open():
                    raise OperationalError("the transaction of the group was lost")
                if not unit.has_left:
                    raise OperationalError("a request waits for something else in its transaction")
            return self._transaction.commit()
        except BaseException:
            self._transaction.abandon()
            raise
        finally:
            self._transaction.end()

    def _over(self, units: list[_Unit], failure: str) -> None:
        self._is_flushing = False
        for unit in units:
            unit.end(failure)
        self._write_soon()
