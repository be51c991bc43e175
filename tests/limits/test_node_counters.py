"""Counters that several processes share, and that no stranger can fill or have forgotten."""

import os
import threading
import time
from pathlib import Path

import pytest

from authz.limits import node_counters
from authz.limits.node_counters import NodeCounters


@pytest.fixture
def counters(tmp_path: Path) -> NodeCounters:
    return NodeCounters(tmp_path / "counters")


def test_a_counter_counts_until_its_end(counters: NodeCounters, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [counters.incr("a", 60) for _ in range(3)] == [1, 2, 3]
    assert (counters.get("a"), counters.get("b")) == (3, 0)
    assert counters.get_expiry("a") == pytest.approx(time.monotonic() + 60, abs=5)
    later = time.monotonic() + 61
    monkeypatch.setattr("time.monotonic", lambda: later)
    assert counters.get("a") == 0
    assert counters.incr("a", 60) == 1
    counters.clear("a")
    assert counters.get("a") == 0


def test_processes_and_threads_count_together(counters: NodeCounters, tmp_path: Path) -> None:
    def count(with_: NodeCounters) -> None:
        for _ in range(300):
            with_.incr("a", 60)

    children = []
    for which in range(4):
        pid = os.fork()
        if pid == 0:
            # Some have it from before they were forked, some open it.
            mine = counters if which % 2 else NodeCounters(tmp_path / "counters")
            threads = [threading.Thread(target=count, args=(mine,)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
    assert counters.get("a") == 4 * 2 * 300


def test_who_waits_is_known_to_all(counters: NodeCounters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, now = NodeCounters(tmp_path / "counters"), time.monotonic()
    assert not other.is_anybody_waiting()
    counters.wait_until("a", now + 60)
    counters.wait_until("b", now + 30)
    assert other.is_anybody_waiting()
    assert (other.waits_until("a"), other.waits_until("c")) == (now + 60, 0.0)
    monkeypatch.setattr("time.monotonic", lambda: now + 61)
    assert not other.is_anybody_waiting()
    assert other.waits_until("a") == 0.0


def test_a_flood_of_names_neither_grows_it_nor_has_anybody_forgotten(
    counters: NodeCounters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a new client_id with each guess, so that there is no room for the counter that matters."""
    monkeypatch.setattr(node_counters, "PLACES", 64)
    size = (tmp_path / "counters").stat().st_size
    for _ in range(5):
        counters.incr("the one that matters", 60)
    counters.wait_until("who waits", time.monotonic() + 60)
    for name in range(2000):
        counters.incr(f"made up {name}", 60)
    assert counters.get("the one that matters") == 5
    assert counters.waits_until("who waits") > time.monotonic()
    assert (tmp_path / "counters").stat().st_size == size


def test_other_users_cannot_read_it(tmp_path: Path) -> None:
    NodeCounters(tmp_path / "counters")
    assert (tmp_path / "counters").stat().st_mode & 0o777 == 0o600


def test_without_a_file_it_counts_alone() -> None:
    first, second = NodeCounters(), NodeCounters()
    assert [first.incr("a", 60), first.incr("a", 60), second.incr("a", 60)] == [1, 2, 1]
