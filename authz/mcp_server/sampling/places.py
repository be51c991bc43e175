"""How many questions a process asks at once: each holds a thread of pages while the client's model thinks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from authz.conf import conf


@contextmanager
def place() -> Iterator[bool]:
    """Take a place. False: all are taken."""
    places = _places()
    if not places.acquire(blocking=False):
        yield False
        return
    try:
        yield True
    finally:
        places.release()


def count() -> int:
    """A third of the threads, so that most serve pages, and the answers that are waited for."""
    return max(1, conf.threads // 3)


@cache
def _places() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(count())
