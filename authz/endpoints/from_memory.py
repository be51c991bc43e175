"""What this process can say while the database does not answer: the public documents, which hold no
secret: metadata and JWKS (docs/decisions/0044-a-database-that-hangs.md).

A resource server that starts anew meanwhile finds our keys, and goes on verifying tokens.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

# Seconds. A node that cannot reach the database does not learn of a key that was withdrawn; so it forgets in time.
LONGEST_SECONDS = 600.0
# Seconds for which an event loop gives an answer again without asking the database. Clients keep it for minutes.
YOUNG_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    answer: T
    confirmed: float


class Memory(Generic[T]):
    """The last answer of one view. `clock` gives seconds that only move forward."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: _Kept[T] | None = None

    def keep(self, answer: T) -> T:
        self._kept = _Kept(answer, self._clock())
        return answer

    def recall(self, longest: float = LONGEST_SECONDS) -> T | None:
        """The last answer, if it was true so many seconds ago at most."""
        kept = self._kept
        if kept is None or self._clock() - kept.confirmed > longest:
            return None
        return kept.answer


_refreshers: list[Callable[[], object]] = []


def refreshed_by(refresh: Callable[[], object]) -> None:
    """Name what fills a memory, for `refresh`."""
    _refreshers.append(refresh)


def refresh() -> None:
    """Fill all memories, so that a process without an earlier request can answer, too. Raises what the database
    raises; what was kept is still there then.
    """
    for one in _refreshers:
        one()
