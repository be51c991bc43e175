"""What a request leaves to be done after it: a convenience that it does not wait for, such as a console's line."""

import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from django.db import connection

from authz.database import concurrency

log = logging.getLogger(__name__)

# More than this at once is left out.
MAXIMUM = 100
_names: set[Hashable] = set()
_lock = threading.Lock()


def do(name: Hashable, work: Callable[[], None]) -> None:
    """Do it now; in the event loop's thread leave it to another one, unless what has this name waits there already."""
    if not concurrency.is_in_event_loop():
        work()
        return
    with _lock:
        if name in _names or len(_names) >= MAXIMUM:
            return
        _names.add(name)
    _thread().submit(_done, name, work)


def finish() -> None:
    """Return when all is done (tests)."""
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
