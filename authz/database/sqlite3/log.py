"""SQLite's write-ahead log, as a file that is flushed to the disk by a thread of its own."""

import os
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue

# macOS has no fdatasync.
_flush: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
# What it is told: "", or why the disk did not take the log.
Told = Callable[[str], object]


class Log:
    """The log of a database that a connection has open, so it stays the same file.

    SQLite's locks are on other files, so closing this descriptor releases none.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        # A new file is on the disk when its folder is.
        folder = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def flush(self) -> None:
        """Return when the disk has what was committed. Raises `OSError`."""
        _flush(self._descriptor)

    def __del__(self) -> None:
        # Not before: the thread may be flushing it when its connection is closed.
        with suppress(AttributeError):  # it was never opened
            os.close(self._descriptor)


def flush(log: Log, loop: AbstractEventLoop, told: Told) -> None:
    """Flush it, and have the loop call `told`. The loop's thread does not wait: a disk takes milliseconds."""
    _queue().put((log, loop, told))


@cache
def _queue() -> "SimpleQueue[tuple[Log, AbstractEventLoop, Told]]":
    queue: SimpleQueue[tuple[Log, AbstractEventLoop, Told]] = SimpleQueue()
    threading.Thread(target=_flush_each, args=(queue,), name="flushes", daemon=True).start()
    return queue


def _flush_each(queue: "SimpleQueue[tuple[Log, AbstractEventLoop, Told]]") -> None:
    while True:
        log, loop, told = queue.get()
        failure = ""
        try:
            log.flush()
        except OSError as error:
            failure = f"the disk did not take the log: {error}"
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(told, failure)
        del log, loop, told
