"""This server's own MCP server with the scenarios that MCP's conformance suite has for servers."""

import re
import sqlite3
import subprocess
import threading
from pathlib import Path
from uuid import UUID

import pytest

from demo.processes import environment
from tests.interop.bearer_proxy import BearerProxy, Tools
from tests.interop.conftest import HERE
from tests.interop.house import APPROVED, WHY, House, Olga

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
    assert "Passed: 24/28, 4 failed" in transcript, transcript
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
                try:
                    self.olga.decide(f"/account/requests/{UUID(request)}", **APPROVED)
                except AssertionError:
                    # The suite has cancelled it in this moment.
                    if (request,) in self._sql(WAITING):
                        raise
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
