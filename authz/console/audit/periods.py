"""Periods that people name: the last day, last week, last quarter; in UTC (pure)."""

from datetime import datetime, timedelta

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
