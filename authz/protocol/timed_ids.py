"""Identifiers that begin with the second in which they were made, so that what they name is found without an index.

32 hexadecimal digits: 8 for the seconds since the epoch, 24 of randomness. They are as unique as random ones, and say
no more than the `iat` beside them.
"""

import os
import re
from collections import deque
from datetime import UTC, datetime

RANDOM_BYTES = 12
# How many identifiers' random bytes are asked of the system at once. A thread that asks it lets another one compute
# meanwhile, and then waits for its turn.
AT_ONCE = 64
_kept: deque[bytes] = deque()
# Attack: two processes of one parent would make the same identifiers.
os.register_at_fork(after_in_child=_kept.clear)
_ID = re.compile(r"[0-9a-f]{32}")
# No identifier is older than this form of it.
_FIRST = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def timed_id(now: float, random: bytes) -> str:
    """The identifier of `RANDOM_BYTES` random bytes that is made at `now` (seconds since the epoch)."""
    return f"{int(now):08x}{random.hex()}"


def new_id(now: float) -> str:
    """An identifier that can't be guessed, made at `now`."""
    try:
        random = _kept.popleft()
    except IndexError:
        more = os.urandom(RANDOM_BYTES * AT_ONCE)
        random, *rest = (more[at : at + RANDOM_BYTES] for at in range(0, len(more), RANDOM_BYTES))
        _kept.extend(rest)
    return timed_id(now, random)


def made_at(identifier: str, now: float) -> float | None:
    """When it was made, in whole seconds since the epoch; None for one that is of another form."""
    if not _ID.fullmatch(identifier):
        return None
    seconds = int(identifier[:8], 16)
    return seconds if _FIRST <= seconds <= now + 60 else None
