"""Which clock is trusted: this process's, the database's, or the machine's uptime
(docs/decisions/0045-time-that-jumps.md).

An expired row is removed only when it has expired by all three. If one clock removed a used assertion too early, a
process with another clock would accept that assertion again.
"""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection

from authz.database import raw_sql
from authz.models import ClockAnchor, RemovalMark

# Seconds by which two clocks may differ.
MOST_APART = 60.0
# Seconds after which a clock that was set ahead, and has stayed so, is trusted.
BELIEVED_AFTER = 86_400.0
# How many boots of the machine are remembered.
BOOTS = 100


@dataclass(frozen=True, slots=True)
class Anchor:
    """The wall clock at a moment of the machine's uptime. `ahead_since` is the uptime at which the clock was first
    found more ahead than the uptime explains. All in seconds.
    """

    wall: float
    uptime: float
    ahead_since: float | None = None


def steady(anchor: Anchor | None, wall: float, uptime: float) -> tuple[float, Anchor]:
    """The time by the wall clock; if that was set ahead, the time by the uptime since the anchor. Also the next
    anchor.
    """
    if anchor is None:
        return wall, Anchor(wall, uptime)
    expected = anchor.wall + (uptime - anchor.uptime)
    since = uptime if anchor.ahead_since is None else anchor.ahead_since
    if wall - expected <= MOST_APART or uptime - since > BELIEVED_AFTER:
        return wall, Anchor(wall, uptime)
    return expected, replace(anchor, ahead_since=since)


def apart() -> float:
    """How many seconds the database's clock is ahead of this process's. SQLite has the same clock."""
    if connection.vendor != "postgresql":
        return 0.0
    before = time.time()
    row = raw_sql.one("SELECT extract(epoch FROM clock_timestamp())::float8")
    after = time.time()
    assert row is not None  # noqa: S101  there is always one
    return float(row[0]) - (before + after) / 2


def are_together(seconds: float) -> bool:
    """Whether two clocks that differ by so many seconds may be relied on."""
    return abs(seconds) <= MOST_APART


def earliest() -> datetime:
    """The earliest of the three clocks: a row that has expired by this time may be removed. Not for requests: it
    writes.
    """
    wall = time.time()
    return datetime.fromtimestamp(min(wall, wall + apart(), _steadily(wall)), UTC)


def _steadily(wall: float) -> float:
    boot, uptime = _uptime()
    if not boot:
        return wall
    row = ClockAnchor.objects.filter(boot=boot).first()
    seconds, anchor = steady(Anchor(row.wall, row.uptime, row.ahead_since) if row else None, wall, uptime)
    values = {"wall": anchor.wall, "uptime": anchor.uptime, "ahead_since": anchor.ahead_since}
    ClockAnchor.objects.update_or_create(boot=boot, defaults=values)
    if row is None:
        oldest = ClockAnchor.objects.order_by("-wall").values("pk")[BOOTS : 2 * BOOTS]
        ClockAnchor.objects.filter(pk__in=list(oldest.values_list("pk", flat=True))).delete()
    return seconds


def _uptime() -> tuple[str, float]:
    """The id of the machine's boot, and the seconds since, sleep included. The id is "" where the system has none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return boot[:36], float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return "", 0.0


def mark_removed(name: str, until: datetime) -> None:
    """Record, before rows are removed, that rows which expired by `until` may be gone. The mark only moves forward."""
    RemovalMark.objects.bulk_create([RemovalMark(name=name, until=until)], ignore_conflicts=True)
    RemovalMark.objects.filter(name=name, until__lt=until).update(until=until)
