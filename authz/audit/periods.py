"""Periods that people name, and moments as clocks, logs and headers write them; in UTC (pure)."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from authz.protocol.timestamps import parse_time

# (name, words)
PERIODS = (
    ("1h", "Last hour"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
    ("30d", "Last 30 days"),
    ("today", "Today"),
    ("yesterday", "Yesterday"),
    ("last_week", "Last week"),
    ("this_month", "This month"),
    ("last_month", "Last month"),
    ("last_quarter", "Last quarter"),
)
_LENGTHS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}

_BY_WORDS = {words.lower(): name for name, words in PERIODS} | {name: name for name, _ in PERIODS}
_SECONDS = re.compile(r"[0-9]{10}(?:\.[0-9]{1,9})?|[0-9]{13}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def meant(text: str, now: datetime) -> tuple[datetime, datetime | None] | None:
    """(from, up to but without) of what a text names: a period in words, a day, or a moment, which lasts a second, or
    a minute where it has no seconds. Its end is None where the period lasts; None for a text that is no time.

    A moment is written as ISO 8601 does, as an HTTP `Date` does, or as seconds or milliseconds since the epoch, as
    `iat` and logs do. Without a zone it is UTC.
    """
    if name := _BY_WORDS.get(" ".join(text.lower().split())):
        return bounds(name, now)
    if _DAY.fullmatch(text):
        day = parse_time(f"{text}T00:00Z")
        return (day, day + timedelta(days=1)) if day else None
    moment = _moment(text)
    if moment is None:
        return None
    lasts = timedelta(minutes=1) if text.count(":") == 1 else timedelta(seconds=1)
    return moment, moment + lasts


def _moment(text: str) -> datetime | None:
    if _SECONDS.fullmatch(text):
        seconds = float(text) / (1000 if len(text) == 13 and "." not in text else 1)
        return datetime.fromtimestamp(seconds, UTC)
    iso = text.replace(",", ".").removesuffix(" UTC").strip()
    # A clock time stands in it, so that a number or a word of a few digits is none.
    if ":" in iso and (found := parse_time(iso) or parse_time(f"{iso}Z")):
        return found
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def bounds(name: str, now: datetime) -> tuple[datetime, datetime | None] | None:
    """(from, up to but without) of a period; its end is None where it lasts. None for a name that is none."""
    if name in _LENGTHS:
        return now - _LENGTHS[name], None
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = today.replace(day=1)
    match name:
        case "today":
            return today, None
        case "yesterday":
            return today - timedelta(days=1), today
        case "last_week":
            monday = today - timedelta(days=today.weekday())
            return monday - timedelta(days=7), monday
        case "this_month":
            return month, None
        case "last_month":
            return _months_before(month, 1), month
        case "last_quarter":
            quarter = month.replace(month=month.month - (month.month - 1) % 3)
            return _months_before(quarter, 3), quarter
    return None


def _months_before(first: datetime, months: int) -> datetime:
    index = first.year * 12 + first.month - 1 - months
    return first.replace(year=index // 12, month=index % 12 + 1)
