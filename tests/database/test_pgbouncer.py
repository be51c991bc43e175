"""Behind PgBouncer in transaction mode each transaction may have another session (docs/decisions/0072-pgbouncer.md)."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.conf import settings

from tests.support import databases, pgbouncer, processes, world
from tests.support.processes import RunningGatehouse

pytestmark = pytest.mark.skipif(settings.IS_SQLITE, reason="PgBouncer is PostgreSQL's")
NIGHTLY = ("nightly-report", world.SECRET)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGatehouse]:
    directory = tmp_path_factory.mktemp("pgbouncer")
    with (
        databases.database(directory, world.configuration()) as url,
        pgbouncer.before(url) as pooled,
        processes.running(pooled, directory, GATEHOUSE_DATABASE_POOLER="1", GATEHOUSE_DATABASE_TIMEOUT="6") as running,
    ):
        yield running


@pytest.fixture(autouse=True)
def serves(server: RunningGatehouse) -> None:
    """After a deadline has passed it asks nothing for a second."""
    until = time.monotonic() + 60
    while (status := machine(server)) != 200:
        assert time.monotonic() < until, status
        time.sleep(0.2)


def machine(server: RunningGatehouse) -> int:
    return server.token(grant_type="client_credentials", auth=NIGHTLY).status_code


def test_every_grant_is_served_by_many_at_once(server: RunningGatehouse) -> None:
    with ThreadPoolExecutor(12) as many:
        asked = [many.submit(machine, server) for _ in range(60)]
        codes = [server.code() for _ in range(3)]
        tokens = [server.redeem(code).json() for code in codes]
        refreshed = [server.refresh(token["refresh_token"]).json() for token in tokens]
    assert {answer.result() for answer in asked} == {200}
    told = server.introspect(refreshed[0]["access_token"], ("notes-server", world.SERVER_SECRET))
    assert told["active"] is True
    assert server.redeem(codes[0]).status_code == 400
    assert server.introspect(refreshed[0]["access_token"], ("notes-server", world.SERVER_SECRET))["active"] is False


def test_a_statement_has_its_deadline_whatever_session_it_gets(server: RunningGatehouse) -> None:
    with psycopg.connect(server.database_url) as holder:
        holder.execute("LOCK TABLE authz_auditevent IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        assert machine(server) == 503
        assert 5 < time.monotonic() - began < 30


def test_no_session_keeps_a_requests_deadline(server: RunningGatehouse) -> None:
    """A command on the same session may take long."""
    assert machine(server) == 200
    for _ in range(2 * pgbouncer.SERVERS):
        with psycopg.connect(server.database_url) as other:
            found = other.execute("SHOW statement_timeout").fetchone()
        assert found == ("0",)
