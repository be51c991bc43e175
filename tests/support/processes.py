"""Real Gatehouse servers for tests: several processes, on a database of their own (tests/support/databases.py)."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import requests

from demo.browser import Person
from demo.processes import Server, free_port
from tests.support import commands, databases
from tests.support.world import CHALLENGE, NOTES, REDIRECT, VERIFIER

# On Linux the server ends with the test run even if that is killed (PR_SET_PDEATHSIG).
_SERVE = """
import ctypes, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
from authz.serving.__main__ import main
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
        return databases.recorded(self.database_url, event)

    def manage(self, *arguments: str) -> str:
        """`manage.py …` beside the running server: another process on the same database."""
        return commands.python(["manage.py", *arguments], self.server.env)


@contextmanager
def running(
    database_url: str, directory: Path, *, path: str = "/o", workers: int = 2, **settings: str
) -> Iterator[RunningGatehouse]:
    """A server on that database, with the issuer http://127.0.0.1:PORT + `path`. It is stopped afterwards, always.

    Another node of the same server is told its issuer: GATEHOUSE_ISSUER=….
    """
    port = int(settings.get("PORT") or free_port())
    issuer = f"http://127.0.0.1:{port}{path}"
    env = commands.environment(
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
