"""Which test files take how much processor time, in the last lines of a run: what a shared machine cannot blur, as it
does seconds.

A test's is that of its process and of the processes that ended meanwhile. So a server counts where it is stopped.
"""

import os
from collections import Counter

import pytest

SHOWN = 12


class ProcessorTime:
    """A plugin of pytest, in the process that starts the others as well as in those (pytest-xdist)."""

    def __init__(self) -> None:
        self._last = _taken()
        self.by_file: Counter[str] = Counter()

    def pytest_collection_finish(self) -> None:
        self._last = _taken()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self) -> object:
        outcome = yield
        now = _taken()
        # Members of a report reach the process that sums up.
        outcome.get_result().processor_time = now - self._last
        self._last = now

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.by_file[report.nodeid.partition("::")[0]] += getattr(report, "processor_time", 0.0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in summary(self.by_file):
            terminalreporter.write_line(line)


def summary(by_file: Counter[str]) -> list[str]:
    """Lines: the sum, and the files that take most. Nothing of a run that takes less than a second."""
    total = sum(by_file.values())
    if total < 1:
        return []
    most = [f"{seconds:7.1f} s  {file}" for file, seconds in by_file.most_common(SHOWN)]
    return [f"Processor time: {total:.0f} s in {len(by_file)} files, most in", *most]


def _taken() -> float:
    """Seconds, of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
