"""Calls of an extension's code, in a thread of its own with a deadline.

Python stops no thread. So each extension has one thread, and while a call that missed its deadline still runs, every
further call fails at once: a hanging extension costs one deadline and one thread, and no request waits behind it. A
call that holds the interpreter itself (a catastrophic regular expression) can’t be interrupted.
"""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from authz.extensions.faults import ExtensionFault, note

# A decision takes microseconds; an extension may take so many seconds at most.
SECONDS = 0.1
# Importing a package reads files.
SECONDS_TO_LOAD = 5.0


class _Call:
    __slots__ = ("arguments", "done", "error", "function", "result")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments = function, arguments
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None


class _Worker:
    """The thread of one extension."""

    def __init__(self, identifier: str) -> None:
        self.pid = os.getpid()
        self.calls: SimpleQueue[_Call] = SimpleQueue()
        self.turn = threading.Lock()
        self.late: _Call | None = None
        threading.Thread(target=self._work, name=f"extension {identifier}", daemon=True).start()

    def _work(self) -> None:
        while True:
            call = self.calls.get()
            try:
                call.result = call.function(*call.arguments)
            except BaseException as error:
                call.error = error
            call.done.set()


_workers: dict[str, _Worker] = {}
_making = threading.Lock()


def call(identifier: str, part: str, function: Callable[..., Any], *arguments: Any, seconds: float = SECONDS) -> Any:
    """What `function` returns. Raises `ExtensionFault`, noted already, if it raises or is too slow.

    The arguments are the extension's to keep: no object of ours may be among them.
    """
    worker = _worker(identifier)
    if not worker.turn.acquire(timeout=seconds):
        raise note(ExtensionFault(identifier, part, "it is busy with an earlier call"))
    try:
        if worker.late is not None and not worker.late.done.is_set():
            raise note(ExtensionFault(identifier, part, "an earlier call still runs"))
        asked = _Call(function, arguments)
        worker.late = None
        worker.calls.put(asked)
        if not asked.done.wait(seconds):
            worker.late = asked
            raise note(ExtensionFault(identifier, part, f"it took longer than {seconds:g} s"))
    finally:
        worker.turn.release()
    if asked.error is not None:
        raise note(ExtensionFault(identifier, part, _in_words(asked.error))) from None
    return asked.result


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
