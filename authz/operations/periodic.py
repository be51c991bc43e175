"""What the server does by the clock and not because somebody asked: sealing, telling, tidying.

`PERIODIC_TASKS` in authz/settings.py names modules with `EVERY` (seconds) and `run()`. Each node runs them in a process
beside its lanes (authz/serving/processes.py), each in a thread of its own: they take no time from those who wait for a
token, and one that hangs holds up no other. Whoever takes a task's lease runs it, so of many nodes one does. A lease
ends by itself if its holder dies, and at once where another process of the same host sees that
(authz/telemetry/process_names.py). A task works in batches that are done well within `LEASE`, and is correct even if
two run it at once: a lease is about work saved, not about safety.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connections
from django.db.models import F, Q

from authz import registry
from authz.database import clocks
from authz.database.due import due as is_due_by
from authz.models import PeriodicTask
from authz.operations import log_repeats
from authz.protocol.moments import is_due
from authz.telemetry import metrics, process_names

logger = logging.getLogger(__name__)

LEASE = 60.0
# Seconds between looks at the table; what a task is late at most.
POLL_SECONDS = 1.0
# Runs a task by its name, unless somebody else does: with the clock, and the process that had its lease.
Begin = Callable[[str, registry.PeriodicTask, Callable[[], float], str], bool]


def run_due(
    now: Callable[[], float] | None = None, apart: float | None = None, *, begin: Begin | None = None
) -> list[str]:
    """Run each task that is due and that nobody else runs. Returns the names of those that were run.

    `begin` runs one, here and now if it is not given.

    A task that raises is logged, counted and tried again when it is next due: one broken task stops no other. All nodes
    go by the database's clock, which is `apart` seconds ahead of ours. Where that is too far, one of the two is wrong,
    and what ends or removes things by the clock is left to a node whose clock is right.
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
    """A thread for each task: one that hangs holds up none of the others, and is not begun again before it ends."""

    def __init__(self) -> None:
        self._running: dict[str, threading.Thread] = {}

    def begin(self, name: str, task: registry.PeriodicTask, now: Callable[[], float], seen: str) -> bool:
        if name in self._running and self._running[name].is_alive():
            return False
        # Nothing waits for it when the process ends: its lease tells the others.
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
    """Run what is due, again and again. `is_over` waits so many seconds, and says whether it is."""
    begin = _Threads().begin
    while True:
        run_and_survive(begin)
        metrics.publish()
        log_repeats.tell()
        close_old_connections()
        if is_over(POLL_SECONDS):
            return


def run_and_survive(begin: Begin | None = None) -> None:
    """What is due, for a loop that must outlive a database that is away for a while."""
    try:
        run_due(begin=begin)
    except DatabaseFailure:
        logger.exception("periodic tasks wait for the database")


def _run(name: str, task: registry.PeriodicTask, now: Callable[[], float], seen: str) -> bool:
    """`seen` is the process that had the lease when it was found free."""
    row = PeriodicTask.objects.filter(name=name)
    began = now()
    # One conditional statement is the answer (law 3): of two that find the lease of a process that has ended, the
    # first takes it and so makes it another's.
    is_free = is_due_by("lease_until", began, LEASE)
    if process_names.has_ended(seen):
        is_free |= Q(holder=seen)
    taken = {"lease_until": began + LEASE, "holder": process_names.own()}
    if not row.filter(is_free, is_due_by("due", began, task.EVERY)).update(**taken):
        return False
    try:
        is_more = task.run() is True
    except Exception as error:
        logger.exception("the periodic task %s failed", name)
        failure = f"{type(error).__name__}: {error}"[:200].replace("\0", "")
        row.update(
            lease_until=0, holder="", due=now() + task.EVERY, failed=now(), failures=F("failures") + 1, failure=failure
        )
    else:
        due = now() + POLL_SECONDS if is_more else began + task.EVERY
        row.update(lease_until=0, holder="", due=due, succeeded=now(), failures=0, failure="")
    return True
