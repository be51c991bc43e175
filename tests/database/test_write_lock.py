"""Event loops write before threads do, so that a crowd at the pages does not delay tokens (authz/database/sqlite3)."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authz.database.sqlite3 import write_lock
from authz.database.sqlite3.write_lock import WriteLock


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[Callable[[], WriteLock]]:
    """Locks of one server's threads and processes: a descriptor of its own is what makes them different."""
    made: list[WriteLock] = []

    def another() -> WriteLock:
        made.append(WriteLock(tmp_path))
        return made[-1]

    yield another
    for lock in made:
        lock.close()


def for_seconds(seconds: float) -> Callable[[float], bool]:
    return lambda waited: waited < seconds


def test_a_waiting_loop_goes_before_a_thread(locks: Callable[[], WriteLock]) -> None:
    writer, loop, thread, order = locks(), locks(), locks(), list[str]()
    writer.take(for_seconds(0))
    assert not loop.take_first(0)

    def write() -> None:
        thread.take(for_seconds(5))
        order.append("thread")
        thread.release()

    waiting = threading.Thread(target=write)
    waiting.start()
    writer.release()
    time.sleep(0.05)  # the lock is free, and the thread leaves it to the loop
    assert not order
    assert loop.take_first(0)
    order.append("loop")
    loop.release()
    waiting.join()
    assert order == ["loop", "thread"]


def test_a_thread_lets_loops_pass_for_some_time_only(
    locks: Callable[[], WriteLock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_lock, "POLITE_SECONDS", 0.05)
    writer, loop, thread = locks(), locks(), locks()
    writer.take(for_seconds(0))
    assert not loop.take_first(0)
    writer.release()
    thread.take(for_seconds(5))
    assert not loop.take_first(0)


def test_two_loops_that_wait_do_not_block_each_other(locks: Callable[[], WriteLock]) -> None:
    writer, first, second = locks(), locks(), locks()
    writer.take(for_seconds(0))
    assert not first.take_first(0)
    assert not second.take_first(0)
    writer.release()
    assert first.take_first(0)
    first.release()
    assert second.take_first(0)


def test_a_loop_that_waits_no_longer_holds_no_thread_up(locks: Callable[[], WriteLock]) -> None:
    writer, loop, thread = locks(), locks(), locks()
    writer.take(for_seconds(0))
    assert not loop.take_first(0)
    loop.release()
    writer.release()
    took = []
    thread.take(lambda waited: took.append(waited) or False)  # type: ignore[func-returns-value]
    assert not took
