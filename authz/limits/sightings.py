"""What a process sees too often to write it down each time, told to the operator by `manage.py doctor`."""

import threading
import time
from collections.abc import Callable

from authz.models import PeriodicTask

# Seconds between two notes of a process.
INTERVAL = 60.0


class Sightings:
    """Counts in memory, and notes at most once a minute: how many (`failures`), when (`failed`) and from which address
    the last came (`failure`), in a row of its own among the periodic tasks.
    """

    def __init__(self, row: str) -> None:
        self._row, self._lock = row, threading.Lock()
        self._address, self._count, self._noted = "", 0, float("-inf")

    def add(self, address: str) -> None:
        with self._lock:
            self._address, self._count = address, self._count + 1

    def note(self, warn: Callable[[int, str], None]) -> None:
        """Where something was seen, and nothing noted for a minute: `warn(count, address)`, and write it down. Raises
        what the database raises.
        """
        with self._lock:
            address, count = self._address, self._count
            if not count or time.monotonic() - self._noted < INTERVAL:
                return
            self._count, self._noted = 0, time.monotonic()
        warn(count, address)
        values = {"failed": time.time(), "failures": count, "failure": address[:200]}
        PeriodicTask.objects.update_or_create(name=self._row, defaults=values)

    def last_noted(self) -> PeriodicTask | None:
        return PeriodicTask.objects.filter(name=self._row).first()
