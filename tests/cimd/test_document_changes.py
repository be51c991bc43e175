"""A document that changes, and trust that is given and withdrawn (attack 7)."""

from typing import Any

import pytest

from authz.approvals.agent_lifecycle import Terms
from authz.configuration import apply
from authz.database import configuration_cache
from authz.models import Authorization, Client
from cimd import admission
from cimd.events import Event
from cimd.models import Document, DocumentVersion
from tests.cimd.discovered import CALLBACK, TRUSTED, age, events, find
from tests.cimd.documents import jwks
from tests.support import world
from tests.support.document_host import DocumentHost

# --- Changes ---------------------------------------------------------------------------------------------------------

KEYED = {"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks("one")}


@pytest.mark.parametrize(
    ("before", "after", "consequence"),
    [
        ({}, {"client_name": "Another name"}, "accept"),
        ({}, {"logo_uri": "https://localhost/l.png"}, "accept"),
        ({}, {"redirect_uris": [CALLBACK, "http://localhost/other"]}, "consent"),
        ({"scope": "mcp:read"}, {"scope": "mcp:read mcp:write"}, "consent"),
        (KEYED, KEYED | {"jwks": jwks("two")}, "consent"),
        (KEYED, {"token_endpoint_auth_method": "none"}, "quarantine"),
        ({}, KEYED, "quarantine"),
        (KEYED, KEYED | {"grant_types": ["authorization_code", "client_credentials"]}, "quarantine"),
    ],
)
def test_a_change_has_the_consequence_of_its_class(
    before: dict[str, Any], after: dict[str, Any], consequence: str, trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.document(**before)
    old = find(url)
    documents.document(**after)
    age()
    new = find(url)
    (changed,) = events(Event.DOCUMENT_CHANGED)
    assert changed["consequence"] == consequence
    assert DocumentVersion.objects.count() == 2
    assert (new.consent_digest == old.consent_digest) == (consequence != "consent")
    assert new.status == (Client.Status.PENDING if consequence == "quarantine" else Client.Status.APPROVED)
    if consequence == "quarantine":
        # What waits is not in force.
        assert new.token_endpoint_auth_method == old.token_endpoint_auth_method
        assert new.metadata_digest == old.metadata_digest
        assert events(Event.QUARANTINED)


def test_a_quarantined_client_gets_nothing_until_the_new_document_is_approved(
    trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.document(**KEYED)
    find(url)
    documents.document()
    age()
    assert find(url).status == Client.Status.PENDING
    configuration_cache.forget()
    assert find(url).status == Client.Status.PENDING  # trust in the host does not lift it
    page = trusting.browser.get(trusting.authorize_url(client_id=url, redirect_uri=CALLBACK)).content.decode()
    assert "has changed its metadata" in page
    assert "not approved this agent yet" not in page
    documents.document(**KEYED)
    age()
    assert find(url).status == Client.Status.PENDING  # nor does going back
    documents.document()
    age()
    find(url)
    document = Document.objects.get()
    assert document.candidate is not None
    assert admission.approve(
        document, document.candidate.digest, by=world.person("alice"), terms=Terms(owner=world.person("bob"))
    )
    approved = find(url)
    assert (approved.status, approved.token_endpoint_auth_method) == (Client.Status.APPROVED, "none")


def test_refresh_tokens_and_consent_end_with_a_change_of_redirect_uris_and_do_not_come_back(
    trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.document(grant_types=["authorization_code", "refresh_token"])
    flow = {"client_id": url, "redirect_uri": CALLBACK}
    code = trusting.authorize(**flow, scope="mcp:read offline_access")["code"]
    tokens = trusting.redeem(code, **flow).json()
    more = [CALLBACK, "http://localhost/other"]
    documents.document(grant_types=["authorization_code", "refresh_token"], redirect_uris=more)
    age()
    response = trusting.refresh(tokens["refresh_token"], client_id=url)
    assert response.json()["error"] == "invalid_grant"
    assert Authorization.objects.get().revoked_reason == "client_changed"
    asks_again = trusting.browser.get(trusting.authorize_url(**flow))
    assert asks_again.status_code == 200
    documents.document(grant_types=["authorization_code", "refresh_token"])
    age()
    assert trusting.refresh(tokens["refresh_token"], client_id=url).json()["error"] == "invalid_grant"


def test_a_code_does_not_survive_a_change_between_authorize_and_token(
    trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.document()
    flow = {"client_id": url, "redirect_uri": CALLBACK}
    code = trusting.authorize(**flow)["code"]
    documents.document(redirect_uris=[CALLBACK, "http://localhost/other"])
    age()
    assert trusting.redeem(code, **flow).json()["error"] == "invalid_grant"


def test_policy_may_accept_a_change_of_keys(trusting: world.World, documents: DocumentHost) -> None:
    apply("cimd: {trusted_hosts: [localhost], changes: {keys: accept}}")
    url = documents.document(**KEYED)
    old = find(url)
    documents.document(**(KEYED | {"jwks": jwks("two")}))
    age()
    new = find(url)
    assert new.consent_digest == old.consent_digest
    assert new.client_jwks != old.client_jwks


# --- Trust -----------------------------------------------------------------------------------------------------------


def test_trust_that_is_withdrawn_takes_effect_on_the_next_request(
    trusting: world.World, documents: DocumentHost
) -> None:
    url = documents.document()
    assert find(url).status == Client.Status.APPROVED
    apply("cimd: {trusted_hosts: []}")
    configuration_cache.forget()
    assert find(url).status == Client.Status.PENDING
    assert events(Event.TRUST_WITHDRAWN)
    apply(TRUSTED)
    configuration_cache.forget()
    assert find(url).status == Client.Status.APPROVED
    assert documents.connections == 1


def test_trust_never_lifts_what_an_administrator_has_stopped(trusting: world.World, documents: DocumentHost) -> None:
    url = documents.document()
    find(url)
    Client.objects.filter(client_id=url).update(status=Client.Status.SUSPENDED)
    age()
    assert find(url).status == Client.Status.SUSPENDED
    assert documents.connections == 1


def test_what_a_person_approved_does_not_depend_on_trust(gatehouse: world.World, documents: DocumentHost) -> None:
    url = documents.document()
    find(url)
    document = Document.objects.get()
    assert document.current is not None
    admission.approve(
        document, document.current.digest, by=world.person("alice"), terms=Terms(owner=world.person("bob"))
    )
    apply("cimd: {trusted_hosts: [elsewhere.example]}")
    configuration_cache.forget()
    assert find(url).status == Client.Status.APPROVED
