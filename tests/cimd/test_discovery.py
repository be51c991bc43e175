"""Clients that introduce themselves: first sight and caching (attacks 6 to 10)."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authz.approvals.agent_lifecycle import Terms
from authz.conf import conf
from authz.configuration import apply
from authz.database import configuration_cache
from authz.models import Authorization, Client
from authz.outbound import remote_documents
from authz.protocol.jwks import public_jwk
from cimd import admission, discovery
from cimd.events import Event
from cimd.models import Document, DocumentVersion
from cimd.reasons import Reason
from tests.cimd.discovered import CALLBACK, age, events, find, refusal
from tests.cimd.documents import CLAUDE_CODE, client_assertion
from tests.cimd.pictures import picture
from tests.support import world
from tests.support.document_host import DocumentHost, reply

# --- First sight -----------------------------------------------------------------------------------------------------


def test_a_client_of_a_trusted_host_signs_a_person_in_at_once(trusting: world.World, documents: DocumentHost) -> None:
    url = documents.document(client_name="Claude Code", grant_types=CLAUDE_CODE["grant_types"])
    answer = trusting.authorize(client_id=url, redirect_uri="http://localhost:51999/callback")
    tokens = trusting.redeem(answer["code"], client_id=url, redirect_uri="http://localhost:51999/callback")
    assert tokens.status_code == 200, tokens.content
    assert world.claims(json.loads(tokens.content)["access_token"])["client_id"] == url
    assert documents.seen("/client.json") == 1
    authorization = Authorization.objects.get()
    version = DocumentVersion.objects.get()
    assert authorization.lineage["document"] == version.digest
    assert version.address == "127.0.0.1"
    assert bytes(version.body).startswith(b"{")
    (first,) = events(Event.FIRST_SEEN)
    assert first == {"digest": version.digest, "address": "127.0.0.1", "standing": "trusted"}


def test_the_consent_page_shows_the_host_first_and_nothing_remote(
    trusting: world.World, documents: DocumentHost
) -> None:
    name = "Good\u202etsoh\u200b<script>alert(1)</script>"
    url = documents.document(client_name=name, logo_uri=documents.url("/logo.png"))
    documents.serve("/logo.png", reply(picture("PNG"), content_type="image/png"))
    trusting.sign_in("bob")
    response = trusting.browser.get(trusting.authorize_url(client_id=url, redirect_uri=CALLBACK))
    page = response.content.decode()
    assert response.status_code == 200
    assert page.index("localhost") < page.index("Good")
    assert "Good⟨U+202E⟩tsoh⟨U+200B⟩&lt;script&gt;" in page
    assert "\u202e" not in page and "<script>alert" not in page
    assert "client-logos/" in page
    # Where the form goes names the request, and with it the document.
    assert str(documents.port) not in page.partition("<details>")[0].replace(quote(url, safe=""), "")
    assert (
        "img-src 'self'" in response["Content-Security-Policy"]
        or "default-src 'self'" in response["Content-Security-Policy"]
    )


def test_a_client_of_any_other_host_waits_and_then_the_same_sign_in_works(
    gatehouse: world.World, documents: DocumentHost
) -> None:
    url = documents.document()
    gatehouse.sign_in("bob")
    asked = gatehouse.authorize_url(client_id=url, redirect_uri=CALLBACK)
    response = gatehouse.browser.get(asked)
    assert response.status_code == 403
    assert "This needs an approval" in response.content.decode()
    assert "alice@example.com" in response.content.decode()
    refused = gatehouse.redeem("code", client_id=url)
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")

    document = Document.objects.get()
    assert document.current is not None
    assert admission.approve(
        document, document.current.digest, by=world.person("alice"), terms=Terms(owner=world.person("bob"))
    )
    assert gatehouse.browser.get(asked).status_code == 200
    (approved,) = events(Event.APPROVED)
    assert approved["by"] == "alice"


def test_approving_needs_the_very_version_that_was_looked_at(gatehouse: world.World, documents: DocumentHost) -> None:
    url = documents.document()
    find(url)
    seen = Document.objects.get()
    assert seen.current is not None
    documents.document(client_name="Something else")
    age()
    find(url)
    assert not admission.approve(
        seen, seen.current.digest, by=world.person("alice"), terms=Terms(owner=world.person("bob"))
    )
    assert find(url).status == Client.Status.PENDING


def test_a_blocked_host_is_not_asked(gatehouse: world.World, documents: DocumentHost) -> None:
    apply("cimd: {trusted_hosts: ['*'], blocked_hosts: [localhost]}")
    assert refusal(documents.document()) is Reason.HOST_BLOCKED
    assert documents.connections == 0


def test_what_is_no_identifier_is_not_asked(gatehouse: world.World, documents: DocumentHost) -> None:
    assert refusal(documents.url("/a/../client.json")) is Reason.IDENTIFIER
    assert documents.connections == 0
    response = gatehouse.browser.get(gatehouse.authorize_url(client_id="https://user@localhost/c"))
    assert response.status_code == 400
    assert "not a client identifier URL" in response.content.decode()


def test_an_unattended_agent_authenticates_with_the_keys_of_its_document(
    trusting: world.World, documents: DocumentHost
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    url = documents.document(
        grant_types=["client_credentials"],
        redirect_uris=...,
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri=documents.url("/jwks.json"),
    )
    documents.serve("/jwks.json", reply(json.dumps({"keys": [public_jwk(key.public_key())]}).encode()))
    asked = {"grant_type": "client_credentials", "scope": "mcp:read"}
    refused = trusting.token(**asked, **client_assertion(url, key, conf.issuer))
    # Nothing is allowed unless a rule allows it.
    assert refused.json()["error"] == "unauthorized_client"
    apply(
        "rules: [{name: Agents by document, effect: allow, clients: ['host:localhost'], grant_types: "
        f"[client_credentials], resources: ['{world.NOTES}'], scopes: ['mcp:read']}}]"
    )
    response = trusting.token(**asked, **client_assertion(url, key, conf.issuer))
    assert response.status_code == 200, response.content
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert trusting.token(**asked, **client_assertion(url, stranger, conf.issuer)).json()["error"] == "invalid_client"
    assert documents.seen("/client.json") == 1


def test_keys_that_were_changed_at_their_address_are_found_although_assertions_name_none(
    trusting: world.World, documents: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    url = documents.document(
        grant_types=["client_credentials"],
        redirect_uris=...,
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri=documents.url("/jwks.json"),
    )

    def publish(key: ec.EllipticCurvePrivateKey) -> None:
        documents.serve("/jwks.json", reply(json.dumps({"keys": [public_jwk(key.public_key())]}).encode()))

    def answer(key: ec.EllipticCurvePrivateKey) -> str:
        asked = {"grant_type": "client_credentials", "scope": "mcp:read"}
        return str(trusting.token(**asked, **client_assertion(url, key, conf.issuer)).json()["error"])

    publish(old)
    assert answer(old) == "unauthorized_client"  # authenticated, and nothing is allowed by any rule
    publish(new)
    assert answer(new) == "unauthorized_client"
    assert documents.seen("/jwks.json") == 2
    assert [answer(old) for _ in range(3)] == ["invalid_client"] * 3
    assert documents.seen("/jwks.json") == 3  # it did not help, so it is not fetched again for a while
    monkeypatch.setattr(remote_documents, "DOUBT_INTERVAL", 0.0)
    assert answer(old) == "invalid_client"
    assert documents.seen("/jwks.json") == 4


# --- Registered clients ----------------------------------------------------------------------------------------------


def test_a_registered_client_is_never_taken_over(trusting: world.World, documents: DocumentHost) -> None:
    url = documents.document(redirect_uris=["http://localhost/evil"])
    Client.objects.create(client_id=url, name="Ours", status="approved", redirect_uris="https://ours.example/cb")
    assert find(url).name == "Ours"
    assert documents.connections == 0


def test_a_client_registered_while_its_document_is_fetched_stays_registered(
    trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.url("/client.json")

    original = discovery.fetch

    def fetch(client_id: str, document: Document | None) -> Any:
        fetched = original(client_id, document)
        Client.objects.create(client_id=url, name="Ours", status="approved")
        return fetched

    documents.document()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discovery, "fetch", fetch)
        assert refusal(url) is Reason.DOCUMENT_REFUSED
    assert find(url).name == "Ours"


# --- Caching ---------------------------------------------------------------------------------------------------------


def test_a_known_fresh_client_costs_no_network_and_at_most_one_statement(
    trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.document()
    find(url)
    find("desktop-app")
    find(url)
    with CaptureQueriesContext(connection) as registered:
        find("desktop-app")
    with CaptureQueriesContext(connection) as by_document:
        find(url)
    assert len(by_document) <= len(registered) + 1
    configuration_cache.forget()
    with CaptureQueriesContext(connection) as registered:
        find("desktop-app")
    configuration_cache.forget()
    with CaptureQueriesContext(connection) as by_document:
        find(url)
    assert len(by_document) <= len(registered) + 3  # the policy and the issuers, once a change of configuration
    assert documents.connections == 1


def test_a_stale_document_is_asked_for_with_a_condition_and_304_confirms_it(
    trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.document(headers={"ETag": '"1"', "Cache-Control": "max-age=600"})
    before = find(url)
    documents.serve("/client.json", reply(b"", status="304 Not Modified", headers={"ETag": '"1"'}))
    age()
    with CaptureQueriesContext(connection) as statements:
        after = find(url)
    assert 'If-None-Match: "1"' in documents.requests[1]
    assert after.metadata_digest == before.metadata_digest
    # What did not change is not written: every write to a client makes all processes forget what they know.
    assert not [query for query in statements if query["sql"].startswith('UPDATE "authz_client"')]
    assert Document.objects.get().fresh_until > 1
    assert find(url) is not None
    assert documents.connections == 2


def test_a_304_about_something_else_confirms_nothing(trusting: world.World, documents: DocumentHost) -> None:
    url = documents.document(headers={"ETag": '"1"'})
    find(url)
    documents.serve("/client.json", reply(b"", status="304 Not Modified", headers={"ETag": '"2"'}))
    age()
    assert refusal(url) is Reason.DOCUMENT_UNAVAILABLE
    documents.document()
    age()
    assert find(url).client_id == url
    assert "If-None-Match" not in documents.requests[2]


@pytest.mark.parametrize("status", ["500 Oops", "502 Bad Gateway", "503 Unavailable", "504 Timeout", "429 Too Many"])
def test_the_last_valid_document_serves_a_bounded_time_while_its_host_is_down(
    status: str, trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.document()
    find(url)
    documents.serve("/client.json", reply(b"", status=status))
    age()
    assert find(url).client_id == url
    assert find(url).client_id == url
    assert documents.seen("/client.json") == 2  # and is left alone for a while
    age(serves_until=1)
    assert refusal(url) is Reason.DOCUMENT_UNAVAILABLE


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone", "403 No", "301 Moved", "200 OK"])
def test_a_host_that_answers_with_something_else_ends_the_document(
    status: str, trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.document()
    find(url)
    documents.serve("/client.json", reply(b"[]", status=status))
    age()
    expected = Reason.DOCUMENT_REFUSED if status.startswith("200") else Reason.DOCUMENT_UNAVAILABLE
    assert refusal(url) is expected
    assert refusal(url) is expected
    assert documents.seen("/client.json") == 2
    documents.document()
    age()
    assert find(url).status == Client.Status.APPROVED


def test_a_strangers_headers_are_not_stored(trusting: world.World, documents: DocumentHost) -> None:
    headers = {"X-Padding": "x" * 60_000, "ETag": '"1"', "Vary": "a\x00b", "Cache-Control": "max-age=9," + "x" * 5000}
    find(documents.document(headers=headers))
    kept = DocumentVersion.objects.get().headers
    assert set(kept) <= {"etag", "cache-control", "date"}
    assert len(str(kept)) < 1000


def test_must_revalidate_is_obeyed_when_the_host_is_down(trusting: world.World, documents: DocumentHost) -> None:
    url = documents.document(headers={"Cache-Control": "max-age=60, must-revalidate"})
    find(url)
    documents.stop()
    row = Document.objects.get()
    assert row.serves_until == row.fresh_until
    age(serves_until=1)
    assert refusal(url) is Reason.DOCUMENT_UNAVAILABLE


def test_an_error_is_never_a_client_and_its_cause_is_for_administrators_only(
    trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.serve("/client.json", reply(b"", status="500 Oops"))
    response = trusting.redeem("code", client_id=url)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert "500" not in response.content.decode()
    assert Client.objects.filter(client_id=url).count() == 0
    row = Document.objects.get()
    assert (row.failure, row.failure_status, row.failures) == ("status", 500, 1)
    (failed,) = events(Event.FETCH_FAILED)
    assert (failed["cause"], failed["status"]) == ("status", 500)
