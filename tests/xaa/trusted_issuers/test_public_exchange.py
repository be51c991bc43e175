"""A public client whose id is a metadata document exchanges identity assertions where its host is named for it."""

import json
from typing import Any

import pytest
from django.urls import reverse

from authz import clients
from authz.approvals.agent_lifecycle import Terms
from authz.configuration import ConfigurationError, apply, export
from authz.database import configuration_cache
from authz.decisions import simulation
from authz.models import AuditEvent, Client, User
from cimd import admission
from cimd.models import Document
from tests.cimd.discovered import age
from tests.cimd.documents import CLAUDE_CODE, jwks
from tests.cimd.test_console import browser
from tests.support.document_host import DocumentHost
from tests.support.world import claims, person
from tests.xaa.company import CHAT, JWT_BEARER, TOKEN_EXCHANGE, Company, refused

CALLBACK = "http://localhost:51999/callback"
NAMED = "cimd: {trusted_hosts: [localhost], public_exchange_hosts: [localhost]}"
UNNAMED = "cimd: {trusted_hosts: [localhost]}"


def claude(documents: DocumentHost, **members: Any) -> str:
    """A document as claude.ai serves it."""
    shape = {name: value for name, value in CLAUDE_CODE.items() if name not in {"client_id", "client_uri"}}
    return documents.document("/oauth/claude-code-client-metadata", **(shape | members))


def id_token(company: Company, client_id: str) -> str:
    code = company.authorize(client_id=client_id, redirect_uri=CALLBACK, scope="openid email", resource=None)["code"]
    answer = company.redeem(code, client_id=client_id, redirect_uri=CALLBACK)
    assert answer.status_code == 200, answer.content
    return str(json.loads(answer.content)["id_token"])


def exchange(company: Company, token: str, client_id: str, **changes: Any) -> Any:
    return company.exchange(token, None, client_id=client_id, **changes)


def test_a_named_hosts_client_exchanges_without_a_secret(company: Company, documents: DocumentHost) -> None:
    apply(NAMED)
    url = claude(documents)
    answer = exchange(company, id_token(company, url), url)
    assert answer.status_code == 200, answer.content
    issued = claims(json.loads(answer.content)["access_token"])
    assert issued["client_id"] == url
    assert issued["aud"] == CHAT
    assert issued["sub"] == str(person("bob").subject)
    assert issued["exp"] - issued["iat"] == 60
    event = AuditEvent.objects.get(event="token:id_jag:public_client")
    assert event.client_id == url
    assert event.detail == {"jti": issued["jti"], "host": "localhost", "audience": CHAT}
    assert AuditEvent.objects.filter(event="token:id_jag:issued", client_id=url).count() == 1


@pytest.mark.parametrize(
    ("policy", "listed", "kept"),
    [
        (UNNAMED, ["authorization_code", "refresh_token", JWT_BEARER], ["authorization_code", "refresh_token"]),
        (UNNAMED, ["authorization_code", TOKEN_EXCHANGE], ["authorization_code"]),
        (NAMED, ["authorization_code", JWT_BEARER], ["authorization_code", TOKEN_EXCHANGE]),
        (NAMED, ["authorization_code", TOKEN_EXCHANGE], ["authorization_code", TOKEN_EXCHANGE]),
        (NAMED, [TOKEN_EXCHANGE, "authorization_code", JWT_BEARER], [TOKEN_EXCHANGE, "authorization_code"]),
        (NAMED, ["authorization_code"], ["authorization_code"]),
        (NAMED, ["authorization_code", "client_credentials"], ["authorization_code"]),
        (NAMED, ..., ["authorization_code"]),
        (
            "cimd: {trusted_hosts: [localhost], public_exchange_hosts: [claude.ai, '*.localhost.example']}",
            ["authorization_code", TOKEN_EXCHANGE],
            ["authorization_code"],
        ),
        (
            "cimd: {trusted_hosts: [localhost], public_exchange_hosts: ['*.example.com', localhost]}",
            ["authorization_code", "refresh_token", TOKEN_EXCHANGE],
            ["authorization_code", "refresh_token", TOKEN_EXCHANGE],
        ),
    ],
)
def test_the_document_narrows_to_what_its_host_is_named_for(
    company: Company, documents: DocumentHost, policy: str, listed: Any, kept: list[str]
) -> None:
    apply(policy)
    url = claude(documents, grant_types=listed)
    id_token(company, url)
    assert Client.objects.get(client_id=url).grant_types == kept


def test_the_switch_takes_effect_on_the_next_request_both_ways(company: Company, documents: DocumentHost) -> None:
    apply(UNNAMED)
    url = claude(documents, headers={"Cache-Control": "max-age=86400"})
    token = id_token(company, url)
    assert refused(exchange(company, token, url)) == (400, "unauthorized_client")
    fetched = documents.seen("/oauth/claude-code-client-metadata")
    apply(NAMED)
    assert exchange(company, token, url).status_code == 200
    client = Client.objects.get(client_id=url)
    assert (client.status, TOKEN_EXCHANGE in client.grant_types) == ("approved", True)
    apply(UNNAMED)
    assert refused(exchange(company, token, url)) == (400, "unauthorized_client")
    assert TOKEN_EXCHANGE not in Client.objects.get(client_id=url).grant_types
    assert documents.seen("/oauth/claude-code-client-metadata") == fetched
    changed = AuditEvent.objects.filter(event="cimd:document:changed").order_by("id")
    assert [event.detail["changes"] for event in changed] == [["grants"], ["cosmetic"]]


def test_a_blocked_host_has_nothing(company: Company, documents: DocumentHost) -> None:
    apply(NAMED)
    url = claude(documents)
    token = id_token(company, url)
    apply("cimd: {trusted_hosts: [localhost], public_exchange_hosts: [localhost], blocked_hosts: [localhost]}")
    assert exchange(company, token, url).status_code in {400, 401}


def test_a_registered_public_client_has_no_host_that_could_be_named(company: Company) -> None:
    apply("cimd: {public_exchange_hosts: [localhost, app.example.com]}")
    answer = exchange(company, company.login()["id_token"], "public-agent")
    assert refused(answer) == (400, "unauthorized_client")


def test_another_clients_id_token_opens_nothing(company: Company, documents: DocumentHost) -> None:
    apply(NAMED)
    url = claude(documents)
    other = documents.document("/other.json", grant_types=["authorization_code", JWT_BEARER])
    token = id_token(company, url)
    id_token(company, other)
    assert refused(exchange(company, token, other)) == (400, "invalid_grant")
    assert refused(exchange(company, company.login()["id_token"], url)) == (400, "invalid_grant")


def test_a_document_that_turns_public_is_stopped_until_it_is_approved(
    company: Company, documents: DocumentHost
) -> None:
    """An attack: approved while it had keys, then published without any."""
    apply(NAMED)
    url = claude(documents, token_endpoint_auth_method="private_key_jwt", jwks=jwks("1"))
    assert TOKEN_EXCHANGE in clients.find(url).grant_types
    assert refused(exchange(company, "x", url)) == (401, "invalid_client")
    claude(documents)
    age()
    assert refused(exchange(company, "x", url)) == (401, "invalid_client")
    client = Client.objects.get(client_id=url)
    assert (client.status, client.token_endpoint_auth_method) == ("pending", "private_key_jwt")


def test_who_reaches_what_shows_the_way(company: Company, documents: DocumentHost) -> None:
    apply(NAMED)
    url = claude(documents)
    id_token(company, url)

    def ways() -> list[bool]:
        configuration_cache.forget()
        found = simulation.cast(client_id=url).servers
        return [url in (server.clients or ()) for server in found if server.authorization_server == CHAT]

    assert ways() == [True]
    apply(UNNAMED)
    assert ways() == [False]


@pytest.mark.parametrize(
    "hosts", ["['*']", "['*.com']", "['https://claude.ai']", "['Claude.ai']", "claude.ai", "['1']"]
)
def test_hosts_are_named(company: Company, hosts: str) -> None:
    with pytest.raises(ConfigurationError, match="public_exchange_hosts"):
        apply(f"cimd: {{public_exchange_hosts: {hosts}}}")


def test_the_export_keeps_it(company: Company) -> None:
    apply("cimd: {public_exchange_hosts: [claude.ai, '*.example.com']}")
    assert "public_exchange_hosts:\n  - claude.ai\n  - '*.example.com'\n" in export()
    assert apply(export()) == []


def test_the_console_says_on_whose_word(company: Company, documents: DocumentHost) -> None:
    apply(NAMED)
    url = claude(documents)
    id_token(company, url)
    alice = browser("alice", User.Role.ADMINISTRATOR)
    client = Client.objects.get(client_id=url)
    page = alice.get(reverse("admin:authz_client_change", args=[client.pk])).content.decode()
    assert "an administrator has named the host localhost" in page
    apply(UNNAMED)
    document = Document.objects.get(url=url)
    page = alice.get(reverse("admin:cimd_document_change", args=[document.pk])).content.decode()
    assert "public_exchange_hosts" in page


def test_a_persons_approval_lets_it_exchange_too(company: Company, documents: DocumentHost) -> None:
    apply("cimd: {public_exchange_hosts: [localhost]}")
    url = claude(documents)
    company.sign_in("bob")
    company.browser.get(company.authorize_url(client_id=url, redirect_uri=CALLBACK, scope="openid", resource=None))
    document = Document.objects.get()
    assert document.current is not None
    admission.approve(document, document.current.digest, by=person("alice"), terms=Terms(owner=person("bob")))
    assert exchange(company, id_token(company, url), url).status_code == 200
