"""What agents have called so far, so that a decision knows whether a call is unusual, and needs no look at the audit.

**First uses** are rows, written in the transaction that records the call. That a tool was not used before is always
read from the database; that it was is remembered. So each node knows of a use as soon as it is committed. Two first
calls at once are both the first.

**Counts** are added up in the process (authz/decisions/usage_counts.py). Those of other processes are known with a
delay of `FRESH` seconds and the second until they are written.

Only allowed calls count: what is denied or held is in the audit, and must not make tomorrow's calls usual.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from authz.database import raw_sql
from authz.database.transactions import in_unit_of_work
from authz.decisions import usage_counts
from authz.decisions.usage_counts import Holder
from authz.models import ProtectedResource
from authz.policy import Unusual
from authz.policy.tool_calls import is_tool_name
from authz.policy.unusual import DAYS, Usage, in_order, limit, unusual

# Tools that are remembered of one agent, for one person, at one MCP server. Further ones stay first uses.
MOST_TOOLS = 256
# Seconds for which the database's counts are good, and for how many holders they are kept.
FRESH, MOST_HOLDERS = 10.0, 2_000
SECONDS_OF_DAY = 86_400


@dataclass(slots=True)
class Known:
    """What is known of a holder: its tools with the last day of their use, and how many calls its days had, today's
    with those that are not written yet. `loaded`: when, by the monotonic clock."""

    loaded: float = field(default_factory=time.monotonic)
    tools: dict[str, str] = field(default_factory=dict)
    days: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """What is unusual about a call, and the figures behind it.

    day       on which it is made, as 2026-11-30.
    today     how many calls the day has with this one.
    busiest   how many the busiest of the days before had.
    usual     how many would be usual.
    is_news   whether the agent had called anything there, for this person, on an earlier day.
    """

    holder: Holder
    tool: str
    day: str
    unusual: frozenset[Unusual]
    today: int
    busiest: int
    usual: int
    is_news: bool

    @property
    def is_first_use(self) -> bool:
        return Unusual.FIRST_USE in self.unusual

    @property
    def is_one_of_too_many(self) -> bool:
        return Unusual.VOLUME in self.unusual

    def facts(self) -> dict[str, object]:
        """What the audit says of it: of a usual call nothing."""
        if not self.unusual:
            return {}
        figures = {"today": self.today, "busiest_day": self.busiest, "usual": self.usual}
        return {"unusual": in_order(self.unusual), **({"calls": figures} if self.is_one_of_too_many else {})}


_lock = threading.Lock()
_known: OrderedDict[str, Known] = OrderedDict()


def forget() -> None:
    """Forget what this process knows and has counted (tests)."""
    with _lock:
        _known.clear()
    usage_counts.forget()


def measure(holder: Holder, tool: str, server: ProtectedResource, moment: float, *, roughly: bool = False) -> Measured:
    """How usual a call of this tool is at this time (seconds since the epoch). One statement at most. `roughly`: also
    that a tool was not used before may be remembered.
    """
    day = _day_of(int(moment) // SECONDS_OF_DAY)
    known = _remembered(holder.key, "" if roughly else tool)
    return judge(holder, tool, server, load([holder], day)[holder.key] if known is None else known, day)


@lru_cache(2)
def _day_of(number: int) -> date:
    """The day in UTC of this number since the epoch."""
    return datetime.fromtimestamp(number * SECONDS_OF_DAY, UTC).date()


def judge(holder: Holder, tool: str, server: ProtectedResource, known: Known, day: date) -> Measured:
    """The same by what is known of the holder."""
    today = day.isoformat()
    # A copy, since another thread may count meanwhile.
    before = [n for other, n in list(known.days.items()) if other < today]
    usage = Usage(used=tool in known.tools, today=known.days.get(today, 0), busiest=max(before, default=0))
    usual = limit(usage.busiest, calls=server.usual_calls, times=server.usual_times)
    return Measured(
        holder=holder,
        tool=tool,
        day=today,
        unusual=unusual(usage, usual),
        today=usage.today + 1,
        busiest=usage.busiest,
        usual=usual,
        is_news=usage.busiest > 0,
    )


def _remembered(key: str, tool: str) -> Known | None:
    """What this process knows of a holder, if that is young enough and has this tool ("": whatever it has)."""
    with _lock:
        found = _known.get(key)
        if found is None or found.loaded < time.monotonic() - FRESH:
            return None
        # Attack: names that no tool has, each a statement. Of those that are never remembered there is nothing to read.
        if tool not in found.tools and is_tool_name(tool):
            return None
        _known.move_to_end(key)
        return found


_DAYS = "SELECT holder, '' AS tool, day, n FROM authz_callday WHERE holder IN ({}) AND day >= %s"
_TOOLS = "SELECT holder, tool, last, 0 FROM authz_tooluse WHERE holder IN ({})"


def load(holders: Collection[Holder], day: date) -> Mapping[str, Known]:
    """What the database knows of holders, by their keys, with what this process has counted since. One statement."""
    keys = sorted({holder.key for holder in holders})
    places = ", ".join(["%s"] * len(keys))
    found = {key: Known() for key in keys}
    statement = f"{_DAYS} UNION ALL {_TOOLS}".format(places, places)
    since = (day - timedelta(days=DAYS)).isoformat()
    # Before the database is read: what is written meanwhile counts twice rather than not at all.
    unwritten = usage_counts.unwritten(keys)
    for key, tool, on, n in raw_sql.every(statement, (*keys, since, *keys)):
        if tool:
            found[key].tools[tool] = str(on)
        else:
            found[key].days[str(on)] = n
    for key, on, n in unwritten:
        found[key].days[on] = found[key].days.get(on, 0) + n
    with _lock:
        # What a transaction sees may be rolled back with it.
        if not in_unit_of_work():
            for key, known in found.items():
                _known[key] = known
                _known.move_to_end(key)
            while len(_known) > MOST_HOLDERS:
                _known.popitem(last=False)
    return found


_REMEMBER = (
    "INSERT INTO authz_tooluse (holder, client_id, user_id, resource_id, reported, tool, first, last, is_news)"
    " SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s"
    " WHERE (SELECT COUNT(*) FROM authz_tooluse WHERE holder = %s) < %s ON CONFLICT (holder, tool) DO NOTHING"
)


def remember(measured: Measured, moment: float) -> None:
    """Write a first use, made at this time (seconds since the epoch), in the transaction that records the call. A name
    that no tool of MCP has is not remembered, and of one holder so many at most: what isn't remembered is a first use
    again.
    """
    if is_tool_name(measured.tool):
        first = raw_sql.timestamp(datetime.fromtimestamp(moment, UTC))
        values = (*measured.holder.columns(), measured.tool, first, measured.day, measured.is_news)
        raw_sql.write(_REMEMBER, (*values, measured.holder.key, MOST_TOOLS))


def count(measured: Measured, *, allowed: bool, moment: float) -> None:
    """Count a call that was decided at this time (seconds since the epoch). One that wasn't allowed leaves its mark
    only where it is one of too many.
    """
    if not allowed and not measured.is_one_of_too_many:
        return
    since = datetime.fromtimestamp(moment, UTC) if measured.is_one_of_too_many else None
    usage_counts.add(measured.holder, measured.day, n=int(allowed), busiest=measured.busiest, unusual_since=since)
    if not allowed:
        return
    with _lock:
        known = _known.get(measured.holder.key)
        if known is None:
            return
        known.days[measured.day] = known.days.get(measured.day, 0) + 1
        if known.tools.get(measured.tool, measured.day) < measured.day:
            known.tools[measured.tool] = measured.day
            usage_counts.used(measured.holder, measured.tool, measured.day)
