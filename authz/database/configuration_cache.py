"""Configuration as each request sees it: cached in the process, and never older than the request.

Clients, resources, rules and signing keys change rarely and are asked for with every token. The database keeps one
value, the generation, that triggers change with every write to a configuration table, in the same transaction
(authz/models/triggers.py). A request begins by reading it: one statement of microseconds. If it is still the value
that the cache was filled under, the cache holds; if not, all of it is forgotten. So no process decides by an old rule
once the change is committed, on any node, without messages between them (docs/decisions/0003-snapshot.md).
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

from django.db import Error as DatabaseFailure
from django.db import connection

from authz.database import raw_sql

T = TypeVar("T")

# Clients are remembered one by one as they are asked for; a cache that grew without bound would be a memory leak that
# strangers control.
MAXIMUM_ENTRIES = 20_000


class _Snapshot:
    __slots__ = ("generation", "values")

    def __init__(self, generation: int | None) -> None:
        self.generation = generation
        self.values: dict[Hashable, object] = {}


_current = _Snapshot(None)
_is_bypassed: ContextVar[bool] = ContextVar("is_bypassed", default=False)


def begin() -> None:
    """Call at the start of each request: whatever was cached under another generation is forgotten."""
    global _current  # noqa: PLW0603  one per process is the idea
    try:
        generation = _generation()
    except DatabaseFailure:
        # What is asked first finds out whether the connection that was kept is still alive: a statement the less than
        # Django's own check, and nobody is refused because the database was started anew since.
        if connection.in_atomic_block:
            raise
        connection.close()
        generation = _generation()
    # Without a generation there is nothing that could tell us of a change, so nothing is remembered.
    if generation is None or generation != _current.generation:
        _current = _Snapshot(generation)


def _generation() -> int | None:
    row = raw_sql.one("SELECT value FROM authz_generation WHERE id = 1")
    return row[0] if row else None


def cached(key: Hashable, load: Callable[[], T]) -> T:
    """The value that `load` gives, computed once a generation.

    What was loaded belongs to the snapshot that was current before loading began: a change in between moves the
    generation, and with it this value is forgotten.
    """
    if _is_bypassed.get():
        return load()
    snapshot = _current
    try:
        return cast(T, snapshot.values[key])
    except KeyError:
        value = load()
        if len(snapshot.values) >= MAXIMUM_ENTRIES:
            snapshot.values.clear()
        snapshot.values[key] = value
        return value


@contextmanager
def bypassed() -> Iterator[None]:
    """Inside, everything is read from the database: for a transaction that sees what it has not committed yet."""
    token = _is_bypassed.set(True)
    try:
        yield
    finally:
        _is_bypassed.reset(token)


def forget() -> None:
    """Forget everything (tests, and commands that change configuration and go on)."""
    global _current  # noqa: PLW0603
    _current = _Snapshot(None)
