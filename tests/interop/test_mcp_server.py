"""This server's own MCP server with the official clients: an agent is refused somewhere, asks here, a human approves in
the browser, and the same agent goes on. No one types a URL.
"""

import json
import re
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests

from demo.gatehouse import Gatehouse
from demo.processes import ROOT, Server, environment, free_port
from tests.interop.bearer_proxy import BearerProxy, Tools
from tests.interop.configuration import REDIRECT_URI
from tests.interop.conftest import HERE, run
from tests.support import databases

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


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, mcp2: Path) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("house")
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


def test_refused_asks_waits_and_goes_on(house: House, mcp2: Path) -> None:
    with running(mcp2, "python_mcp2/asking_agent.py", house.ask("robot", goes_on=True)) as agent:
        refused = agent.until("refused")
        explained = agent.until("explained")["explained"]["servers"][0]
        assert explained["needs_approval"] == ["mcp:write"]
        assert explained["who_decides"] == "members of keepers"
        task = agent.until("task", status="working")
        Olga(house).decide(task["message"], **APPROVED)
        asked = agent.until("asked")
        assert agent.until("tool")["tool"] == {"written": True}
    assert 'error="insufficient_scope"' in refused["refused"]
    assert (asked["asked"]["outcome"], asked["asked"]["granted"]) == ("granted", ["mcp:write"])
    assert asked["is_error"] is False


def test_a_denial_reaches_the_agent(house: House, mcp2: Path) -> None:
    with running(mcp2, "python_mcp2/asking_agent.py", house.ask("robot-denied")) as agent:
        task = agent.until("task", status="working")
        Olga(house).decide(task["message"], decision="deny", comment="Not before Friday", lasts="1h")
        asked = agent.until("asked")
    assert asked["is_error"] is True
    assert "Not before Friday" in asked["text"]


def test_the_agent_cancels(house: House, mcp2: Path) -> None:
    with running(mcp2, "python_mcp2/asking_agent.py", house.ask("robot-cancels", cancels=True)) as agent:
        agent.until("task", status="working")
        agent.until("task", status="cancelled")


def test_what_no_one_answers_fails(house: House, mcp2: Path) -> None:
    with running(mcp2, "python_mcp2/asking_agent.py", house.ask("robot-lapses")) as agent:
        task = agent.until("task", status="working")
        with sqlite3.connect(house.directory / "gatehouse.sqlite3", timeout=20) as database:
            moved = database.execute(
                "UPDATE authz_mcptask SET expires = '2026-01-01 00:00:00' WHERE id = ?",
                [task["task"].replace("-", "")],
            )
            assert moved.rowcount == 1
        database.close()
        assert agent.until("task", status="failed")["task"] == task["task"]


def test_a_missing_reason_is_asked_for_and_a_restart_loses_nothing(house: House, mcp2: Path) -> None:
    with running(mcp2, "python_mcp2/asking_agent.py", house.ask("robot-elicits", elicits=True)) as agent:
        first = agent.until("task", status="input_required")
        agent.until("task", status="working")
    # The agent is gone, and the server starts anew.
    house.gatehouse.__exit__()
    house.gatehouse.__enter__()
    again = house.ask("robot-elicits", task=first["task"], goes_on=True)
    with running(mcp2, "python_mcp2/asking_agent.py", again) as agent:
        task = agent.until("task", status="working")
        olga = Olga(house)
        page = olga.session.get(re.sub(r".*Its page: ", "", task["message"]), timeout=30)
        assert WHY in page.text, "the reason that was elicited is on the page"
        olga.decide(task["message"], **APPROVED)
        assert agent.until("tool")["tool"] == {"written": True}


def test_the_typescript_client_follows_a_task(house: House, node: Path) -> None:
    with running(node, "javascript/asking_agent.mjs", house.ask("robot-typescript")) as agent:
        found = agent.until("tools")
        assert found["era"] == "modern"
        assert "request_access" in found["tools"]
        assert agent.until("explained")["explained"]["servers"][0]["outcome"] == "needs_approval"
        task = agent.until("task", status="working")
        Olga(house).decide(task["message"], **APPROVED)
        asked = agent.until("asked")["asked"]
    assert (asked["outcome"], asked["granted"]) == ("granted", ["mcp:write"])


def test_a_client_of_an_earlier_revision_asks_how_it_stands(house: House, mcp1: Path) -> None:
    with running(mcp1, "python_mcp1/asking_agent.py", house.ask("robot-earlier")) as agent:
        assert agent.until("version")["version"] == "2025-11-25"
        asked = agent.until("asked")
        assert asked["asked"]["outcome"] == "waiting"
        Olga(house).decide(asked["message"], **APPROVED)
        decided = agent.until("decided")["decided"]
    assert (decided["outcome"], decided["granted"]) == ("granted", ["mcp:write"])


def test_a_person_is_asked_why_and_shown_the_page(house: House, mcp2: Path) -> None:
    """Without tasks: multi round-trip requests. No rule lets the desk write, so the server's owners are asked."""
    ask = house.ask("desk", username="bob", password=PASSWORD, redirect_uri=REDIRECT_URI)
    answer = run(mcp2, "python_mcp2/asking_person.py", ask)
    form, page = answer["elicited"]
    assert form["mode"] == "form"
    assert page["mode"] == "url"
    assert page["url"] == answer["asked"]["address"]
    assert answer["asked"]["outcome"] == "waiting"
    assert answer["asked"]["who_decides"] == "the server’s owner or an administrator"
    with sqlite3.connect(house.directory / "gatehouse.sqlite3", timeout=20) as database:
        (found,) = database.execute("SELECT reason FROM authz_accessrequest WHERE needs_rule").fetchall()
    database.close()
    assert found == (WHY,)


# Scenarios of the suite's server mode that need no tools of their own, by the revision they are run at.
WITHOUT_FIXTURES = {
    ("server-initialize", "2025-11-25"): 2,
    ("ping", "2025-11-25"): 2,
    ("tools-list", "2025-11-25"): 3,
    ("tools-list", "2026-07-28"): 4,
    ("dns-rebinding-protection", "2025-11-25"): 2,
    ("dns-rebinding-protection", "2026-07-28"): 2,
    ("http-header-validation", "2026-07-28"): 14,
    ("input-required-result-unsupported-methods", "2026-07-28"): 2,
}


def suite(node: Path, house: House, scenario: str, *options: str, tools: Tools | None = None) -> str:
    """The transcript of a scenario of the conformance suite, which brings no token of its own."""
    token = house.token("robot-suite")
    with BearerProxy(f"127.0.0.1:{house.gatehouse.port}", token, tools) as proxy:
        url = f"{proxy.origin}/o/mcp"
        command = [str(node), str(HERE / "node_modules/.bin/conformance"), "server", "--url", url]
        done = subprocess.run(
            [*command, "--scenario", scenario, *options],
            cwd=house.directory,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


@pytest.mark.parametrize(("scenario", "version", "checks"), [(*key, count) for key, count in WITHOUT_FIXTURES.items()])
def test_the_suite_passes(house: House, node: Path, scenario: str, version: str, checks: int) -> None:
    transcript = suite(node, house, scenario, "--spec-version", version)
    assert f"Passed: {checks}/{checks}, 0 failed, 0 warnings" in transcript, transcript


def test_of_the_stateless_scenario_nothing_fails_but_what_needs_its_own_tools(house: House, node: Path) -> None:
    transcript = suite(node, house, "server-stateless", "--spec-version", "2026-07-28")
    errors = re.findall(r"^ +Error: (.*)$", transcript, re.MULTILINE)
    assert "Passed: 21/25, 4 failed" in transcript, transcript
    assert all(error.startswith("Not testable: server does not list the diagnostic tool") for error in errors)


# What the suite asked for, and said why.
WAITING = """
  SELECT r.id FROM authz_accessrequest r JOIN authz_client c ON c.id = r.client_id
  WHERE r.status = 'open' AND r.reason != '' AND c.client_id = 'robot-suite'
"""


class QuickApprover(threading.Thread):
    """Olga, who approves within a second. Her approvals end at once, so that the same can be asked again."""

    def __init__(self, house: House) -> None:
        super().__init__(daemon=True)
        self.olga, self.file, self.over = Olga(house), house.directory / "gatehouse.sqlite3", threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.5):
            for (request,) in self._sql(WAITING):
                self.olga.decide(f"/account/requests/{UUID(request)}", **APPROVED)
                self._sql("UPDATE authz_accessrequest SET expires = '2026-01-01 00:00:00' WHERE id = ?", request)

    def _sql(self, statement: str, *values: str) -> list[tuple[str]]:
        with sqlite3.connect(self.file, timeout=20) as database:
            found: list[tuple[str]] = database.execute(statement, values).fetchall()
        database.close()
        return found


DECIDED = {"tasks-wire-fields", "tasks-dispatch-and-envelope"}
# Scenarios of tasks, with our slow tool as the suite's: (checks that pass, all checks, what the others say).
OF_TASKS = {
    "tasks-capability-negotiation": (5, 5, ()),
    "tasks-request-state-removal": (3, 3, ()),
    "tasks-wire-fields": (4, 4, ()),
    "tasks-dispatch-and-envelope": (9, 9, ()),
    # It wants another text of its quick tool.
    "tasks-request-headers": (4, 5, ("tool result content MUST be unaffected by the Mcp-Method header",)),
}


@pytest.mark.parametrize(("scenario", "expected"), OF_TASKS.items(), ids=OF_TASKS.keys())
def test_the_suites_tasks(house: House, node: Path, scenario: str, expected: tuple[int, int, tuple[str, ...]]) -> None:
    asks = ("request_access", {"server": house.server, "scopes": ["mcp:write"], "reason": WHY})
    # Without a reason, it is asked for it.
    parks = ("request_access", {"server": house.server, "scopes": ["mcp:write"]})
    tools = {"slow_compute": asks, "failing_job": asks, "confirm_delete": parks, "greet": ("my_access", {})}
    approver = QuickApprover(house)
    if scenario in DECIDED:
        approver.start()
    try:
        transcript = suite(node, house, scenario, tools=tools)
    finally:
        approver.over.set()
    passed, count, errors = expected
    assert f"Passed: {passed}/{count}, {count - passed} failed, 0 warnings" in transcript, transcript
    assert tuple(re.findall(r"^ +Error: (.*)$", transcript, re.MULTILINE)) == errors
