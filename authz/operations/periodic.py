"""Runs the scheduled tasks: sealing, delivery, housekeeping and so on.

`PERIODIC_TASKS` in authz/settings.py names modules with `EVERY` (seconds) and `run()`. Each node runs them in a process
of its own (authz/serving/processes.py), each task in its own thread: they take no time from token requests, and one
that hangs delays no other. The process that takes a task's lease runs it, so one of many nodes does. A lease is renewed
while the task runs (authz/database/leases.py). It expires seconds after its holder was killed, and ends at once where
another process of the same host notices that (authz/telemetry/process_names.py). A task is correct even if two
processes run it at once, as they do after one was stopped for a while: a lease saves work, it does not ensure safety.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connections
from django.db.models import F, Q

from authz import registry
from authz.database import clocks, leases
from authz.database.due import due as is_due_by
from authz.database.leases import LEASE
from authz.models import PeriodicTask
from authz.operations import log_repeats
from authz.protocol.moments import is_due
from authz.telemetry import metrics, process_names

logger = logging.getLogger(__name__)

# Seconds between looks at the table; what a task is late at most.
POLL_SECONDS = 1.0
# Runs a task by its name unless another process does: with the clock, and the process that had its lease.
Begin = Callable[[str, registry.PeriodicTask, Callable[[], float], str], bool]


def run_due(
    now: Callable[[], float] | None = None, apart: float | None = None, *, begin: Begin | None = None
) -> list[str]:
    """Run each due task that no other process runs. Returns the names of those that were run.

    `begin` starts one; by default it runs here and now.

    A task that raises is logged, counted and tried again when it is next due: one broken task stops no other. All nodes
    use the database's clock, which is `apart` seconds ahead of this process's. If that is too much, one of the two is
    wrong, and tasks that end or remove things on schedule are left to a node whose clock is right.
    """
    tasks = registry.periodic_tasks()
    if apart is None:
        apart = clocks.apart()
    clock = now or (lambda: time.time() + apart)
    if not clocks.are_together(apart):
        logger.error("the database's clock is %.0f s ahead of ours: nothing is tidied here", apart)
        tasks = {name: task for name, task in tasks.items() if not getattr(task, "NEEDS_TRUE_CLOCK", False)}
    PeriodicTask.objects.bulk_create([PeriodicTask(name=name) for name in tasks], ignore_conflicts=True)
    rows = {row.name: row for row in PeriodicTask.objects.filter(name__in=tasks)}
    due = {name: row.holder for name, row in rows.items() if _is_up(row, tasks[name], clock())}
    begin = begin or _run
    return [name for name, task in tasks.items() if name in due and begin(name, task, clock, due[name])]


class _Threads:
    """A thread for each task: one that hangs delays no other, and is not started again before it ends."""

    def __init__(self) -> None:
        self._running: dict[str, threading.Thread] = {}

    def begin(self, name: str, task: registry.PeriodicTask, now: Callable[[], float], seen: str) -> bool:
        if name in self._running and self._running[name].is_alive():
            return False
        # The process does not wait for it at its end: its lease tells the others.
        thread = threading.Thread(target=_run_and_close, args=(name, task, now, seen), name=name, daemon=True)
        self._running[name] = thread
        thread.start()
        return True


def _run_and_close(name: str, task: registry.PeriodicTask, now: Callable[[], float], seen: str) -> None:
    try:
        _run(name, task, now, seen)
    except DatabaseFailure:
        logger.exception("the periodic task %s waits for the database", name)
    finally:
        connections.close_all()


def _is_up(row: PeriodicTask, task: registry.PeriodicTask, now: float) -> bool:
    is_free = is_due(row.lease_until, now, LEASE) or process_names.has_ended(row.holder)
    return is_free and is_due(row.due, now, task.EVERY)


def go_on(is_over: Callable[[float], bool]) -> None:
    """Run due tasks, again and again. `is_over` waits so many seconds, and returns True at the end."""
    begin = _Threads().begin
    while True:
        run_and_survive(begin)
        metrics.publish()
        log_repeats.tell()
        close_old_connections()
        if is_over(POLL_SECONDS):
            return


def run_and_survive(begin: Begin | None = None) -> None:
    """The due tasks. It raises nothing, because the loop must survive a database that is away."""
    try:
        run_due(begin=begin)
    except DatabaseFailure:
        logger.exception("periodic tasks wait for the database")


def _run(name: str, task: registry.PeriodicTask, now: Callable[[], float], seen: str) -> bool:
    """`seen` is the process that had the lease when it was found free."""
    row = PeriodicTask.objects.filter(name=name)
    began = now()
    # One conditional statement decides (invariant 3): of two processes that find the lease of an ended process, the
    # first one takes it.
    is_free = is_due_by("lease_until", began, LEASE)
    if process_names.has_ended(seen):
        is_free |= Q(holder=seen)
    until = began + LEASE
    taken = {"lease_until": until, "holder": process_names.own()}
    if not row.filter(is_free, is_due_by("due", began, task.EVERY)).update(**taken):
        return False
    with leases.renewed(row, until, now) as lease:
        ended = _result(name, task, began, now)
    lease.release(holder="", **ended)
    return True


def _result(name: str, task: registry.PeriodicTask, began: float, now: Callable[[], float]) -> dict[str, Any]:
    """Run it. What its row says afterwards."""
    try:
        is_more = task.run() is True
    except Exception as error:
        logger.exception("the periodic task %s failed", name)
        failure = f"{type(error).__name__}: {error}"[:200].replace("\0", "")
        return {"due": now() + task.EVERY, "failed": now(), "failures": F("failures") + 1, "failure": failure}
    due = now() + POLL_SECONDS if is_more else began + task.EVERY
    return {"due": due, "succeeded": now(), "failures": 0, "failure": ""}
