"""“Is it protected?” asks the MCP server: without a token, with another server's, and with one that opens nothing."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.urls import reverse

from authz.clients.identifiers import client_id_problem
from authz.configuration.api_resource import identifier
from authz.console import protection
from authz.models import AuditEvent, Client, ProtectedResource
from authz.protocol.resources import metadata_address
from tests.console.conftest import Page
from tests.decision_point.conftest import PDP
from tests.outbound.support import allowing
from tests.support.world import NOTES, SERVER_SECRET, World, basic_header, claims, client, hidden_fields, person


class McpServer(ThreadingHTTPServer):
    """Answers `without` to requests without a token, `anothers` to those with one for another server, and `own` to
    those with one for it; `challenge` goes with each answer.

    `document` is its metadata; without it there is none.
    """

    without, anothers, own, challenge = 401, 401, 200, ""
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
        if not token:
            status = self.server.without
        else:
            is_own = claims(token)["aud"] == self.server.identifier
            status = self.server.own if is_own else self.server.anothers
        self.send_response(status)
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
    # Otherwise it would get no token of its own.
    ProtectedResource.objects.get(identifier=found.identifier).introspection_clients.clear()
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


def test_the_tokens_open_nothing_live_for_seconds_and_are_recorded(signed_in: Page, server: McpServer) -> None:
    said(signed_in, server)

    anothers, own = (claims(token) for token in server.tokens)
    assert (anothers["aud"], own["aud"]) == (protection.OTHER_AUDIENCE, server.identifier)
    assert (anothers["exp"] - anothers["iat"], own["exp"] - own["iat"]) == (60, 15)
    for found in (anothers, own):
        assert (found["sub"], found["client_id"]) == ("protection-check", "protection-check")
        assert not found.keys() & {"scope", "authorization", "groups", "act"}
    events = AuditEvent.objects.filter(event="console:protection:checked").order_by("id")
    assert [event.detail["jti"] for event in events] == [anothers["jti"], own["jti"]]
    assert {(event.resource, event.detail["by"]) for event in events} == {(server.identifier, "alice")}


@pytest.mark.parametrize(("answer", "level", "told"), [
    ((200, ""), "good", "it begins a session"),
    ((202, ""), "good", "it begins a session"),
    ((403, 'Bearer error="insufficient_scope"'), "good", "asks for the scopes"),
    ((403, ""), "warning", "answers 403"),
    ((401, ""), "unknown", "Try a token of an agent"),
    ((500, ""), "warning", "answers 500"),
    ((307, ""), "warning", "answers 307"),
])  # fmt: skip
def test_what_the_server_makes_of_its_own_token_is_said(
    signed_in: Page, server: McpServer, answer: tuple[int, str], level: str, told: str
) -> None:
    server.own, server.challenge = answer

    found = said(signed_in, server)

    assert [found[sentence] for sentence in found if told in sentence] == [level], found


def test_a_server_without_scopes_that_refuses_its_own_token_is_told_where_to_look(
    signed_in: Page, server: McpServer
) -> None:
    ProtectedResource.objects.get(identifier=server.identifier).scopes.all().delete()
    server.own = 401

    found = said(signed_in, server)

    assert [level for sentence, level in found.items() if "Look at its issuer, keys" in sentence] == ["warning"]


@pytest.mark.parametrize("answers", [(200, 401), (401, 200), (500, 401), (401, 403)])
def test_a_server_that_takes_anything_gets_no_token_of_its_own(
    signed_in: Page, server: McpServer, answers: tuple[int, int]
) -> None:
    server.without, server.anothers = answers

    said(signed_in, server)

    assert [claims(token)["aud"] for token in server.tokens] == [protection.OTHER_AUDIENCE]


def test_a_redirect_is_not_followed_with_a_token(signed_in: Page, server: McpServer) -> None:
    server.own = 307
    said(signed_in, server)
    assert len(server.tokens) == 2


def test_a_server_that_introspects_or_is_off_gets_no_token_of_its_own(signed_in: Page, server: McpServer) -> None:
    row = ProtectedResource.objects.get(identifier=server.identifier)
    row.introspection_clients.set([client("notes-server")])
    assert "asks about each token here" in signed_in("administrator").get(page_of(server)).content.decode()
    said(signed_in, server)
    row.introspection_clients.clear()
    ProtectedResource.objects.filter(pk=row.pk).update(is_active=False)
    said(signed_in, server)
    assert [claims(token)["aud"] for token in server.tokens] == [protection.OTHER_AUDIENCE] * 2


def test_no_client_can_be_meant_by_a_token_of_a_check(signed_in: Page, server: McpServer) -> None:
    assert client_id_problem("Protection-Check") == "is the identifier of the check of MCP servers"
    Client.objects.create(client_id="protection-check")  # as an earlier version allowed it
    said(signed_in, server)
    assert [claims(token)["aud"] for token in server.tokens] == [protection.OTHER_AUDIENCE]


def test_a_token_of_a_check_is_not_live_here(signed_in: Page, server: McpServer, gatehouse: World) -> None:
    said(signed_in, server)
    row = ProtectedResource.objects.get(identifier=server.identifier)
    row.introspection_clients.set([client("notes-server")])
    row.decision_clients.set([client("notes-server")])
    own = server.tokens[1]
    assert gatehouse.introspect(own) == {"active": False}
    answer = PDP(gatehouse.browser).call(own, "search")
    assert (answer["decision"], answer["context"]["reason"]) == (False, "token_not_live")
    basic = basic_header("notes-server", SERVER_SECRET)
    assert gatehouse.post("revoke", {"token": own}, authorization=basic).status_code == 200


def test_the_api_takes_no_token_of_a_check(signed_in: Page, gatehouse: World) -> None:
    api = ProtectedResource.objects.create(name="API", identifier=identifier())
    token = protection._token(api, person("alice"), audience=api.identifier, lifetime=15)
    for address in ("/api/v1/me", "/o/userinfo"):
        assert gatehouse.browser.get(address, headers={"authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize("role", ["approver", "auditor", "developer"])
def test_who_may_not_change_the_server_cannot_have_it_asked(signed_in: Page, server: McpServer, role: str) -> None:
    signed_in(role).post(page_of(server))

    assert server.tokens == []
    assert not AuditEvent.objects.filter(event="console:protection:checked").exists()
