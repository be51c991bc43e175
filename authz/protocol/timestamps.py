"""Times in requests: with their zone, and within the years that every clock and database has. Pure."""

from datetime import UTC, datetime

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> datetime | None:
    """The moment, in UTC; None for what is none, has no zone (it would mean another moment on every machine), or lies
    out of bounds: in another zone there would be no such year.
    """
    try:
        found = datetime.fromisoformat(text)
        found = found.astimezone(UTC) if found.tzinfo is not None else None  # type: ignore[assignment]
    except (ValueError, OverflowError):
        return None
    return found if found is not None and EARLIEST <= found < LATEST else None
