"""How long a browser's session lasts: from the sign-in, and, for people with a role, since the last page.

The end stands in the session's row, so that pages, ID tokens and the list of sign-ins all go by the same one.
"""

from datetime import datetime

from authz.conf import conf

# Seconds. The end of a session that is in use is written no more often.
STEP = 60.0


def end(started: float | None, now: float, *, has_role: bool, until: datetime | None = None) -> float:
    """When a session ends, in seconds since the epoch, that was `started` then and is in use `now`.

    `until` bounds the sessions of an emergency account. `started` is None where an older version made the session,
    which knew no time: it counts from now.
    """
    absolute = (now if started is None else started) + conf.session_hours * 3600
    if until is not None:
        absolute = min(absolute, until.timestamp())
    idle = conf.session_idle_minutes * 60
    return min(absolute, now + idle) if has_role and idle else absolute


def is_worth_writing(stored: float, wanted: float) -> bool:
    """Whether the stored end is too early by a step, or too late at all."""
    return wanted < stored or wanted >= stored + STEP
