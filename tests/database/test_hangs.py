"""PostgreSQL that hangs is answered as one that refuses: with 503, and in time. So is a network that drops packets
(docs/decisions/0044-a-database-that-hangs.md).
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from django.conf import settings

from tests.support import commands, databases, postgresql, processes, tcp_proxy, world
from tests.support.processes import RunningGatehouse
from tests.support.tcp_proxy import Mode, Proxy

pytestmark = pytest.mark.skipif(settings.IS_SQLITE, reason="SQLite is a file")

NIGHTLY = ("nightly-report", world.SECRET)
# Seconds: two deadlines (a statement, and a new connection) and the delay of a busy machine.
IN_TIME = 12.0
# And for what needs no database.
AT_ONCE = 4.0
# Bytes that a table may have on the cluster of these tests; more than any has by itself.
LARGEST_FILE = 24 * 1024 * 1024


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    url = urlsplit(os.environ["DATABASE_URL"])
    with tcp_proxy.between((url.hostname or "127.0.0.1", url.port or 5432)) as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, proxy: Proxy) -> Iterator[RunningGatehouse]:
    directory = tmp_path_factory.mktemp("hangs")
    with (
        databases.database(directory, world.configuration()) as url,
        processes.running(proxy.url(url), directory) as running,
    ):
        eventually(lambda: ready(running), 200)
        time.sleep(2)  # one report of each worker, which remembers the metadata
        yield running


@contextmanager
def misbehaving(proxy: Proxy, mode: Mode) -> Iterator[None]:
    proxy.mode = mode
    try:
        yield
    finally:
        proxy.mode = Mode.PASS


@pytest.mark.parametrize("mode", [Mode.STALL, Mode.SWALLOW, Mode.RESET], ids=lambda mode: mode.name.lower())
def test_a_database_that_does_not_answer(server: RunningGatehouse, proxy: Proxy, mode: Mode) -> None:
    code = server.code()
    before = server.recorded("token:access:issued")
    with misbehaving(proxy, mode):
        everything_is_answered(server, code)
    goes_on(server)
    assert server.recorded("token:access:issued") - before <= 20
    assert server.redeem(code).status_code in {200, 400}  # its answer may be what was lost


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgresql.Cluster]:
    with postgresql.cluster(largest_file=LARGEST_FILE) as made:
        yield made


@pytest.fixture(scope="module")
def of_its_own(tmp_path_factory: pytest.TempPathFactory, cluster: postgresql.Cluster) -> Iterator[RunningGatehouse]:
    """A server on that cluster."""
    directory = tmp_path_factory.mktemp("cluster")
    file = directory / "configuration.yaml"
    file.write_text(world.configuration())
    env = commands.environment(cluster.url, GATEHOUSE_ISSUER="http://127.0.0.1:1/o")
    commands.python(["manage.py", "prepare", str(file)], env)
    with processes.running(cluster.url, directory) as server:
        eventually(lambda: ready(server), 200)
        time.sleep(2)
        yield server


def test_a_cluster_that_is_stopped(of_its_own: RunningGatehouse, cluster: postgresql.Cluster) -> None:
    code = of_its_own.code()
    with cluster.stopped():
        everything_is_answered(of_its_own, code)
    goes_on(of_its_own)


def test_a_server_that_cannot_write_an_event_is_not_ready(
    of_its_own: RunningGatehouse, cluster: postgresql.Cluster
) -> None:
    """The audit cannot grow, while other rows fit into existing pages: each response is 503, and so is /readyz."""
    with psycopg.connect(cluster.url, autocommit=True) as admin:
        for rows, width in ((8, 1000), (1, 1000), (1, 100), (1, 1)):
            with pytest.raises(psycopg.Error):
                for _ in range(LARGEST_FILE // 1000):
                    admin.execute(_FILL, (width, rows))
        eventually(lambda: machine(of_its_own), 503)
        told = []
        for _ in range(20):
            assert machine(of_its_own).status_code == 503
            told.append(ready(of_its_own))
        assert [answer.status_code for answer in told].count(503) >= 19
        assert "audit_unwritable" in told[-1].json()["reasons"]
        # An administrator frees disk space.
        admin.execute("ALTER TABLE authz_auditevent DISABLE TRIGGER ALL")
        admin.execute("DELETE FROM authz_auditevent WHERE event = 'filler'")
        admin.execute("ALTER TABLE authz_auditevent ENABLE TRIGGER ALL")
        admin.execute("VACUUM authz_auditevent")
    goes_on(of_its_own)


_FILL = """
INSERT INTO authz_auditevent
  (time, event, reason, client_id, subject, resource, "authorization", address, request_id, detail)
SELECT now(), 'filler', '', repeat('x', %s), '', '', '', '', '', '{}' FROM generate_series(1, %s)
"""


def everything_is_answered(server: RunningGatehouse, code: str) -> None:
    with ThreadPoolExecutor(16) as several:
        tokens = [several.submit(timed, lambda: machine(server)) for _ in range(12)]
        watched = [timed(lambda: server.ask("GET", f"{server.origin}/healthz")) for _ in range(20)]
        documents = [
            timed(lambda address=address: server.ask("GET", address))
            for address in (server.url("jwks"), f"{server.origin}/.well-known/oauth-authorization-server/o")
            for _ in range(8)
        ]
        answers = [future.result() for future in tokens]
    assert {answer.status_code for answer, _ in watched} == {200}
    assert max(seconds for _, seconds in watched) < AT_ONCE
    assert {answer.status_code for answer, _ in documents} == {200}
    assert max(seconds for _, seconds in documents) < AT_ONCE
    for answer, seconds in [*answers, timed(lambda: server.redeem(code))]:
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["error"] == "temporarily_unavailable"
        assert seconds < IN_TIME
    page, seconds = timed(lambda: server.ask("GET", f"{server.origin}/accounts/login/"))
    assert page.status_code in {200, 503}
    assert seconds < IN_TIME
    assert max(timed(lambda: ready(server))[1] for _ in range(4)) < IN_TIME
    eventually(lambda: ready(server), 503)


def goes_on(server: RunningGatehouse) -> None:
    eventually(lambda: machine(server), 200)
    eventually(lambda: ready(server), 200)


def machine(server: RunningGatehouse) -> requests.Response:
    return server.token(grant_type="client_credentials", auth=NIGHTLY)


def ready(server: RunningGatehouse) -> requests.Response:
    return server.ask("GET", f"{server.origin}/readyz")


def timed(ask: Callable[[], requests.Response]) -> tuple[requests.Response, float]:
    began = time.monotonic()
    return ask(), time.monotonic() - began


def eventually(ask: Callable[[], requests.Response], status: int) -> None:
    """From every worker: eight times in a row."""
    deadline, in_a_row = time.monotonic() + 60, 0
    while in_a_row < 8:
        answer = ask()
        in_a_row = in_a_row + 1 if answer.status_code == status else 0
        assert time.monotonic() < deadline, (answer.status_code, answer.text)
        time.sleep(0.05 if in_a_row else 0.2)


def test_a_locked_table_is_answered_503_within_the_deadline(server: RunningGatehouse) -> None:
    """A session of psql, or a migration that waits, holds the lock."""
    url = urlsplit(server.database_url)
    with psycopg.connect(url.geturl()) as holder:
        holder.execute("LOCK TABLE authz_auditevent IN ACCESS EXCLUSIVE MODE")
        answer, seconds = timed(lambda: machine(server))
        assert answer.status_code == 503
        assert seconds < IN_TIME
        assert server.ask("GET", f"{server.origin}/healthz").status_code == 200
    goes_on(server)


def test_a_slow_network_is_not_a_database_that_hangs(server: RunningGatehouse, proxy: Proxy) -> None:
    proxy.delay = 20
    try:
        assert machine(server).status_code == 200
    finally:
        proxy.delay = 0


def test_a_command_waits_as_long_as_it_takes(server: RunningGatehouse, proxy: Proxy) -> None:
    """Migrations, backups and `audit verify` are not cut after a request's deadline."""
    proxy.mode = Mode.STALL
    threading.Timer(5, lambda: setattr(proxy, "mode", Mode.PASS)).start()
    began = time.monotonic()
    assert "Notes" in server.manage("export")
    assert time.monotonic() - began >= 4
    goes_on(server)
