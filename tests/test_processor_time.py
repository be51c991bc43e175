"""The lines about processor time at the end of a run (tests/support/processor_time.py)."""

import subprocess
import sys
from collections import Counter

from tests.support.processor_time import ProcessorTime, summary


def test_the_files_that_take_most_come_first() -> None:
    taken = Counter({"tests/a.py": 0.5, "tests/b.py": 3.25, "tests/c.py": 1.0})
    assert summary(taken) == [
        "Processor time: 5 s in 3 files, most in",
        "    3.2 s  tests/b.py",
        "    1.0 s  tests/c.py",
        "    0.5 s  tests/a.py",
    ]
    assert summary(Counter({"tests/a.py": 0.9})) == []


def test_what_a_process_takes_that_a_test_starts_counts() -> None:
    before = ProcessorTime()
    spends = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", spends], check=True)
    assert ProcessorTime()._last - before._last >= 0.3
