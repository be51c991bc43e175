"""Which process of a run gets which file (tests/support/scheduling.py), and lists of files that name existing ones."""

from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import scheduling

WAITING, SHORT = "tests/serving/test_event_loop.py", "tests/operations/test_faults.py"
OTHERS = ["tests/policy/test_decide.py", "tests/console/test_pages.py"]


def given(worker: str, count: int, files: list[str]) -> list[str]:
    """The files in the order in which this process would get all of them."""
    made: Any = scheduling.Scheduling.__new__(scheduling.Scheduling)
    made.numnodes, made.workqueue = count, OrderedDict((file, {}) for file in files)
    node, order = SimpleNamespace(gateway=SimpleNamespace(id=worker)), []
    while made.workqueue:
        order.append(made._chosen(node))
        del made.workqueue[order[-1]]
    return order


FILES = [OTHERS[0], SHORT, OTHERS[1], WAITING]


@pytest.mark.parametrize(
    ("worker", "count", "order"),
    [
        ("gw2", 3, [WAITING, SHORT, *OTHERS]),
        ("gw0", 3, [*OTHERS, SHORT, WAITING]),
        ("gw1", 3, [*OTHERS, SHORT, WAITING]),
        ("gw4", 5, [WAITING, SHORT, *OTHERS]),
        ("gw0", 2, [WAITING, SHORT, *OTHERS]),
        ("gw1", 2, [WAITING, SHORT, *OTHERS]),
    ],
)
def test_files_that_wait_have_the_last_process_where_there_are_three(worker: str, count: int, order: list[str]) -> None:
    assert given(worker, count, FILES) == order


@pytest.mark.parametrize(("worker", "count", "times"), [("gw2", 3, 0), ("gw0", 3, 1), ("gw0", 2, 0), ("gw1", 2, 0)])
def test_the_others_give_way_to_it(monkeypatch: pytest.MonkeyPatch, worker: str, count: int, times: int) -> None:
    niced: list[int] = []
    monkeypatch.setattr("os.nice", niced.append)
    scheduling.give_way(worker, count)
    assert niced == [scheduling.YIELDING] * times


@pytest.mark.parametrize("path", scheduling.WAITING)
def test_each_listed_file_or_folder_exists(path: str) -> None:
    found = Path(__file__).parent.parent / path
    assert found.is_dir() if path.endswith("/") else found.is_file()
