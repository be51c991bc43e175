"""Do the clocks of this node and of others agree?"""

from collections.abc import Callable, Iterator

from django.db import connection

from authz.operations.doctor.finding import ERROR, WARNING, Finding

# Seconds by which clocks may differ: assertions are allowed 30 (authz/protocol/jwts.py).
SKEW, SKEW_WORTH_A_WORD = 30.0, 5.0


def clock(now: Callable[[], float]) -> Iterator[Finding]:
    if connection.vendor != "postgresql":
        return  # SQLite has our own
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        yield from skew("the database", float(cursor.fetchone()[0]), now(), about="clock")


def skew(whose: str, theirs: float, ours: float, *, about: str) -> Iterator[Finding]:
    """The finding about another system's clock."""
    apart = abs(theirs - ours)
    if apart > SKEW_WORTH_A_WORD:
        yield Finding(
            ERROR if apart > SKEW else WARNING,
            about,
            f"The clock of {whose} is {apart:.0f} s {'ahead of' if theirs > ours else 'behind'} ours.",
            "Let both be set by NTP. Beyond 30 s assertions are refused, and tokens end at the wrong time; a node whose"
            " clock is more than a minute apart from the database's is not ready, and tidies nothing.",
        )
