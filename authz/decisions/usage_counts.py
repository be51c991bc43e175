"""Counts of calls that this process has made and not written yet, and the statement that writes them.

Every second a thread of the process writes all of them (authz/serving/worker_reports.py), so that no decision does. A
process that ends loses those of its last second. Days begin at midnight UTC, and are written as 2026-11-30.
"""

import threading
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from django.db import DatabaseError

from authz.database import raw_sql
from authz.database.transactions import unit_of_work

# Rows of one statement.
BATCH = 200


@dataclass(frozen=True, slots=True)
class Holder:
    """Who calls and where: the keys of the agent, of the person (None: the agent acts for itself) and of the MCP
    server. `reported`: in calls that others decided. They are counted by themselves, so no report makes a tool a used
    one, or a day a busy one, for a decision here.
    """

    client: int
    user: int | None
    resource: int
    reported: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        person = "" if self.user is None else self.user
        object.__setattr__(self, "key", f"{self.client}:{person}:{self.resource}{':r' if self.reported else ''}")

    def __hash__(self) -> int:
        return hash(self.key)

    def columns(self) -> tuple[object, ...]:
        return self.key, self.client, self.user, self.resource, self.reported


@dataclass(slots=True)
class _Count:
    n: int
    busiest: int
    unusual_since: datetime | None


Value = TypeVar("Value")
_Counts = dict[tuple[Holder, str], _Count]
_LastUses = dict[tuple[Holder, str], str]

_lock = threading.Lock()
_flushing = threading.Lock()
_counts: _Counts = {}
_writing: _Counts = {}
_last_uses: _LastUses = {}


def forget() -> None:
    with _lock:
        for kept in (_counts, _writing, _last_uses):
            kept.clear()


def add(holder: Holder, day: str, *, n: int, busiest: int, unusual_since: datetime | None) -> None:
    """Count `n` calls. `unusual_since`: from when on they are more than usual; None where they are not."""
    with _lock:
        _count(_counts, (holder, day), n, busiest, unusual_since)


def used(holder: Holder, tool: str, day: str) -> None:
    """A tool that was used before is used on this day for the first time."""
    with _lock:
        _last_uses[holder, tool] = day


def unwritten(keys: Container[str]) -> list[tuple[str, str, int]]:
    """(key, day, n) of what the database may not have yet. Rather twice than not at all: what is just being written is
    among it.
    """
    with _lock:
        found = [*_counts.items(), *_writing.items()]
        return [(holder.key, day, one.n) for (holder, day), one in found if holder.key in keys]


def _count(counts: _Counts, key: tuple[Holder, str], n: int, busiest: int, unusual_since: datetime | None) -> None:
    was = counts.get(key)
    if was is None:
        counts[key] = _Count(n, busiest, unusual_since)
        return
    was.n += n
    was.busiest = max(was.busiest, busiest)
    was.unusual_since = was.unusual_since or unusual_since


_ADD = (
    "INSERT INTO authz_callday (holder, client_id, user_id, resource_id, reported, day, n, busiest, unusual_since)"
    " VALUES {} ON CONFLICT (holder, day) DO UPDATE SET n = authz_callday.n + excluded.n, busiest = excluded.busiest,"
    " unusual_since = COALESCE(authz_callday.unusual_since, excluded.unusual_since)"
)
_USED = "UPDATE authz_tooluse SET last = %s WHERE holder = %s AND tool = %s AND last < %s"


def flush() -> None:
    """Write what was counted, if there is anything. Raises what the database raises; nothing is lost then."""
    with _flushing:
        with _lock:
            counts, last_uses = _taken(_counts), _taken(_last_uses)
            _writing.update(counts)
        try:
            if counts or last_uses:
                with unit_of_work():
                    _write(counts, last_uses)
        except DatabaseError:
            _put_back(counts, last_uses)
            raise
        finally:
            with _lock:
                _writing.clear()


def _put_back(counts: _Counts, last_uses: _LastUses) -> None:
    with _lock:
        for key, one in counts.items():
            _count(_counts, key, one.n, one.busiest, one.unusual_since)
        for key, day in last_uses.items():
            _last_uses.setdefault(key, day)


def _taken(kept: dict[tuple[Holder, str], Value]) -> dict[tuple[Holder, str], Value]:
    # In one order: of two processes neither waits for a row of the other's while it holds one that the other wants.
    keys = sorted(kept, key=lambda key: (key[0].key, key[1]))[:BATCH]
    return {key: kept.pop(key) for key in keys}


def _write(counts: Mapping[tuple[Holder, str], _Count], last_uses: Mapping[tuple[Holder, str], str]) -> None:
    if counts:
        rows = list(_rows(counts))
        places = f"({', '.join(['%s'] * len(rows[0]))})"
        raw_sql.write(_ADD.format(", ".join([places] * len(rows))), [value for row in rows for value in row])
    for (holder, tool), day in last_uses.items():
        raw_sql.write(_USED, (day, holder.key, tool, day))


def _rows(counts: Mapping[tuple[Holder, str], _Count]) -> Iterator[tuple[object, ...]]:
    for (holder, day), one in counts.items():
        since = None if one.unusual_since is None else raw_sql.timestamp(one.unusual_since)
        yield (*holder.columns(), day, one.n, one.busiest, since)
