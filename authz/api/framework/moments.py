"""Times in a caller's request: with their zone, because a time without one depends on the machine."""

from datetime import datetime

from authz.api.framework.problems import invalid
from authz.protocol.timestamps import parse_time


def moment_of(name: str, text: str) -> datetime:
    """The time in a parameter or member. Raises `Problem`."""
    found = parse_time(text)
    if found is None:
        raise invalid(name, "is a time with its zone, such as 2026-12-31T18:00:00Z")
    return found
