"""docs/getting-started.md as a new user follows it: an empty server, and the console alone once there is an
administrator. Each step is what the page says, in its order."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from demo.gatehouse import Gatehouse
from tests.e2e.conftest import Arrive


@pytest.fixture
def mcp_server() -> Iterator[ThreadingHTTPServer]:
    """An MCP server whose metadata (RFC 9728) is `server.document`. It answers every request with `server.status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(getattr(self.server, "document", {})).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(getattr(self.server, "status", 200))
            address = f"http://127.0.0.1:{self.server.server_address[1]}/.well-known/oauth-protected-resource/mcp"
            self.send_header("WWW-Authenticate", f'Bearer resource_metadata="{address}"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def gatehouse(tmp_path: Path, mcp_server: ThreadingHTTPServer) -> Iterator[Gatehouse]:
    """An empty one: `make serve`, and nothing else."""
    allowed = f"127.0.0.1:{mcp_server.server_address[1]}"
    with Gatehouse(tmp_path, settings={"WORKERS": "1", "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": allowed}) as server:
        yield server


def menu(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Console", exact=True).get_by_role("link", name=re.compile(f"^{name}")).click()


def test_from_an_empty_server_to_a_first_token(
    arrive: Arrive, gatehouse: Gatehouse, mcp_server: ThreadingHTTPServer
) -> None:
    someone = arrive()
    page = someone.page
    identifier = f"http://127.0.0.1:{mcp_server.server_address[1]}/mcp"

    # 1. Start
    someone.open("/accounts/login/")
    expect(page.get_by_text("manage.py createsuperuser")).to_be_visible()
    gatehouse.settings["DJANGO_SUPERUSER_PASSWORD"] = "alice-password"
    gatehouse.manage("createsuperuser", "--noinput", "--username", "alice", "--email", "alice@example.com")
    someone.sign_in("alice")
    expect(page.get_by_text("manage.py createsuperuser")).to_have_count(0)
    page.get_by_role("link", name="Console").click()
    for first in ("No MCP server is registered yet", "There is no rule yet", "You are the only person here"):
        expect(page.locator(".todo .text", has_text=first)).to_be_visible()

    # 2. Add your MCP server
    page.get_by_role("link", name="Add one").click()
    page.get_by_label("Name", exact=False).first.fill("Tasks")
    page.get_by_label("Identifier").fill(identifier)
    page.locator("#id_scopes-0-name").fill("tasks:read")
    page.locator("#id_scopes-0-description").fill("Read tasks")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Tasks").first.click()
    page.get_by_role("link", name="Protect your server").click()
    mcp_server.document = {"resource": identifier}  # type: ignore[attr-defined]
    page.get_by_role("button", name="Check it now").click()
    expect(page.locator(".note.error", has_text="It answers anybody: it isn't protected.")).to_be_visible()
    mcp_server.status = 401  # type: ignore[attr-defined]
    mcp_server.document = {  # type: ignore[attr-defined]
        "resource": identifier,
        "authorization_servers": [gatehouse.issuer],
        "scopes_supported": ["tasks:read"],
        "bearer_methods_supported": ["header"],
    }
    page.get_by_role("button", name="Check it now").click()
    expect(page.locator(".note.good").first).to_be_visible()
    expect(page.locator(".note.error")).to_have_count(0)

    # 3. Say who answers for it
    menu(page, "Home")
    page.get_by_role("link", name="Add a person").click()
    page.get_by_label("Username").fill("bob")
    page.get_by_role("button", name="Save", exact=True).click()

    # 4. Add an agent
    menu(page, "Agents")
    page.get_by_role("link", name="Add agent").click()
    page.get_by_role("link", name="A script or scheduled job").click()
    page.get_by_label("Name").fill("Task bot")
    page.get_by_label("Owner").fill("bob")
    page.get_by_label("MCP server").select_option(label="Tasks")
    page.get_by_role("button", name="Add agent").click()
    client_id, secret = page.locator(".secret code").all_inner_texts()[:2]
    rule_form = page.get_by_role("link", name="Write the rule").evaluate("element => element.href")
    page.goto(page.get_by_role("link", name="Approve it").evaluate("element => element.href"))
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status").filter(has_text="is approved")).to_be_visible()

    # 5. Allow it
    page.goto(rule_form)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Task bot uses Tasks")

    # 6. Get a token
    response = requests.post(
        f"{gatehouse.issuer}/token",
        data={"grant_type": "client_credentials", "resource": identifier},
        auth=(client_id, secret),
        timeout=20,
    )
    assert response.status_code == 200, response.text
    assert response.json()["scope"] == "tasks:read"
    menu(page, "Home")
    # The figures of a day are remembered for some seconds, and home was looked at just now.
    page.get_by_role("link", name="7 days").click()
    expect(page.locator(".figure", has_text="token issued").locator("b")).to_have_text("1")
    expect(page.get_by_text("Nothing is waiting for you.")).to_be_visible()
