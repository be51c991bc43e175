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
    "serve": ["serve", "--port", "1"],
    "run": ["run", "--port", "1"],
    "prepare": ["prepare"],
    "apply": ["apply", "nothing.yaml"],
    "plan": ["plan", "nothing.yaml"],
    "periodic": ["periodic", "--once"],
    "keys ensure": ["keys", "ensure"],
    "keys rotate": ["keys", "rotate", "RS256"],
}
# What starts without the command line.
SERVER = ["-m", "authz.serving"]


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


@pytest.mark.parametrize(("key", "said"), [(OTHER, f"GATEHOUSE_SECRET_KEY{WRONG}"), ("short", SHORT)])
def test_a_key_that_is_not_good_is_one_sentence(url: str, key: str, said: str) -> None:
    """Another than that of the database, or a short one."""
    answers = commands.each([*CALLS.values()], commands.environment(url, GATEHOUSE_SECRET_KEY=key))
    assert dict(zip(CALLS, answers, strict=True)) == dict.fromkeys(CALLS, (1, "", said))
    assert told(url, SERVER, GATEHOUSE_SECRET_KEY=key) == (1, "", said)


def test_a_key_file_that_was_lost_is_named(url: str, tmp_path: Path) -> None:
    given = {"GATEHOUSE_SECRET_KEY": "", "GATEHOUSE_HOME": str(tmp_path)}
    call = ["manage.py", *CALLS["serve"]]
    assert told(url, call, **given) == (1, "", f"The key in {tmp_path}/secret-key{WRONG}")


def test_a_key_that_a_fallback_opens_goes_on(url: str) -> None:
    given = {"GATEHOUSE_SECRET_KEY": OTHER, "GATEHOUSE_SECRET_KEY_FALLBACKS": OWN}
    assert told(url, ["manage.py", "prepare"], **given) == (0, "", "")


def test_what_is_only_read_is_read_all_the_same(url: str) -> None:
    env = commands.environment(url, GATEHOUSE_SECRET_KEY=OTHER)
    assert [told.code for told in commands.each([["keys", "list"], ["export"]], env)] == [0, 0]


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
