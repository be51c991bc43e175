"""Repeated failures in the log are written once a minute, and otherwise counted.

While the database is away each refused request would write a page of traceback, perhaps onto a full disk. So for each
kind of failure, which is an exception of one type at one place, one traceback a minute is written. The next line of
that kind, or a separate line, says how many were left out.
"""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60.0
# Lines without a traceback differ in what they say, so some more of them.
PLAIN_LINES = 20
# Kinds that are distinguished. Beyond that the oldest is forgotten, with its count.
KINDS = 500
_IS_COUNT, _IS_WRITTEN = "is_count_of_repeats", "is_written"

Kind = tuple[str, int, str, str]


@dataclass(slots=True)
class _Seen:
    began: float
    written: int = 0
    left_out: int = 0


class Repeats:
    """`clock` returns seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[Kind, _Seen] = OrderedDict()

    def admit(self, kind: Kind, most: int) -> int | None:
        """How many of the kind were left out before this one; None: leave this one out, too."""
        with self._lock:
            now, before = self._clock(), 0
            seen = self._seen.get(kind)
            if seen is None or now - seen.began >= WINDOW_SECONDS:
                before = seen.left_out if seen is not None else 0
                seen = self._seen[kind] = _Seen(now)
                self._seen.move_to_end(kind)
                while len(self._seen) > KINDS:
                    self._seen.popitem(last=False)
            if seen.written >= most:
                seen.left_out += 1
                return None
            seen.written += 1
            return before

    def over(self) -> list[tuple[Kind, int]]:
        """The kinds whose minute is over, with how many were left out; they are forgotten."""
        with self._lock:
            now = self._clock()
            ended = [kind for kind, seen in self._seen.items() if now - seen.began >= WINDOW_SECONDS]
            return [(kind, count) for kind in ended if (count := self._seen.pop(kind).left_out)]


_repeats = Repeats()


def reset() -> None:
    """Start afresh: in a forked child, and in tests."""
    _repeats.__init__()  # type: ignore[misc]  # there is one, shared by reference


os.register_at_fork(after_in_child=reset)


class RepeatFilter(logging.Filter):
    """For the handler, after all loggers."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or getattr(record, _IS_COUNT, False):
            return True
        # Another handler has decided already.
        known: bool | None = getattr(record, _IS_WRITTEN, None)
        if known is not None:
            return known
        left_out = _repeats.admit(kind_of(record), 1 if record.exc_info else PLAIN_LINES)
        setattr(record, _IS_WRITTEN, left_out is not None)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more like this before)", None
        return left_out is not None


def kind_of(record: logging.LogRecord) -> Kind:
    """Where it was logged, the types of the exception and of its cause, and the place that raised it."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record.pathname, record.lineno, "", ""
    types = [type(each).__qualname__ for each in (error, error.__cause__) if each is not None]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return record.pathname, record.lineno, " ".join(types), place


def tell() -> None:
    """Write how many were left out of what has not come again."""
    for (path, line, types, place), count in _repeats.over():
        what = f"{types} raised at {place}" if types else "the same"
        logger.error(
            "%d more lines like that of %s:%d were left out: %s", count, path, line, what, extra={_IS_COUNT: True}
        )
