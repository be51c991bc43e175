"""Moments that a clock has set, read by another clock, or by the same one after it was set.

A lease, a retry or a document's freshness is put at most so many seconds ahead. One that lies further ahead was set by
a clock that was wrong, and would hold until that clock's time comes. So it is over now (attack 45). Clocks that differ
by less than `APART` are right: a lease that another node has just taken must not look free to a slower clock.
"""

from typing import Final

# Seconds. Nodes that are further apart are not ready (docs/decisions/0045-time-that-jumps.md).
APART: Final = 60.0


def is_due(at: float, now: float, longest: float) -> bool:
    """Whether a moment has come that is put `longest` seconds ahead at most. Seconds since the epoch."""
    return at <= now or at > now + longest + APART
