"""Scheduled work of a host that was killed goes on at another one within ten seconds, and never at both."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from authz.database import leases
from demo.processes import ROOT
from tests.support import commands, databases

# A task that takes longer than any lease, on a host of that name.
_NODE = """
import os, sys, time, types
name, log = sys.argv[1:]
here = os.uname()
os.uname = lambda: os.uname_result((here[0], name, *here[2:]))
import django
django.setup()
from authz import registry
from authz.operations import periodic

def run():
    with open(log, "a") as file:
        file.write(name + "\\n")
    time.sleep(120)

registry.periodic_tasks = lambda: {"works": types.SimpleNamespace(EVERY=0.1, run=run)}
periodic.go_on(lambda seconds: bool(time.sleep(seconds)))
"""
TAKEN_OVER_WITHIN = 10.0


@contextmanager
def host(name: str, url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", _NODE, name, str(log)]
    with subprocess.Popen(command, cwd=ROOT, env=commands.environment(url)) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_killed_hosts_task_is_taken_over_and_runs_nowhere_twice_at_a_time(tmp_path: Path) -> None:
    log = tmp_path / "runs"
    log.touch()

    def runs(number: int, seconds: float) -> list[str]:
        """As soon as there are so many."""
        deadline = time.monotonic() + seconds
        while len(found := log.read_text().split()) < number:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    with databases.database(tmp_path) as url, host("first", url, log) as first:
        runs(1, 60)
        with host("second", url, log), host("third", url, log):
            # They have looked for longer than a lease that nothing renews, and their start.
            time.sleep(leases.LEASE + 4)
            assert runs(1, 0) == ["first"], "its lease is renewed while it runs"
            first.kill()
            assert runs(2, TAKEN_OVER_WITHIN)[1] in {"second", "third"}
            time.sleep(2)
            assert len(runs(2, 0)) == 2, "one of both takes it over"
