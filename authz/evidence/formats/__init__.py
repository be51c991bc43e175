"""Formats of exported events (pure): one line for each event, in ASCII.

Each format is a module with `line(index, event)`: `index` is the event's place in the tree, `event` its columns from
authz/evidence/leaves.py (empty ones are left out).
"""

from datetime import datetime


def milliseconds(time: str) -> int:
    """A time in RFC 3339 as milliseconds since the epoch; 0 for a text that is none."""
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000)
    except ValueError:
        return 0
