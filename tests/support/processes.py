"""Real Gatehouse servers for tests: several processes, on a database of their own.

The database is of the kind that DATABASE_URL names: a SQLite file, or a PostgreSQL database made for the occasion. It
is a copy of one that is prepared once a run: a dozen migrations take longer than most tests.
"""

import atexit
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import psycopg
import requests

from demo.browser import Person
from demo.processes import ROOT, Server, environment, free_port
from tests.support.world import CHALLENGE, NOTES, REDIRECT, VERIFIER

SECRET_KEY = "a secret key for tests only, the same for every server of a run"

_CONFIGURE = """
import sys, django
django.setup()
from django.core.management import call_command
call_command("keys", "ensure")
call_command("apply", sys.argv[1])
"""

# On Linux the server ends with the test run even if that is killed (PR_SET_PDEATHSIG).
_SERVE = """
import ctypes, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
from authz.serve import main
main()
"""


@dataclass(frozen=True, slots=True)
class RunningGatehouse:
    """A server that answers at `issuer`. Each method is one request; answers are given as they came."""

    issuer: str
    database_url: str
    directory: Path
    server: Server

    @property
    def origin(self) -> str:
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def url(self, endpoint: str) -> str:
        return f"{self.issuer.rstrip('/')}/{endpoint}"

    def ask(self, method: str, url: str, **more: object) -> requests.Response:
        """One request on a connection of its own, so that any worker may get it."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, url, timeout=30, allow_redirects=False, **more)  # type: ignore[arg-type]

    def token(self, *, auth: tuple[str, str] | None = None, **params: str) -> requests.Response:
        return self.ask("POST", self.url("token"), data=params, auth=auth)

    def introspect(self, token: str, auth: tuple[str, str]) -> dict[str, object]:
        answer: dict[str, object] = self.ask("POST", self.url("introspect"), data={"token": token}, auth=auth).json()
        return answer

    def code(self, username: str = "bob") -> str:
        """Sign in, consent, and come back with a code for the desktop app."""
        params = {
            "response_type": "code",
            "client_id": "desktop-app",
            "redirect_uri": REDIRECT,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "scope": "mcp:read",
            "state": "xyz",
            "resource": NOTES,
        }
        back = Person(username, f"{username}-password").authorize(f"{self.url('authorize')}?{urlencode(params)}")
        answer = dict(pair.split("=", 1) for pair in urlsplit(back).query.split("&"))
        return answer["code"]

    def redeem(self, code: str) -> requests.Response:
        return self.token(
            grant_type="authorization_code",
            client_id="desktop-app",
            code=code,
            redirect_uri=REDIRECT,
            code_verifier=VERIFIER,
        )

    def refresh(self, refresh_token: str) -> requests.Response:
        return self.token(grant_type="refresh_token", client_id="desktop-app", refresh_token=refresh_token)

    def kill(self) -> None:
        """End it and its workers as a power cut to the process would: with no chance to say goodbye."""
        assert self.server.process is not None
        os.killpg(self.server.process.pid, signal.SIGKILL)

    def recorded(self, event: str) -> int:
        """How many of such events the audit holds."""
        sql = f"SELECT count(*) FROM authz_auditevent WHERE event = '{event}'"  # noqa: S608  a name of ours
        if self.database_url.startswith("postgres"):
            with psycopg.connect(self.database_url) as connection:
                return int(connection.execute(sql).fetchone()[0])  # type: ignore[call-overload, index]
        with closing(sqlite3.connect(urlsplit(self.database_url).path)) as file:
            return int(file.execute(sql).fetchone()[0])

    def manage(self, *arguments: str) -> str:
        """`manage.py …` beside the running server: another process on the same database."""
        return _python(["manage.py", *arguments], self.server.env)


@contextmanager
def database(directory: Path, configuration: str = "", **settings: str) -> Iterator[str]:
    """The URL of a new database: migrated and, where it has a configuration, with signing keys. It is gone after it."""
    of = _configured(configuration, frozenset(settings.items())) if configuration else _migrated()
    with _copy(of, directory) as url:
        yield url


@contextmanager
def running(
    database_url: str, directory: Path, *, path: str = "/o", workers: int = 2, **settings: str
) -> Iterator[RunningGatehouse]:
    """A server on that database, with the issuer http://127.0.0.1:PORT + `path`. It is stopped afterwards, always.

    Another node of the same server is told its issuer: GATEHOUSE_ISSUER=….
    """
    port = int(settings.get("PORT") or free_port())
    issuer = f"http://127.0.0.1:{port}{path}"
    env = _environment(
        database_url, **{"GATEHOUSE_ISSUER": issuer, "PORT": str(port), "WORKERS": str(workers), **settings}
    )
    with Server(
        name="gatehouse",
        command=[sys.executable, "-c", _SERVE],
        ready=f"http://127.0.0.1:{port}/.well-known/oauth-authorization-server{path.rstrip('/')}",
        log=directory / f"gatehouse-{port}.log",
        env=env,
    ) as server:
        yield RunningGatehouse(issuer=issuer, database_url=database_url, directory=directory, server=server)


def _environment(database_url: str, **settings: str) -> dict[str, str]:
    # The settings module of this run, for a run with other settings than the project's own.
    chosen = {name: os.environ[name] for name in ("DJANGO_SETTINGS_MODULE", "PYTHONPATH") if name in os.environ}
    chosen.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")
    return environment(**{"DATABASE_URL": database_url, "GATEHOUSE_SECRET_KEY": SECRET_KEY, **chosen, **settings})


def _python(arguments: list[str], env: dict[str, str] | object) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=dict(env),  # type: ignore[call-overload]
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


# The databases that others are copies of, and what they lie in.
_kept = ExitStack()
atexit.register(_kept.close)


@cache
def _directory() -> Path:
    return Path(_kept.enter_context(tempfile.TemporaryDirectory(prefix="gatehouse-databases-")))


@cache
def _migrated() -> str:
    url = _kept.enter_context(_copy("", _directory()))
    _python(["manage.py", "migrate", "--verbosity", "0"], _environment(url))
    return url


@cache
def _configured(configuration: str, settings: frozenset[tuple[str, str]]) -> str:
    url = _kept.enter_context(_copy(_migrated(), _directory()))
    file = _directory() / f"{secrets.token_hex(6)}.yaml"
    file.write_text(configuration)
    given = {"GATEHOUSE_ISSUER": "http://127.0.0.1:1/o", **dict(settings)}
    _python(["-c", _CONFIGURE, str(file)], _environment(url, **given))
    return url


@contextmanager
def _copy(of: str, directory: Path) -> Iterator[str]:
    """The URL of a copy of that database, or of an empty one."""
    name = f"gatehouse_{secrets.token_hex(6)}"
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        file = directory / f"{name}.sqlite3"
        if of:
            with closing(sqlite3.connect(urlsplit(of).path)) as source, closing(sqlite3.connect(file)) as copy:
                source.backup(copy)
        yield f"sqlite:///{file}"
        return
    parts = urlsplit(url)
    with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {urlsplit(of).path[1:] or 'template1'}")  # type: ignore[arg-type]  # the names are ours
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]
