"""A Gatehouse with its own MCP server on, agents that ask there, and Olga, who decides."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.gatehouse import Gatehouse
from demo.processes import ROOT, Server, environment, free_port
from tests.interop.configuration import REDIRECT_URI
from tests.support import databases

HERE = Path(__file__).resolve().parent
PASSWORD = "a-long-passphrase-for-interop"
SECRET = f"{PASSWORD}-{PASSWORD}"
WHY = "The month has to be closed"


def configuration(issuer: str, server: str) -> str:
    mcp = f"{issuer}/mcp"
    robots = [
        "robot",
        "robot-denied",
        "robot-cancels",
        "robot-lapses",
        "robot-elicits",
        "robot-typescript",
        "robot-listens",
        "robot-earlier",
        "robot-suite",
    ]
    return json.dumps(
        {
            "users": [
                {"username": "bob", "password": PASSWORD, "email": "bob@example.com"},
                {"username": "olga", "password": PASSWORD, "email": "olga@example.com", "groups": ["keepers"]},
            ],
            "resources": [
                {
                    "identifier": mcp,
                    "name": "Gatehouse",
                    "scopes": [{"name": name} for name in ("access:read", "access:request", "audit:read")],
                },
                {
                    "identifier": server,
                    "name": "Notes",
                    "scopes": [{"name": "mcp:read"}, {"name": "mcp:write", "sensitivity": "high"}],
                },
            ],
            "clients": [
                {
                    "client_id": name,
                    "client_name": f"Agent {name}",
                    "status": "approved",
                    "grant_types": ["client_credentials"],
                    "token_endpoint_auth_method": "client_secret_basic",
                    "client_secret": SECRET,
                }
                for name in robots
            ]
            + [
                {
                    "client_id": "desk",
                    "client_name": "Desk",
                    "status": "approved",
                    "grant_types": ["authorization_code", "refresh_token"],
                    "token_endpoint_auth_method": "none",
                    "redirect_uris": [REDIRECT_URI],
                }
            ],
            "rules": [
                {
                    "name": "People ask through the desk",
                    "effect": "allow",
                    "clients": ["desk"],
                    "groups": ["*"],
                    "grant_types": ["authorization_code"],
                    "resources": [mcp],
                    "scopes": ["access:read", "access:request"],
                },
                {
                    "name": "Robots read, and ask",
                    "effect": "allow",
                    "clients": robots,
                    "grant_types": ["client_credentials"],
                    "resources": [mcp, server],
                    "scopes": ["mcp:read", "access:read", "access:request"],
                },
                {
                    "name": "A keeper is asked before robots write",
                    "effect": "require_approval",
                    "clients": robots,
                    "resources": [server],
                    "grant_types": ["client_credentials"],
                    "scopes": ["mcp:write"],
                    "approvers": {"groups": ["keepers"]},
                },
            ],
        }
    )


@dataclass(slots=True)
class House:
    """One Gatehouse with its MCP server on, and a fastmcp server that wants `mcp:write`."""

    gatehouse: Gatehouse
    server: str
    directory: Path

    def ask(self, client_id: str, **more: Any) -> dict[str, Any]:
        return {
            "issuer": self.gatehouse.issuer,
            "server": self.server,
            "client_id": client_id,
            "client_secret": SECRET,
            "reason": WHY,
            **more,
        }

    def token(self, client_id: str, resource: str = "") -> str:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{self.gatehouse.issuer}/token",
                data={"grant_type": "client_credentials", "resource": resource or f"{self.gatehouse.issuer}/mcp"},
                auth=(client_id, SECRET),
                timeout=30,
            )
            token: str = answer.json()["access_token"]
            return token


@contextmanager
def opened(directory: Path, mcp2: Path) -> Iterator[House]:
    """It is there for as long as the block. `mcp2`: the Python that has the SDK."""
    databases.prepare(directory / "gatehouse.sqlite3")
    port = free_port()
    settings = {"GATEHOUSE_MCP": "1", "GATEHOUSE_RATE_LIMITS": "mcp:asker=none,mcp_ask:asker=none"}  # the suite floods
    with Gatehouse(directory, settings=settings) as gatehouse:
        server = f"http://127.0.0.1:{port}/mcp"
        gatehouse.apply(configuration(gatehouse.issuer, server))
        with Server(
            name="writing",
            command=[str(mcp2), str(HERE / "python_mcp2/writing_server.py"), str(port), gatehouse.metadata_url],
            ready=server,
            log=directory / "writing.log",
            env=environment(),
        ):
            yield House(gatehouse, server, directory)


@dataclass(slots=True)
class Running:
    """A client script. Each line that it prints is a step."""

    process: "subprocess.Popen[str]"
    steps: list[dict[str, Any]] = field(default_factory=list)

    def until(self, name: str, **values: Any) -> dict[str, Any]:
        """The next step that has this member, and these values."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            step: dict[str, Any] = json.loads(line)
            self.steps.append(step)
            if name in step and values.items() <= step.items():
                return step
        assert self.process.stderr is not None
        pytest.fail(f"it ended without {name}: {self.steps}\n{self.process.stderr.read()[-3000:]}")


@contextmanager
def running(program: Path, script: str, ask: dict[str, Any]) -> Iterator[Running]:
    command = [str(program), str(HERE / script), json.dumps(ask)]
    with subprocess.Popen(
        command,
        cwd=HERE / "javascript" if script.endswith(".mjs") else ROOT,
        env=environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


class Olga:
    """An approver at a browser without JavaScript, on the pages of everyone: no role in the console."""

    def __init__(self, house: House) -> None:
        self.origin = house.gatehouse.origin
        self.session = requests.Session()
        self.session.trust_env = False
        self._press("/accounts/login/", login="olga", password=PASSWORD)

    def decide(self, message: str, **form: str) -> None:
        """On the page that the task's message leads to."""
        found = re.search(r"/account/requests/([0-9a-f-]{36})", message)
        assert found, message
        answer = self._press(f"/account/requests/{found[1]}/decide", **form)
        assert answer.status_code == 302, answer.text

    def _press(self, path: str, **form: str) -> requests.Response:
        page = self.session.get(self.origin + path, timeout=30)
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
        headers = {"Referer": page.url, "Origin": self.origin}
        return self.session.post(
            self.origin + path, data=dict(hidden) | form, headers=headers, allow_redirects=False, timeout=30
        )


APPROVED = {"decision": "approve", "scopes": "mcp:write", "lasts": "1h", "comment": ""}
