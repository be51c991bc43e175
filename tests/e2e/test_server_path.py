"""Add MCP server → Protect it → Allow it → Connect an agent, from an empty server, each page leading to the next.

Clicks are counted: docs/console.md has their number.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from authz.command_line.execution import LOOPBACK_SERVERS
from authz.console.widgets.snippets import INITIALIZE
from authz.protocol.resources import metadata_address
from demo import environments
from demo.gatehouse import Gatehouse
from demo.processes import Server, environment, free_port
from tests.e2e.conftest import PHONE, Arrive
from tests.support import databases

PEOPLE = """
users:
  - {username: alice, password: alice-password, email: alice@example.com, role: administrator}
  - {username: bob, email: bob@example.com}
"""
CLICKS, SECONDS = 11, 300


@pytest.fixture
def gatehouse(tmp_path: Path) -> Iterator[Gatehouse]:
    """An empty one, which may ask MCP servers on this machine as `make run` does."""
    databases.prepare(tmp_path / "gatehouse.sqlite3")
    settings = {"WORKERS": "1", "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": LOOPBACK_SERVERS}
    with Gatehouse(tmp_path, settings=settings) as server:
        server.apply(PEOPLE)
        yield server


@contextmanager
def running(code: str, identifier: str, directory: Path) -> Iterator[None]:
    """An MCP server of this program, as a person starts it who has copied it."""
    (directory / "server.py").write_text(code)
    command = [str(environments.python("mcp2")), "server.py"]
    log, ready = directory / "server.log", metadata_address(identifier)
    with Server(name="copied", command=command, ready=ready, log=log, env=environment(), cwd=directory):
        yield


class Hand:
    """Presses links and buttons by their words, and counts."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def press(self, name: str, role: str = "link") -> None:
        self.page.get_by_role(role, name=name, exact=role == "button").first.click()  # type: ignore[arg-type]
        self.clicks += 1


def first_token(curl: str) -> str:
    done = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=60, env=environment(), check=True)
    return str(json.loads(done.stdout)["access_token"])


def call(identifier: str, token: str = "") -> int:
    headers = {"Accept": "application/json, text/event-stream"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    with requests.Session() as session:
        session.trust_env = False
        return session.post(identifier, json=INITIALIZE, headers=headers, timeout=20).status_code


def test_from_an_empty_server_to_a_protected_one_with_an_agent(arrive: Arrive, tmp_path: Path) -> None:
    someone = arrive()
    page, identifier = someone.page, f"http://127.0.0.1:{free_port()}/mcp"
    environments.python("mcp2")
    someone.sign_in("alice")
    someone.open("/console/")
    hand, begun = Hand(page), time.monotonic()

    # Add it
    hand.press("Add one")
    page.get_by_label("Name", exact=False).first.fill("Tasks")
    page.get_by_label("Identifier").fill(identifier)
    page.locator("#id_scopes-0-name").fill("tasks:read")
    page.locator("#id_scopes-0-description").fill("Read tasks")
    hand.press("Save", "button")
    expect(page.get_by_text("Whether it is protected was not checked yet.")).to_be_visible()

    # Protect it
    hand.press("Protect it")
    code = page.get_by_label("Python: fastmcp", exact=True).inner_text()
    with running(code, identifier, tmp_path):
        hand.press("Check it now", "button")
        expect(page.locator(".note.good", has_text="Without a token it answers 401")).to_be_visible()
        expect(page.locator(".note.good", has_text="With a token for another server it answers 401.")).to_be_visible()
        # fastmcp asks for a scope with 401.
        expect(page.locator(".note.unknown", has_text="as for lack of a scope")).to_be_visible()
        expect(page.locator(".note.error")).to_have_count(0)

        # Allow it
        hand.press("Allow it")
        expect(page.get_by_label("Name", exact=True)).to_have_value("Agents use Tasks")
        page.locator("#id_clients").fill("*")
        page.get_by_label("For itself (machine to machine)").check()
        hand.press("Save", "button")

        # Connect an agent
        hand.press("Connect an agent")
        page.get_by_role("link", name="A script or scheduled job").click()
        hand.clicks += 1
        page.get_by_label("Name").fill("Task bot")
        page.get_by_label("Owner").fill("bob")
        expect(page.get_by_label("MCP server")).to_have_value(identifier)
        hand.press("Add agent", "button")
        curl = page.get_by_label("First token").inner_text()
        with page.context.new_page() as second:
            second.goto(page.get_by_role("link", name="Approve it").evaluate("element => element.href"))
            second.get_by_role("button", name="Approve", exact=True).click()
            expect(second.get_by_role("status").first).to_contain_text("is approved")
            hand.clicks += 2

        token = first_token(curl)
        assert (call(identifier, token), call(identifier)) == (200, 401)
        print(f"{hand.clicks} clicks, {time.monotonic() - begun:.0f} seconds")
        assert hand.clicks == CLICKS
        assert time.monotonic() - begun < SECONDS

    # All is done: the page begins with the server, and has its token.
    someone.open("/console/authz/protectedresource/")
    page.get_by_role("link", name="Tasks").first.click()
    expect(page.get_by_role("heading", name="Agents and people that reach it")).to_be_visible()
    expect(page.get_by_role("heading", name="What is next")).to_have_count(0)
    expect(page.get_by_text("Protected", exact=True)).to_be_visible()
    assert someone.overflow() == 0


def test_a_server_that_answers_anybody_is_said_in_red_on_a_phone(arrive: Arrive, tmp_path: Path) -> None:
    someone = arrive(viewport=PHONE, has_touch=True)
    page, identifier = someone.page, f"http://127.0.0.1:{free_port()}/mcp"
    someone.sign_in("alice")
    someone.open("/console/authz/protectedresource/add/")
    page.get_by_label("Name", exact=False).first.fill("Open")
    page.get_by_label("Identifier").fill(identifier)
    page.get_by_role("button", name="Save", exact=True).tap()
    expect(page.get_by_text("It has no scope yet")).to_be_visible()
    assert someone.overflow() == 0
    page.get_by_role("link", name="Protect it", exact=True).tap()
    code = page.get_by_label("Python: fastmcp", exact=True).inner_text().replace(", auth=auth)", ")")
    (tmp_path / "server.py").write_text(code)
    command, log = [str(environments.python("mcp2")), "server.py"], tmp_path / "server.log"
    with Server(name="open", command=command, ready=identifier, log=log, env=environment(), cwd=tmp_path):
        page.get_by_role("button", name="Check it now").tap()
        expect(page.locator(".note.error", has_text="It answers anybody: it isn't protected.")).to_be_visible()
    assert someone.overflow() == 0
