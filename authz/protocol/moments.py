"""Moments that a clock has set, read by another clock, or by the same one after it was set.

A lease, a retry or a document's freshness is put at most so many seconds ahead. One that lies further ahead was set by
a clock that was wrong, and would hold until that clock's time comes. So it is over now (attack 45).
"""


def is_due(at: float, now: float, longest: float) -> bool:
    """Whether a moment has come that is put `longest` seconds ahead at most. Seconds since the epoch."""
    return at <= now or at > now + longest
