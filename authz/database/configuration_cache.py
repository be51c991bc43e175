"""Configuration as each request sees it: cached in the process, and never older than the request.

Clients, resources, rules and signing keys change rarely and are needed for each token. The database holds one value,
the generation. Triggers change it with each write to a configuration table, in the same transaction
(authz/models/triggers.py). A request begins by reading it, which takes microseconds. If it is the value under which the
cache was filled, the cache is used; if not, all of it is forgotten. So no process on any node decides by an old rule
once a change is committed, and the nodes need no messages between them (docs/decisions/0003-configuration-cache.md).
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

from django.db import Error as DatabaseFailure
from django.db import connection

from authz.database import raw_sql
from authz.database.sharing import OneAtATime, SharedRead
from authz.database.transactions import in_unit_of_work

T = TypeVar("T")

# Clients are cached one by one as they are looked up. Without a bound, unknown clients could fill the memory.
MAXIMUM_ENTRIES = 20_000


class _Snapshot:
    __slots__ = ("generation", "turns", "values")

    def __init__(self, generation: int | None) -> None:
        self.generation = generation
        self.values: dict[Hashable, object] = {}
        self.turns = OneAtATime()


_GENERATION = "SELECT value FROM authz_generation WHERE id = 1"
_current = _Snapshot(None)
_beginning = SharedRead()
_is_bypassed: ContextVar[bool] = ContextVar("is_bypassed", default=False)


def begin(*ahead: raw_sql.Statement) -> None:
    """Call at the start of each request: it forgets what was cached under another generation.

    `ahead` is what the request reads next (`raw_sql.read_ahead`).
    """
    global _current  # noqa: PLW0603  one per process is the idea
    try:
        if ahead:
            raw_sql.read_ahead((_GENERATION, ()), *ahead)
        generation = _generation()
    except DatabaseFailure:
        # This first statement also finds out whether the kept connection is alive, which saves Django's own check. If
        # the database was restarted since, the request connects again.
        if connection.in_atomic_block:
            raise
        connection.close()
        generation = _generation()
    # Without a generation no change could be noticed, so nothing is kept.
    if generation is None or generation != _current.generation:
        _current = _Snapshot(generation)


def begin_together() -> None:
    """The same, for requests that read nothing but configuration: those that are there at once share one reading."""
    _beginning.read(begin)


def _generation() -> int | None:
    row = raw_sql.one(_GENERATION)
    return row[0] if row else None


def cached(key: Hashable, load: Callable[[], T]) -> T:
    """The value that `load` returns, computed once for each generation.

    The value belongs to the generation that was current before loading began. If the configuration changes meanwhile,
    the generation changes, and the value is forgotten.
    """
    if _is_bypassed.get():
        return load()
    snapshot = _current
    try:
        return cast(T, snapshot.values[key])
    except KeyError:
        return _loaded(snapshot, key, load)


def _loaded(snapshot: _Snapshot, key: Hashable, load: Callable[[], T]) -> T:
    # A transaction may hold what the other request needs for it, so it doesn't wait for that.
    if in_unit_of_work():
        return _load(snapshot, key, load)
    raw_sql.borrow()
    with snapshot.turns.turn(key):
        if key in snapshot.values:
            return cast(T, snapshot.values[key])
        return _load(snapshot, key, load)


def _load(snapshot: _Snapshot, key: Hashable, load: Callable[[], T]) -> T:
    value = load()
    _keep(snapshot, key, value)
    return value


def _keep(snapshot: _Snapshot, key: Hashable, value: object) -> None:
    if len(snapshot.values) >= MAXIMUM_ENTRIES:
        snapshot.values.clear()
    snapshot.values[key] = value


def cached_where(holds: Callable[[T], bool], key: Hashable, load: Callable[[], T]) -> T:
    """The same for a row of a table in which only some rows change the generation: kept where `holds` says so of it."""
    if _is_bypassed.get():
        return load()
    snapshot = _current
    try:
        return cast(T, snapshot.values[key])
    except KeyError:
        value = load()
    if holds(value):
        _keep(snapshot, key, value)
    return value


def knows(key: Hashable) -> bool:
    """Whether a request that begins now has this value already, unless the generation has changed."""
    return key in _current.values


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
