"""A secret key that is too short, or another than that of the database: one sentence and code 1, and nothing starts."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from demo import processes
from demo.processes import ROOT
from tests.support import commands, databases
from tests.support.world import configuration

pytestmark = pytest.mark.any_database
OWN = "the own secret key of this database for these tests"
OTHER = "another secret key that is long enough for everything"
SHORT = "Settings: GATEHOUSE_SECRET_KEY needs at least 32 characters (authz.E011)\n"
WRONG = (
    " is not the key that the signing keys in this database were made under: set GATEHOUSE_SECRET_KEY to that key, or"
    " name it in GATEHOUSE_SECRET_KEY_FALLBACKS.\n"
)
# What would write or sign under the key.
CALLS = {
    "serve": ["manage.py", "serve", "--port", "1"],
    "run": ["manage.py", "run", "--port", "1"],
    "the server itself": ["-m", "authz.serving"],
    "prepare": ["manage.py", "prepare"],
    "apply": ["manage.py", "apply", "nothing.yaml"],
    "plan": ["manage.py", "plan", "nothing.yaml"],
    "periodic": ["manage.py", "periodic", "--once"],
    "keys ensure": ["manage.py", "keys", "ensure"],
    "keys rotate": ["manage.py", "keys", "rotate", "RS256"],
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with databases.database(tmp_path_factory.mktemp("keys"), configuration(), GATEHOUSE_SECRET_KEY=OWN) as found:
        yield found


def told(url: str, call: list[str], **settings: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, *call],
        cwd=ROOT,
        env=commands.environment(url, PYTHONPATH=str(ROOT), **settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_another_key_than_that_of_the_database_is_one_sentence(url: str, call: list[str]) -> None:
    assert told(url, call, GATEHOUSE_SECRET_KEY=OTHER) == (1, "", f"GATEHOUSE_SECRET_KEY{WRONG}")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_short_key_is_one_sentence(url: str, call: list[str]) -> None:
    assert told(url, call, GATEHOUSE_SECRET_KEY="short") == (1, "", SHORT)


def test_a_key_file_that_was_lost_is_named(url: str, tmp_path: Path) -> None:
    given = {"GATEHOUSE_SECRET_KEY": "", "GATEHOUSE_HOME": str(tmp_path)}
    assert told(url, CALLS["serve"], **given) == (1, "", f"The key in {tmp_path}/secret-key{WRONG}")


def test_a_key_that_a_fallback_opens_goes_on(url: str) -> None:
    given = {"GATEHOUSE_SECRET_KEY": OTHER, "GATEHOUSE_SECRET_KEY_FALLBACKS": OWN}
    assert told(url, CALLS["prepare"], **given) == (0, "", "")


@pytest.mark.parametrize("call", [["manage.py", "keys", "list"], ["manage.py", "export"]])
def test_what_is_only_read_is_read_all_the_same(url: str, call: list[str]) -> None:
    assert told(url, call, GATEHOUSE_SECRET_KEY=OTHER)[0] == 0


def test_a_database_that_is_down_does_not_keep_the_server_from_starting(tmp_path: Path) -> None:
    """It answers that it is not ready, and serves when the database does."""
    port = processes.free_port()
    env = commands.environment("postgres://a@127.0.0.1:9/none", PYTHONPATH=str(ROOT), PORT=str(port))
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([sys.executable, "-m", "authz.serving"], cwd=ROOT, env=env, stderr=log, stdout=log)
        try:
            assert _status(f"http://127.0.0.1:{port}/readyz") == 503
        finally:
            server.terminate()
            server.wait(30)


def _status(url: str) -> int:
    """The status of an answer, once there is one."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(requests.ConnectionError):
            return requests.get(url, timeout=10).status_code
        time.sleep(0.1)
    raise AssertionError("the server does not answer")
