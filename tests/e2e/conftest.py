"""A real browser (Debian's Chromium) at a real Gatehouse: a process of its own with its own database.

These tests start programs, so they run only when asked for: `make e2e`, and in CI. Nothing in them is skipped.
"""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from demo.gatehouse import Gatehouse
from tests.support import databases

HERE = Path(__file__).resolve().parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 860}
SECRET = "nightly-report-secret-0123456789-0123456789"
REDIRECT = "http://127.0.0.1/callback"
NOTES = "http://127.0.0.1:9200/mcp"
# RFC 7636, appendix B.
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path.name.startswith("test_") and config.option.markexpr != "e2e":
        return True
    # All pages are looked at by test_accessibility.py; pictures of some are taken when they are wanted.
    if collection_path.name == "test_pictures.py" and "PICTURES" not in os.environ:
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("e2e")


CONFIGURATION = f"""
users:
  - {{username: alice, password: alice-password, email: alice@example.com, groups: [engineering], role: administrator}}
  - {{username: bob, password: bob-password, email: bob@example.com, groups: [engineering], role: approver}}
  - {{username: charlie, password: charlie-password, email: charlie@example.com, groups: [visitors]}}
  - {{username: dana, password: dana-password, email: dana@example.com, role: auditor}}
  - {{username: erin, password: erin-password, email: erin@example.com, groups: [engineering], role: developer}}
resources:
  - identifier: {NOTES}
    name: Notes
    default: true
    scopes:
      - {{name: "mcp:read", description: Read notes}}
      - {{name: "mcp:share", description: Share notes with people outside of the organisation, sensitivity: medium}}
      - {{name: "mcp:write", description: Change and delete notes, sensitivity: high}}
  - identifier: https://ledger.example.com/mcp
    name: Ledger
    access_token_signing_alg: ES256
    access_token_lifetime: 300
    scopes:
      - {{name: "ledger:read", description: See bookings, sensitivity: medium}}
      - {{name: "ledger:book", description: Book money, sensitivity: high}}
clients:
  - client_id: nightly-report
    client_name: Nightly report
    status: approved
    owner: alice
    environment: production
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_basic
    client_secret: {SECRET}
  - client_id: desktop-app
    client_name: Desktop app
    status: approved
    grant_types: [authorization_code, refresh_token]
    token_endpoint_auth_method: none
    redirect_uris: ["{REDIRECT}"]
  - client_id: support-assistant
    client_name: Support assistant
    status: pending
    owner: erin
    grant_types: [authorization_code, refresh_token]
    token_endpoint_auth_method: none
    redirect_uris: ["https://support.example.com/callback"]
  - client_id: release-bot
    client_name: Release bot
    status: suspended
    owner: alice
    environment: staging
    grant_types: [client_credentials]
    token_endpoint_auth_method: client_secret_basic
    client_secret: {SECRET}
rules:
  - name: Engineers use agents on Notes
    effect: allow
    clients: ["*"]
    groups: [engineering]
    grant_types: ["*"]
    resources: ["{NOTES}"]
    scopes: ["mcp:read", "mcp:share", "mcp:write"]
  - name: The nightly report reads
    effect: allow
    clients: [nightly-report]
    grant_types: [client_credentials]
    resources: ["*"]
    scopes: ["mcp:read", "ledger:read"]
    max_lifetime: 300
  - name: No agent books money
    effect: deny
    clients: ["*"]
    groups: ["*"]
    grant_types: ["*"]
    resources: [https://ledger.example.com/mcp]
    scopes: ["ledger:book"]
"""


class Callback:
    """A client's loopback redirect URI, on a port that it picked itself; `answers` are the queries that came back."""

    def __init__(self) -> None:
        self.answers: list[dict[str, str]] = []
        answers = self.answers

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers.append(dict(parse_qsl(urlsplit(self.path).query)))
                body = b"<title>Back at the client</title>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/callback"

    def answer(self) -> dict[str, str]:
        """What the client was told: once, and not an icon that the browser asked for."""
        told = [answer for answer in self.answers if answer]
        assert len(told) == 1, told
        return told[0]


@dataclass(slots=True)
class Someone:
    """A person at a browser. `complaints` are what the browser's console said: a blocked script would be one."""

    origin: str
    issuer: str
    callback: "Callback"
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> int:
        response = self.page.goto(self.origin + path)
        assert response is not None
        return response.status

    def sign_in(self, username: str) -> None:
        self.open("/accounts/login/?next=/account/")
        self.page.get_by_label("User name or email").fill(username)
        self.page.get_by_label("Password").fill(f"{username}-password")
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        # Not a pattern: the sign-in page that leads there ends in the same way.
        self.page.wait_for_url(f"{self.origin}/account/")

    def authorize_path(self, **changes: str) -> str:
        path = self.issuer.removeprefix(self.origin)
        params = {
            "response_type": "code",
            "client_id": "desktop-app",
            "redirect_uri": self.callback.uri,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "scope": "mcp:read mcp:share mcp:write",
            "state": "xyz",
            "resource": NOTES,
            **changes,
        }
        return f"{path}/authorize?{urlencode(params)}"

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return width


Arrive = Callable[..., Someone]


@contextmanager
def serving(directory: Path) -> Iterator[Gatehouse]:
    """A server with the cast and the rules of these tests, and some traffic behind it."""
    databases.prepare(directory / "gatehouse.sqlite3")
    server = Gatehouse(directory, settings={"WORKERS": "1"})
    with server:
        server.apply(CONFIGURATION)
        _some_traffic(server.issuer)
        yield server


@pytest.fixture(scope="session")
def gatehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    """The server that all tests share, in any order: each test leaves it as the others need it.

    A module whose tests cannot do that overrides this fixture with a server of its own.
    """
    with serving(tmp_path_factory.mktemp("e2e")) as server:
        yield server


def _some_traffic(issuer: str) -> None:
    """What the home page and the audit show."""
    with requests.Session() as session:
        session.trust_env = False
        for resource, secret in (
            [(NOTES, SECRET)] * 9 + [("https://ledger.example.com/mcp", SECRET)] * 5 + [(NOTES, "x")] * 3
        ):
            session.post(
                f"{issuer}/token",
                data={"grant_type": "client_credentials", "resource": resource},
                auth=("nightly-report", secret),
                timeout=20,
            )
        session.post(
            f"{issuer}/token", data={"grant_type": "client_credentials"}, auth=("release-bot", SECRET), timeout=20
        )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def callback() -> Iterator[Callback]:
    found = Callback()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def arrive(gatehouse: Gatehouse, chromium: Browser, callback: Callback) -> Iterator[Arrive]:
    """A person opens a browser: `arrive(viewport=…, dark=…)`. Errors in its console fail the test."""
    everybody: list[Someone] = []

    def open_browser(
        *, viewport: dict[str, int] | None = None, dark: bool = False, javascript: bool = True, **options: Any
    ) -> Someone:
        context = chromium.new_context(
            viewport=viewport or DESK,  # type: ignore[arg-type]  # it is a width and a height
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            **options,
        )
        context.set_default_timeout(45_000)  # CI machines are busy
        someone = Someone(gatehouse.origin, gatehouse.issuer, callback, context, context.new_page())

        def complained(message: ConsoleMessage) -> None:
            # A page that answers 4xx is a page, and the browser notes it as an error of loading.
            if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
                someone.complaints.append(message.text)

        context.on("console", complained)
        everybody.append(someone)
        return someone

    yield open_browser
    for someone in everybody:
        someone.context.close()
        assert someone.complaints == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, from the lock file."""
    source = HERE / "node_modules/axe-core/axe.min.js"
    if not source.exists():
        subprocess.run(["npm", "ci", "--silent"], cwd=HERE, check=True, timeout=300)
    return source.read_text()
