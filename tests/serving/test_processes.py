"""The server stops on a signal, also while it starts. Its processes act as one server: their counts are added up, and
each is replaced if it ends.
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from django.core.exceptions import ImproperlyConfigured

from authz.serving import __main__ as serve
from authz.serving import processes as serving
from authz.serving.__main__ import STOPPING
from demo.processes import ROOT, free_port
from tests.support import databases, processes
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET, configuration

pytestmark = pytest.mark.any_database

GRACE = STOPPING + 6


@pytest.mark.parametrize("is_for_all", [False, True], ids=["SIGTERM to the server", "Ctrl-C to all of it"])
def test_it_stops(tmp_path: Path, is_for_all: bool) -> None:
    port = free_port()
    with databases.database(tmp_path) as url, (tmp_path / "log").open("wb") as log:
        environment = os.environ | {
            "PORT": str(port),
            "GATEHOUSE_ISSUER": f"http://127.0.0.1:{port}/o",
            "GATEHOUSE_SECRET_KEY": "a secret key for this test only, and for nothing else",
            "DATABASE_URL": url,
        }
        server = subprocess.Popen(
            [sys.executable, "-m", "authz.serving"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/o/jwks")
            if is_for_all:
                os.killpg(server.pid, signal.SIGINT)
            else:
                server.send_signal(signal.SIGTERM)
            assert server.wait(GRACE) == 0
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server did not start")


METRICS_TOKEN = "a metrics token for this test, long enough"
COUNTED = re.compile(r'^gatehouse_token_requests_total\{.*result="(\w+)"\} (\d+)', re.MULTILINE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGatehouse]:
    directory = tmp_path_factory.mktemp("serve")
    with (
        databases.database(directory, configuration()) as url,
        processes.running(url, directory, workers=2, GATEHOUSE_METRICS_TOKEN=METRICS_TOKEN) as gatehouse,
    ):
        yield gatehouse


def test_each_worker_shows_the_metrics_of_all_workers(server: RunningGatehouse) -> None:
    for _ in range(30):
        assert server.token(auth=("nightly-report", SECRET), grant_type="client_credentials").status_code == 200
    issued = server.recorded("token:access:issued")
    until(lambda: [counted(server)["issued"] for _ in range(10)] == [issued] * 10)


def test_refusals_beyond_the_rate_are_recorded_without_another_request(server: RunningGatehouse) -> None:
    def refused(times: int) -> None:
        for _ in range(times):
            answer = server.token(auth=("nightly-report", "wrong" * 10), grant_type="client_credentials")
            assert answer.status_code == 401

    refused(250)  # two workers, a hundred each
    deadline = time.monotonic() + 60
    again = time.monotonic() + 8
    while not server.recorded("audit:refusals:left_out"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
        if time.monotonic() > again:
            refused(3)  # the last of those before may have been recorded, and have told of the others
            again = time.monotonic() + 8


def test_requests_that_are_refused_write_nothing_into_the_log(server: RunningGatehouse) -> None:
    before = server.server.log.read_text()
    for path in ("/nowhere", "/o/authorize?client_id=nobody", "/api/v1/agents"):
        assert server.ask("GET", server.origin + path).status_code in {400, 401, 404}
    assert server.ask("GET", server.origin + "/account/login/", headers={"Host": "not.ours"}).status_code == 400
    assert server.server.log.read_text() == before


def test_there_may_be_as_many_connections_as_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack (slowloris): with a shell's 1024 files, a thousand connections keep the database from being opened."""
    limits = []
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 20_000))
    monkeypatch.setattr("resource.setrlimit", lambda _, given: limits.append(given))
    assert serving._files() == 4096
    assert limits == [(4096, 20_000)]


@pytest.mark.parametrize("workers", ["0", "-1", "two"])
def test_a_server_without_a_process_does_not_start(monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    """It would hold the port and answer no request."""
    monkeypatch.setenv("WORKERS", workers)
    with pytest.raises(ImproperlyConfigured, match=f"one at least, not '{workers}'"):
        serve._serve()


def test_scheduled_tasks_go_on_when_their_process_was_killed(server: RunningGatehouse) -> None:
    first = scheduler_of(server)
    os.kill(first, signal.SIGKILL)
    until(lambda: scheduler_of(server) not in {None, first})


def test_a_checkpoint_runs_by_itself(server: RunningGatehouse, tmp_path: Path) -> None:
    assert server.token(auth=("nightly-report", SECRET), grant_type="client_credentials").status_code == 200
    issued = server.recorded("token:access:issued")
    copy = tmp_path / "without-its-log.sqlite3"

    def is_there() -> bool:
        shutil.copyfile(urlsplit(server.database_url).path, copy)
        with closing(sqlite3.connect(copy)) as file, suppress(sqlite3.DatabaseError):  # written to while it was copied
            sql = "SELECT count(*) FROM authz_auditevent WHERE event = 'token:access:issued'"
            return int(file.execute(sql).fetchone()[0]) >= issued
        return False

    until(is_there)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[RunningGatehouse]:
    """A server of the test's own, to be killed."""
    with (
        databases.database(tmp_path, configuration()) as url,
        processes.running(url, tmp_path) as gatehouse,
    ):
        yield gatehouse


def test_a_killed_process_is_replaced_and_new_connections_wait_meanwhile(mortal: RunningGatehouse) -> None:
    first = set(workers_of(mortal))
    assert len(first) == 2
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    asked = [mortal.token(auth=("nightly-report", SECRET), grant_type="client_credentials") for _ in range(20)]
    assert {answer.status_code for answer in asked} == {200}
    until(lambda: len(workers_of(mortal)) == 2)
    assert not first & set(workers_of(mortal))


def test_no_worker_serves_on_when_the_server_was_killed(mortal: RunningGatehouse) -> None:
    """Otherwise the next server would share its port, and half of all answers would come from the old version."""
    left = [pid for pid, _ in children(mortal)]
    assert len(left) == 3
    assert mortal.server.process is not None
    mortal.server.process.kill()
    until(lambda: not any(is_running(pid) for pid in left))


def test_a_guesser_is_limited_across_processes(tmp_path: Path) -> None:
    """Attack: each guess on a connection of its own, so that each process sees half of them."""
    guessed = {"auth": ("nightly-report", "wrong" * 10), "grant_type": "client_credentials"}
    with (
        databases.database(tmp_path, configuration()) as url,
        processes.running(url, tmp_path, GATEHOUSE_RATE_LIMITS="refused:client=10/hour") as gatehouse,
    ):
        assert {gatehouse.token(**guessed).status_code for _ in range(11)} == {401}  # type: ignore[arg-type]
        right = guessed | {"auth": ("nightly-report", SECRET)}
        assert {gatehouse.token(**right).status_code for _ in range(12)} == {429}  # type: ignore[arg-type]


def test_two_servers_do_not_share_a_port(server: RunningGatehouse) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "authz.serving"],
        cwd=ROOT,
        env=server.server.env,
        check=False,
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert second.returncode == 1
    assert " cannot be served: Address already in use" in second.stderr.splitlines()[-1]
    assert server.ask("GET", server.url("jwks")).status_code == 200


def scheduler_of(server: RunningGatehouse) -> int | None:
    return next((pid for pid, name in children(server) if name == "gatehouse tasks"), None)


def workers_of(server: RunningGatehouse) -> list[int]:
    return [pid for pid, name in children(server) if name == "gatehouse serve"]


def children(server: RunningGatehouse) -> list[tuple[int, str]]:
    assert server.server.process is not None
    tasks = Path(f"/proc/{server.server.process.pid}/task/").glob("*/children")
    found = [int(pid) for task in tasks for pid in task.read_text().split()]
    return [(pid, Path(f"/proc/{pid}/comm").read_text().strip()) for pid in found if is_running(pid)]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def counted(server: RunningGatehouse) -> dict[str, int]:
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    text = server.ask("GET", f"{server.origin}/metrics", headers=headers).text
    return {result: int(count) for result, count in COUNTED.findall(text)}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)
