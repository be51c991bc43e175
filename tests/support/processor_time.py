"""Which test files take how much processor time, in the last lines of a run: what a shared machine cannot blur, as it
does seconds.

A test's is that of its process and of the processes that ended meanwhile. So a server counts where it is stopped.
"""

import os
from collections import Counter

import pytest

SHOWN = 12
# A whole run has at least so many files, and none of them may take more than this part of it. A part is the same on a
# machine that is slow or shared, where seconds are not.
WHOLE, MOST = 400, 0.08


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

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if too_expensive(self.by_file) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in [*summary(self.by_file), *too_expensive(self.by_file)]:
            terminalreporter.write_line(line)


def summary(by_file: Counter[str]) -> list[str]:
    """Lines: the sum, and the files that take most. Nothing of a run that takes less than a second."""
    total = sum(by_file.values())
    if total < 1:
        return []
    most = [f"{seconds:7.1f} s  {file}" for file, seconds in by_file.most_common(SHOWN)]
    return [f"Processor time: {total:.0f} s in {len(by_file)} files, most in", *most]


def too_expensive(by_file: Counter[str]) -> list[str]:
    """What to say of each file that takes too much of a whole run, which fails then."""
    total = sum(by_file.values())
    if len(by_file) < WHOLE:
        return []
    return [
        f"FAILED {file} takes {seconds / total:.0%} of the run's processor time; {MOST:.0%} is the most"
        " (docs/decisions/0080-tests-in-minutes.md)"
        for file, seconds in by_file.items()
        if seconds > MOST * total
    ]


def _taken() -> float:
    """Seconds, of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
