"""Hours of the day, in which a rule applies."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from authz.policy.parsing import RuleError, mapping, text, texts
from authz.policy.value_kinds import not_this

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_CLOCK_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Hours of the day, `start` included and `end` not; over midnight if it ends before it starts.

    start, end   minutes since midnight in `timezone` (an IANA name); end may be 1440.
    days         the days on which such hours begin; empty: every day.
    """

    start: int
    end: int
    days: tuple[str, ...] = ()
    timezone: str = "UTC"

    def include(self, now: float) -> bool:
        there = datetime.fromtimestamp(now, _zone(self.timezone))
        minute = there.hour * 60 + there.minute
        if self.start < self.end:
            return self.start <= minute < self.end and self._begin_on(there.weekday())
        if minute >= self.start:
            return self._begin_on(there.weekday())
        return minute < self.end and self._begin_on((there.weekday() - 1) % 7)

    def _begin_on(self, weekday: int) -> bool:
        return not self.days or DAYS[weekday] in self.days


def hours_from(data: object, field: str) -> Hours:
    """From {days: [mon, …], from: "08:00", to: "18:00", timezone: Europe/Berlin}. Raises `RuleError`."""
    given = mapping(data, field, ("days", "from", "to", "timezone"))
    for name in ("from", "to"):
        if name not in given:
            raise RuleError(f"{field}.{name}", "is required.")
    days = texts(given.get("days", ()), f"{field}.days")
    for position, day in enumerate(days):
        if day not in DAYS:
            raise RuleError(f"{field}.days[{position}]", f"must be one of {', '.join(DAYS)}{not_this(day)}.")
    timezone = text(given.get("timezone", "UTC"), f"{field}.timezone")
    try:
        _zone(timezone)
    except (ValueError, OSError, KeyError):
        raise RuleError(
            f"{field}.timezone", f"must be a time zone, such as Europe/Berlin{not_this(timezone)}."
        ) from None
    start, end = _minutes(given["from"], f"{field}.from"), _minutes(given["to"], f"{field}.to")
    if start == end:
        raise RuleError(f"{field}.to", "must differ from “from”.")
    return Hours(start=start, end=end, days=tuple(day for day in DAYS if day in days), timezone=timezone)


def _minutes(value: object, field: str) -> int:
    """Minutes since midnight of "HH:MM"."""
    if value == "24:00" and field.endswith(".to"):
        return 24 * 60
    # YAML 1.1 reads 18:00 without quotes as the number 1080, and 08:00 as text.
    if not isinstance(value, str) or not _CLOCK_TIME.fullmatch(value):
        raise RuleError(field, f"must be a time such as “08:00”, in quotes{not_this(value)}.")
    return int(value[:2]) * 60 + int(value[3:])


def hours_shape(hours: Hours) -> dict[str, object]:
    """The shape that `hours_from` reads."""
    shape: dict[str, object] = {
        "from": clock_time(hours.start),
        "to": clock_time(hours.end),
        "timezone": hours.timezone,
    }
    return {"days": list(hours.days), **shape} if hours.days else shape


def clock_time(minutes: int) -> str:
    """Minutes since midnight as "HH:MM"."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
