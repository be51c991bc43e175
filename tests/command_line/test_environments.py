"""Wrong environments: the whole answer is read, and it says what to write instead. Each is a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from demo.processes import ROOT
from tests.support import commands, databases

pytestmark = pytest.mark.any_database

WRONG = {
    "a switch": (
        {"GATEHOUSE_DEBUG": "yes"},
        "Settings: GATEHOUSE_DEBUG must be 1 (on) or 0 (off), not 'yes'\n",
    ),
    "an issuer that is no URL": (
        {"GATEHOUSE_ISSUER": "http://[::1"},
        "Settings: GATEHOUSE_ISSUER is not a URL (Invalid IPv6 URL)\n",
    ),
    "a short secret": (
        {"GATEHOUSE_METRICS_TOKEN": "short"},
        "Settings: GATEHOUSE_METRICS_TOKEN needs at least 32 characters\n",
    ),
    "a misspelt database": (
        {"DATABASE_URL": "postgress://gatehouse:s3cret@db/gatehouse"},
        "Settings: DATABASE_URL must be sqlite:////absolute/path or postgres://user:password@host:5432/name;"
        " did you mean postgres?\n",
    ),
    "a path for a database": (
        {"DATABASE_URL": "/srv/gatehouse.sqlite3"},
        "Settings: DATABASE_URL must be sqlite:////absolute/path or postgres://user:password@host:5432/name\n",
    ),
    "a password with a slash": (
        {"DATABASE_URL": "postgres://gatehouse:s3/cret@db:5432/gatehouse"},
        "Settings: DATABASE_URL is not a URL: quote special characters of the password (%40 for @), and write the port"
        " as a number\n",
    ),
    "another cache": (
        {"CACHE_URL": "memcached://cache"},
        "Settings: CACHE_URL must be a redis://, rediss:// or unix:// URL, such as redis://cache:6379/0\n",
    ),
    "a proxy by name": (
        {"GATEHOUSE_TRUSTED_PROXIES": "10.0.0.5,proxy.internal"},
        "Settings: GATEHOUSE_TRUSTED_PROXIES takes addresses and networks, such as 10.0.0.5 or 10.0.0.0/24, not"
        " 'proxy.internal'\n",
    ),
    "a misspelt limit": (
        {"GATEHOUSE_RATE_LIMITS": "token:clent=5/second"},
        "Settings: GATEHOUSE_RATE_LIMITS has no limit 'token:clent'; did you mean token:client?\n",
    ),
    "a rate of no unit": (
        {"GATEHOUSE_RATE_LIMITS": "token:client=5"},
        "Settings: GATEHOUSE_RATE_LIMITS: token:client takes a rate such as 100/second, 10/5 minute or none, not '5'\n",
    ),
    "a host without a port": (
        {"GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": "idp.internal"},
        "Settings: GATEHOUSE_OUTBOUND_ALLOWED_HOSTS takes host:port pairs, such as idp.internal:443, not"
        " 'idp.internal'; did you mean idp.internal:443?\n",
    ),
    "a percentage": (
        {"OTEL_TRACES_SAMPLER_ARG": "10"},
        "Settings: OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, such as 0.1\n",
    ),
    "a mail server without its scheme": (
        {"EMAIL_URL": "gatehouse:s3cret@mail.example.com"},
        "Settings: EMAIL_URL must be smtp://, smtps:// or smtp+plain:// with a host, such as"
        " smtp://user:password@host:587\n",
    ),
    "a misspelt format": (
        {"GATEHOUSE_LOG_FORMAT": "jsn"},
        "Settings: GATEHOUSE_LOG_FORMAT must be one of plain, json, not 'jsn'; did you mean json?\n",
    ),
    "a port beyond the last": (
        {"PORT": "80000"},
        "Settings: PORT must be a port, a number from 1 to 65535, not '80000'\n",
    ),
    "a negative number": (
        {"GATEHOUSE_AUDIT_RETENTION_DAYS": "-30"},
        "Settings: GATEHOUSE_AUDIT_RETENTION_DAYS must be a whole number of days, not '-30'\n",
    ),
    "no processes": (
        {"WORKERS": "0"},
        "Settings: WORKERS must be a number of processes, one at least, not '0'\n",
    ),
}


def told(command: list[str], folder: Path, **changes: str) -> tuple[int, str]:
    """The code with which it ended, and its errors."""
    environment = commands.environment(f"sqlite:///{folder}/none.sqlite3", GATEHOUSE_HOME=str(folder))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)} | changes,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(("environment", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_environment_is_one_sentence(tmp_path: Path, environment: Mapping[str, str], said: str) -> None:
    command = ["-m", "authz.serving"] if "WORKERS" in environment else ["manage.py", "keys", "list"]
    assert told(command, tmp_path, **environment) == (2, said)
    assert not list(tmp_path.glob("*.sqlite3"))


def test_a_server_starts_with_no_wrong_environment_either(tmp_path: Path) -> None:
    code, said = told(["-m", "authz.serving"], tmp_path, GATEHOUSE_DEBUG="yes")
    assert (code, said) == (2, WRONG["a switch"][1])


def test_a_misspelt_variable_is_named(tmp_path: Path) -> None:
    changes = {"GATEHOUSE_ISUER": "https://auth.example.com/o", "GATEHOUSE_SERVICE_PORT_HTTP": "80"}
    changes |= {"GATEHOUSE_PORT_8000_TCP_ADDR": "10.1.2.3", "GATEHOUSE_WXYZ": "a"}
    code, said = told(["manage.py", "check"], tmp_path, **changes)
    assert code == 0
    assert [line.strip() for line in said.splitlines() if "GATEHOUSE" in line or "settings" in line] == [
        "?: (authz.W004) GATEHOUSE_ISUER is no setting and has no effect",
        "HINT: did you mean GATEHOUSE_ISSUER?",
        "?: (authz.W004) GATEHOUSE_WXYZ is no setting and has no effect",
        "HINT: docs/settings.md lists the settings",
    ]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "home"
    code, said = told(["manage.py", "check"], tmp_path, GATEHOUSE_HOME=str(home), GATEHOUSE_SECRET_KEY="")
    assert (code, said) == (
        2,
        f"Settings: GATEHOUSE_SECRET_KEY is not set, and {home}/secret-key cannot be made or read: Not a directory\n",
    )


def test_a_database_that_is_down_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    url = "postgres://gatehouse:s3cret-of-the-database@127.0.0.1:9/gatehouse"
    code, said = told(["manage.py", "keys", "list"], tmp_path, DATABASE_URL=url)
    assert code == 3
    assert said.startswith("The database gatehouse at 127.0.0.1:9 does not answer: ")
    assert said.count("\n") == 1
    assert "s3cret" not in said


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert told(["manage.py", "keys", "list"], tmp_path) == (
        3,
        f"There is no database at {tmp_path}/none.sqlite3. `manage.py prepare` makes it; if it is elsewhere, set"
        " GATEHOUSE_HOME or DATABASE_URL.\n",
    )
    assert not list(tmp_path.glob("*.sqlite3"))


def test_an_empty_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "none.sqlite3").touch()
    code, said = told(["manage.py", "keys", "list"], tmp_path)
    assert (code, said) == (
        3,
        f"The database {tmp_path}/none.sqlite3 has not the tables of this version. `manage.py prepare` makes them."
        " (no such table: authz_signingkey)\n",
    )


def test_an_empty_postgresql_database_is_named(tmp_path: Path) -> None:
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        pytest.skip("the tests run on SQLite")
    with databases.empty(tmp_path) as url:
        code, said = told(["manage.py", "keys", "list"], tmp_path, DATABASE_URL=url)
    assert code == 3
    assert "has not the tables of this version" in said
