"""When the listed events happened, as bars over time (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# So many bars fit, and each step has a name on a clock or a calendar.
MAX_ENTRIES = 48
STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 28 * 86_400, 364 * 86_400)
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One step: how many events were done and refused in it. Positions and sizes are shares of a hundred."""

    begin: datetime
    end: datetime
    done: int
    refused: int
    x: float
    width: float
    done_y: float
    done_height: float
    refused_y: float
    refused_height: float


def bars(moments: Sequence[tuple[datetime, bool]]) -> list[Bar]:
    """Bars for (when, whether it was refused), from the first moment to the last, in steps that a clock knows."""
    if not moments:
        return []
    first, last = min(moment for moment, _ in moments), max(moment for moment, _ in moments)
    step = next((step for step in STEPS if (last - first) / step < MAX_ENTRIES - 1), STEPS[-1])
    begin = _floor(first, step)
    counts = [[0, 0] for _ in range(int((last - begin) / step) + 1)]
    for moment, refused in moments:
        counts[int((moment - begin) / step)][refused] += 1
    top = max(sum(pair) for pair in counts)
    pitch = 100 / len(counts)
    return [
        Bar(
            begin=begin + i * step,
            end=begin + (i + 1) * step,
            done=done,
            refused=refused,
            x=round(i * pitch + pitch * 0.1, 2),
            width=round(pitch * 0.8, 2),
            done_y=round(100 - 100 * done / top, 1),
            done_height=round(100 * done / top, 1),
            refused_y=round(100 - 100 * (done + refused) / top, 1),
            refused_height=round(100 * refused / top, 1),
        )
        for i, (done, refused) in enumerate(counts)
    ]


def _floor(moment: datetime, step: timedelta) -> datetime:
    epoch = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
    return epoch + ((moment - epoch) // step) * step
