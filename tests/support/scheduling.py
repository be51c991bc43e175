"""Which process of a test run (pytest-xdist) runs which file: those that wait have a process of their own.

Some files start servers, or wait for deadlines. With one process for each core, a core is idle while a test waits. So
`-n auto` starts one process more. It runs the files that wait, and the other processes give way to it (`nice`): they
slow down what it measures, and the servers that it starts, as little as possible. It also starts a server that several
files share (tests/attacks/conftest.py) only once. A process that has none of its own files left runs those of others.
"""

import os
from collections.abc import Sequence

from xdist.scheduler.loadfile import LoadFileScheduling
from xdist.workermanage import WorkerController

# Files and folders; what takes longest first.
WAITING = (
    "tests/serving/test_event_loop.py",
    "tests/attacks/test_cimd_server.py",
    "tests/attacks/test_cimd_floods.py",
    "tests/database/test_hangs.py",
    "tests/attacks/test_38_across_processes.py",
    "tests/serving/test_processes.py",
    "tests/keys/test_secret_key_rotation.py",
    "tests/load/",
    "tests/serving/",
    "tests/operations/test_faults.py",
    "tests/operations/test_first_start.py",
    "tests/operations/test_rolling_upgrade.py",
    "tests/database/test_pgbouncer.py",
    "tests/database/test_deadline.py",
    "tests/attacks/test_14_old_rules.py",
    "tests/attacks/test_25_hosts_that_do_not_answer.py",
    "tests/attacks/test_26_refresh_race.py",
    "tests/attacks/test_27_code_race.py",
    "tests/attacks/test_32_canaries.py",
    "tests/attacks/test_34_mix_up.py",
    "tests/attacks/test_35_parameter_pollution.py",
    "tests/attacks/test_36_http_read_in_two_ways.py",
    "tests/attacks/test_41_servers_that_drip.py",
    "tests/attacks/test_xaa_keys.py",
    "tests/attacks/test_xaa_replay.py",
    "tests/configuration/test_plain_http_resources.py",
    "tests/evidence/test_delivery.py",
    "tests/evidence/test_syslog_delivery.py",
    "tests/keys/test_key_rotation.py",
    "tests/outbound/test_deadlines.py",
    "tests/outbound/test_errands.py",
    "tests/telemetry/",
    "tests/xaa/sign_in/test_sign_in_round.py",
)
# How far the other processes give way (see nice(1): 0 to 19).
YIELDING = 5


def processes() -> int:
    """For `pytest -n auto`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cores or 1) + 1


def give_way(worker: str, count: int) -> None:
    """Called in each process of a run with so many; `worker` is its name: gw0, gw1, …"""
    if _is_split(count) and not _is_for_waiting(worker, count):
        os.nice(YIELDING)


def _is_split(count: int) -> bool:
    """Two processes are both needed for all files."""
    return count > 2


def _is_for_waiting(worker: str, count: int) -> bool:
    return worker == f"gw{count - 1}"


class Scheduling(LoadFileScheduling):
    """Gives a process one file after another, as `--dist loadfile` does, but chooses which."""

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        super().add_node_collection(node, collection)
        # All processes collect the same tests in the same order.
        self._places = {test: place for place, test in enumerate(collection)}

    def _assign_work_unit(self, node: WorkerController) -> None:
        file = self._chosen(node)
        tests = self.assigned_work[node][file] = self.workqueue.pop(file)
        node.send_runtest_some([self._places[test] for test, is_done in tests.items() if not is_done])

    def _chosen(self, node: WorkerController) -> str:
        waiting = sorted((file for file in self.workqueue if _rank(file) < len(WAITING)), key=_rank)
        others = [file for file in self.workqueue if _rank(file) == len(WAITING)]
        if not _is_split(self.numnodes) or _is_for_waiting(node.gateway.id, self.numnodes):
            return (waiting or others)[0]
        # What takes longest is left to the process that has it as its own.
        return (others or waiting[::-1])[0]


def _rank(file: str) -> int:
    return next((place for place, start in enumerate(WAITING) if file.startswith(start)), len(WAITING))
