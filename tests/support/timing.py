"""How long something takes on a machine that is shared: the quickest of several attempts counts."""

import time
from collections.abc import Callable


def quickest(act: Callable[[], object], *, enough: float, attempts: int = 3) -> float:
    """Seconds. It ends with the first attempt that takes less than `enough`: a machine that is busy delays one of them,
    and code that waits makes all of them long.
    """
    shortest = float("inf")
    for _ in range(attempts):
        began = time.monotonic()
        act()
        shortest = min(shortest, time.monotonic() - began)
        if shortest < enough:
            break
    return shortest
