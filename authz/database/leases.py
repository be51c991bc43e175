"""Leases: the right of one process to do a piece of work. If the process dies, its lease ends within seconds.

A lease is a column, `lease_until`, in seconds since the epoch. It is short, and a thread renews it while the work goes
on. So work may take long, and another host still takes over soon after its holder was killed. Each renewal is one
conditional statement: a holder that was stopped for longer than its lease does not take it back from the next one.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import connections
from django.db.models import QuerySet

logger = logging.getLogger(__name__)

# Seconds. Another host takes over after `LEASE` and one look at the table; three renewals may fail meanwhile.
LEASE = 7.0
RENEW_SECONDS = 2.0


class Held:
    """A lease that was taken: one row, `lease_until` as this process has written it."""

    def __init__(self, row: QuerySet[Any], until: float, now: Callable[[], float]) -> None:
        self._row, self._until, self._now = row, until, now

    def renew(self) -> bool:
        """Whether it was still ours."""
        until = self._now() + LEASE
        if not self._row.filter(lease_until=self._until).update(lease_until=until):
            return False
        self._until = until
        return True

    def release(self, **result: Any) -> bool:
        """Write the result, and end the lease. False, and nothing is written, if another process has taken it since."""
        if self._row.filter(lease_until=self._until).update(lease_until=0, **result):
            return True
        logger.error("a lease ran out before its work was done, and another process has taken it over")
        return False


@contextmanager
def renewed(row: QuerySet[Any], until: float, now: Callable[[], float]) -> Iterator[Held]:
    """A lease that this process has just taken until `until`, renewed while the body runs. Afterwards call `release`; a
    body that raises leaves the lease to its end.
    """
    held, is_over = Held(row, until, now), threading.Event()
    thread = threading.Thread(target=_renew, args=(held, is_over), name="lease", daemon=True)
    thread.start()
    try:
        yield held
    finally:
        is_over.set()
        thread.join()


def _renew(held: Held, is_over: threading.Event) -> None:
    try:
        while not is_over.wait(RENEW_SECONDS):
            try:
                if not held.renew():
                    return
            except DatabaseFailure:
                # The next try may come in time.
                logger.exception("a lease was not renewed")
                connections.close_all()
    finally:
        connections.close_all()
