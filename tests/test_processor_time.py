"""The lines about processor time at the end of a run (tests/support/processor_time.py)."""

import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from tests.support import processor_time
from tests.support.processor_time import ProcessorTime, summary, too_expensive


def test_the_files_that_take_most_come_first() -> None:
    taken = Counter({"tests/a.py": 0.5, "tests/b.py": 3.25, "tests/c.py": 1.0})
    assert summary(taken) == [
        "Processor time: 5 s in 3 files, most in",
        "    3.2 s  tests/b.py",
        "    1.0 s  tests/c.py",
        "    0.5 s  tests/a.py",
    ]
    assert summary(Counter({"tests/a.py": 0.9})) == []


def a_run(dear: float) -> Counter[str]:
    return Counter({f"tests/{number}.py": 1.0 for number in range(processor_time.WHOLE)} | {"tests/dear.py": dear})


@pytest.mark.parametrize(("dear", "status"), [(30.0, pytest.ExitCode.OK), (40.0, pytest.ExitCode.TESTS_FAILED)])
def test_a_file_that_takes_too_much_of_a_whole_run_fails_it(dear: float, status: int) -> None:
    plugin, session = ProcessorTime(), SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    plugin.by_file = a_run(dear)
    plugin.pytest_sessionfinish(session)  # type: ignore[arg-type]
    assert session.exitstatus == status
    assert [line for line in too_expensive(plugin.by_file) if "dear.py takes 9% of the run" in line] == (
        too_expensive(plugin.by_file)
    )


def test_a_few_files_may_take_what_they_take() -> None:
    assert too_expensive(Counter({"tests/dear.py": 500.0, "tests/other.py": 1.0})) == []


def test_what_a_process_takes_that_a_test_starts_counts() -> None:
    before = ProcessorTime()
    spends = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", spends], check=True)
    assert ProcessorTime()._last - before._last > 0.25  # the clocks tick a hundred times a second
