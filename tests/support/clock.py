"""This process's clock, which tests set instead of waiting."""

import time


class Clock:
    """`time.time`, `ahead` of what it is (seconds; below zero: behind). `datetime.now` and other processes stay."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._time = time.time

    def __call__(self) -> float:
        return self._time() + self.ahead
