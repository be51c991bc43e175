"""Recovery of PostgreSQL to a moment, as docs/operations/postgresql.md describes it, from a base backup and the log."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import requests
from django.conf import settings

from tests.serving.two_nodes import machine, recorded
from tests.support import commands, databases, postgresql, processes
from tests.support.world import SECRET, claims, configuration

pytestmark = pytest.mark.skipif(settings.IS_SQLITE, reason="PostgreSQL's")


def jti(answer: requests.Response) -> str:
    return str(claims(answer.json()["access_token"])["jti"])


@pytest.fixture
def folder() -> Iterator[Path]:
    """PostgreSQL's own account writes it."""
    made = Path(tempfile.mkdtemp(prefix="gatehouse-recovery-"))
    (made / "log").mkdir()
    if os.getuid() == 0:
        for path in (made, made / "log"):
            shutil.chown(path, postgresql.ACCOUNT)
    yield made
    shutil.rmtree(made)


def test_a_server_is_recovered_to_the_moment_before_a_mistake(tmp_path: Path, folder: Path) -> None:
    base, log = folder / "base", folder / "log"
    archiving = {"archive_mode": "on", "archive_command": f"cp %p {log}/%f"}
    with postgresql.cluster(settings=archiving) as first, databases.database(tmp_path, configuration()) as url:
        _copy(url, first.url)
        postgresql.run("pg_basebackup", f"--dbname={first.url}", f"--pgdata={base}", "--checkpoint=fast", "--no-sync")
        with processes.running(first.url, tmp_path, workers=1) as node:
            issuer = node.issuer
            tokens = node.redeem(node.code())
            before = {jti(tokens), jti(machine(node))}
            time.sleep(1)
            with psycopg.connect(first.url, autocommit=True) as admin:
                (moment,) = admin.execute("SELECT clock_timestamp()::text").fetchone()  # type: ignore[misc]
            time.sleep(1)
            after = jti(machine(node))
        with psycopg.connect(first.url, autocommit=True) as admin:
            (last,) = admin.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()  # type: ignore[misc]
        _until((log / str(last)).exists)
    (base / "recovery.signal").touch()
    recovering = {
        "restore_command": f"cp {log}/%f %p",
        "recovery_target_time": str(moment),
        "recovery_target_action": "promote",
    }
    with postgresql.cluster(of=base, settings=recovering) as second:
        _until(lambda: _is_promoted(second.url))
        env = commands.environment(second.url, GATEHOUSE_ISSUER=issuer)
        commands.python(["manage.py", "migrate", "--verbosity", "0"], env)
        reason = ["--reason", "Restored to an earlier moment."]
        commands.python(["manage.py", "end_access", "everything", *reason], env)
        assert "all is as it was sealed" in commands.python(["manage.py", "audit", "verify"], env)
        known = recorded(second.url)
        assert before <= known
        assert after not in known
        with processes.running(second.url, tmp_path, workers=1, GATEHOUSE_ISSUER=issuer) as node:
            assert node.refresh(tokens.json()["refresh_token"]).status_code == 400, "it may have been revoked since"
            assert machine(node).status_code == 400, "each agent is suspended until it is approved again"
            node.manage("agents", "approve", "posting-agent", "--by", "alice", "--owner", "bob")
            again = {"grant_type": "client_credentials", "client_id": "posting-agent", "client_secret": SECRET}
            assert node.token(**again).status_code == 200


def _copy(of: str, to: str) -> None:
    dump = subprocess.run(["pg_dump", of], capture_output=True, check=True).stdout
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", to], input=dump, capture_output=True, check=True)


def _is_promoted(url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    return row is not None and row[0] is False


def _until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)
