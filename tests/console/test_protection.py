"""“Is it protected?” asks the MCP server: without a token, and with a token of another server."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.urls import reverse

from authz.console import protection
from authz.models import AuditEvent, ProtectedResource
from authz.protocol.resources import metadata_address
from tests.console.conftest import Page
from tests.outbound.support import allowing
from tests.support.world import NOTES, hidden_fields


class McpServer(ThreadingHTTPServer):
    """Answers `without` to requests without a token, `anothers` to those with one; `challenge` goes with a 401.

    `document` is its metadata; without it there is none.
    """

    without, anothers, challenge = 401, 401, ""
    document: dict[str, Any] | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.identifier = f"http://127.0.0.1:{self.server_address[1]}/mcp"
        self.tokens: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: McpServer

    def do_POST(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token:
            self.server.tokens.append(token)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.anothers if token else self.server.without)
        if self.server.challenge:
            self.send_header("WWW-Authenticate", self.server.challenge)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        if self.server.document is None:
            self.send_error(404)
            return
        body = json.dumps(self.server.document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server(gatehouse: object) -> Iterator[McpServer]:
    found = McpServer()
    threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
    ProtectedResource.objects.filter(identifier=NOTES).update(identifier=found.identifier)
    with allowing(("127.0.0.1", found.server_address[1])):
        yield found
    found.shutdown()
    found.server_close()


def page_of(server: McpServer) -> str:
    row = ProtectedResource.objects.get(identifier=server.identifier)
    return reverse("admin:authz_protectedresource_protect", args=[row.pk])


def said(signed_in: Page, server: McpServer) -> dict[str, str]:
    """What the page says: sentence → level."""
    browser = signed_in("administrator")
    response = browser.post(page_of(server), hidden_fields(browser.get(page_of(server))))
    return {finding.sentence: finding.level for finding in response.context["findings"]}


@pytest.mark.parametrize(("answers", "level", "told"), [
    ((401, 401), "warning", "WWW-Authenticate has no resource_metadata"),
    ((401, 401), "good", "With a token for another server it answers 401."),
    ((200, 401), "error", "without a token, it answers 200. It answers anybody: it isn't protected."),
    ((202, 401), "error", "without a token, it answers 202. It answers anybody"),
    ((403, 401), "error", "without a token, it answers 403. It must be 401."),
    ((302, 401), "error", "without a token, it answers 302. It must be 401."),
    ((500, 401), "error", "without a token, it answers 500. It must be 401."),
    ((401, 200), "error", "it answers 200. It takes tokens of other servers"),
    ((401, 403), "error", "with a token for another server, it answers 403. It must be 401."),
])  # fmt: skip
def test_each_answer_is_judged(
    signed_in: Page, server: McpServer, answers: tuple[int, int], level: str, told: str
) -> None:
    server.without, server.anothers = answers

    found = said(signed_in, server)

    assert [found[sentence] for sentence in found if told in sentence] == [level], found


def test_a_challenge_that_names_the_metadata_is_good(signed_in: Page, server: McpServer) -> None:
    server.challenge = f'Bearer resource_metadata="{metadata_address(server.identifier)}"'

    assert said(signed_in, server)["Without a token it answers 401, and says where its metadata is."] == "good"


def test_a_server_that_does_not_answer_is_said(signed_in: Page, server: McpServer) -> None:
    server.shutdown()
    server.server_close()

    assert said(signed_in, server)["Asked without a token: The host did not accept a connection."] == "error"


def test_the_token_is_for_no_server_lives_a_minute_and_is_recorded(signed_in: Page, server: McpServer) -> None:
    said(signed_in, server)

    [token] = server.tokens
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == protection.OTHER_AUDIENCE
    assert claims["exp"] - claims["iat"] == 60
    event = AuditEvent.objects.get(event="console:protection:checked")
    assert (event.resource, event.detail["jti"], event.detail["by"]) == (server.identifier, claims["jti"], "alice")


@pytest.mark.parametrize("role", ["approver", "auditor", "developer"])
def test_who_may_not_change_the_server_cannot_have_it_asked(signed_in: Page, server: McpServer, role: str) -> None:
    signed_in(role).post(page_of(server))

    assert server.tokens == []
    assert not AuditEvent.objects.filter(event="console:protection:checked").exists()
