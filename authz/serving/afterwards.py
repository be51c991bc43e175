"""Work that a request leaves to be done after its response, such as a line that the console shows."""

import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from django.db import connection

from authz.database import concurrency

log = logging.getLogger(__name__)

# Pending items. Further ones are dropped.
MAXIMUM = 100
_names: set[Hashable] = set()
_lock = threading.Lock()


def do(name: Hashable, work: Callable[[], None]) -> None:
    """Do it now, or, in the event-loop thread, hand it to another thread, unless an item of this name is pending."""
    if not concurrency.is_in_event_loop():
        work()
        return
    with _lock:
        if name in _names or len(_names) >= MAXIMUM:
            return
        _names.add(name)
    _thread().submit(_done, name, work)


def finish() -> None:
    """Return when no item is pending (tests)."""
    _thread().submit(lambda: None).result()


def _done(name: Hashable, work: Callable[[], None]) -> None:
    with _lock:
        _names.discard(name)
    try:
        with concurrency.in_thread():
            work()
    except Exception:
        log.exception("%r could not be done after its request", name)
    finally:
        connection.close()


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="afterwards")
