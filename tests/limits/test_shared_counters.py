"""What several nodes count together is told beside the requests, and known a moment later."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from limits import parse
from limits.errors import StorageError
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from authz.limits import shared_counters
from authz.limits.shared_counters import Key, SharedCounters

RATE = parse("3/hour")


class SlowStorage(MemoryStorage):
    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self.act, self.asked = act, 0

    def incr(self, *arguments: Any, **more: Any) -> int:
        self.asked += 1
        self.act()
        return super().incr(*arguments, **more)


def counters(act: Callable[[], None] = lambda: None) -> tuple[SharedCounters, dict[Key, float], SlowStorage]:
    over: dict[Key, float] = {}
    storage = SlowStorage(act)
    return SharedCounters(FixedWindowRateLimiter(storage), over.__setitem__), over, storage


def test_what_two_nodes_count_is_one_count() -> None:
    one, over, storage = counters()
    elsewhere: dict[Key, float] = {}
    other = SharedCounters(FixedWindowRateLimiter(storage), elsewhere.__setitem__)
    for node in (one, other, one):
        node.count(RATE, ("refused", "a"))
        node.drain()
    assert not over and not elsewhere
    other.count(RATE, ("refused", "a"))
    other.count(RATE, ("refused", "b"))
    other.drain()
    assert list(elsewhere) == [("refused", "a")]
    assert 3500 < elsewhere["refused", "a"] - time.time() < 3601


def test_no_request_waits_for_slow_counters_and_counts_are_sent_together() -> None:
    may_answer = threading.Event()
    shared, over, storage = counters(lambda: may_answer.wait(30))
    began = time.monotonic()
    for _ in range(100):
        shared.count(RATE, ("refused", "a"))
    assert time.monotonic() - began < 20
    may_answer.set()
    shared.drain()
    assert ("refused", "a") in over
    assert storage.asked <= 3


def test_no_stranger_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: refusals from more addresses than can be told."""
    monkeypatch.setattr(shared_counters, "MAXIMUM", 10)
    shared, _, storage = counters(lambda: time.sleep(0.01))
    for number in range(1000):
        shared.count(RATE, ("refused", str(number)))
    assert len(shared._waiting) <= 10
    shared.drain()
    assert storage.asked <= 20


def test_what_is_too_late_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counters, "IN_TIME", 0.1)
    shared, _, storage = counters(lambda: time.sleep(0.2))
    for number in range(50):
        shared.count(RATE, ("refused", str(number)))
    shared.drain()
    assert storage.asked <= 3


def test_those_that_are_away_are_not_asked_again_at_once(caplog: pytest.LogCaptureFixture) -> None:
    def away() -> None:
        raise StorageError(OSError("gone"))

    shared, over, storage = counters(away)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            shared.count(RATE, ("refused", "a"))
            shared.drain()
    assert storage.asked == 1
    assert len(caplog.records) == 1
    assert not over
