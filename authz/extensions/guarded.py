"""Calls of an extension's code, in a thread of its own with a deadline.

Python stops no thread. So each extension has one thread, and while a call that missed its deadline still runs, every
further call fails at once: a hanging extension costs one deadline and one thread, and no request waits behind it. A
call that holds the interpreter itself (a catastrophic regular expression) can’t be interrupted.

**In the event loop** a request waits in its greenlet, so that the loop answers others meanwhile. Within a transaction
it leaves the loop and begins again in a thread: others of the loop may wait for what the transaction holds.
"""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from authz.database import concurrency, greenlets
from authz.database.transactions import is_in_transaction
from authz.extensions.faults import ExtensionFault, note

# A decision takes microseconds; an extension may take so many seconds at most.
SECONDS = 0.1
# Importing a package reads files.
SECONDS_TO_LOAD = 5.0


class _Worker:
    """The thread of one extension, and what waits for it."""

    def __init__(self, identifier: str) -> None:
        self.pid = os.getpid()
        # When the call that runs is late, by the monotonic clock; None: none runs. Whether its caller still waits makes
        # no difference.
        self._due: float | None = None
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any], float]] = SimpleQueue()
        threading.Thread(target=self._work, name=f"extension {identifier}", daemon=True).start()

    @property
    def is_late(self) -> bool:
        due = self._due
        return due is not None and time.monotonic() >= due

    def put(self, function: Callable[[], Any], seconds: float) -> Future[Any]:
        made: Future[Any] = Future()
        self._calls.put((made, function, seconds))
        return made

    def _work(self) -> None:
        while True:
            future, function, seconds = self._calls.get()
            # The caller waits no longer.
            if not future.set_running_or_notify_cancel():
                continue
            self._due = time.monotonic() + seconds
            try:
                result = function()
            except BaseException as error:
                self._due = None
                future.set_exception(error)
            else:
                self._due = None
                future.set_result(result)


_workers: dict[str, _Worker] = {}
_making = threading.Lock()


def call(identifier: str, part: str, function: Callable[..., Any], *arguments: Any, seconds: float = SECONDS) -> Any:
    """What `function` returns. Raises `ExtensionFault`, noted already, if it raises or is too slow.

    The arguments are the extension's to keep: no object of ours may be among them.
    """
    if concurrency.is_in_event_loop() and (greenlets.current() is None or is_in_transaction()):
        raise concurrency.MustRunInThread
    worker = _worker(identifier)
    if worker.is_late:
        raise note(ExtensionFault(identifier, part, "an earlier call still runs"))
    asked = worker.put(lambda: function(*arguments), seconds)
    if not _is_done(asked, seconds):
        # What has not begun never does.
        if asked.cancel():
            raise note(ExtensionFault(identifier, part, "it is busy with an earlier call"))
        raise note(ExtensionFault(identifier, part, f"it took longer than {seconds:g} s"))
    if (error := asked.exception()) is not None:
        raise note(ExtensionFault(identifier, part, _in_words(error))) from None
    return asked.result()


def _is_done(asked: Future[Any], seconds: float) -> bool:
    """Wait for it, so long at most. Whatever ended the waiting, only a call that is done has an answer."""
    request = greenlets.current()
    with suppress(Exception):  # what it raised itself, or that it is late
        if request is not None:
            request.wait_for_thread(asked, time.monotonic() + seconds)
        else:
            asked.exception(seconds)
    return asked.done()


def _worker(identifier: str) -> _Worker:
    with _making:
        found = _workers.get(identifier)
        # A thread does not live on in a forked process.
        if found is None or found.pid != os.getpid():
            found = _workers[identifier] = _Worker(identifier)
        return found


def _in_words(error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:
        said = "(unreadable)"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def forget() -> None:
    """Use new threads (tests)."""
    _workers.clear()
