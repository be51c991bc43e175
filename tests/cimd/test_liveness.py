"""A host that is blocked, or no longer trusted, is so for what its agents hold already (attack 14)."""

import json

import pytest

from authz.approvals.agent_lifecycle import Terms
from authz.configuration import apply
from authz.models import Authorization, Client
from cimd import admission, liveness
from cimd.models import Document
from tests.cimd.documents import CLAUDE_CODE
from tests.support import world
from tests.support.document_host import DocumentHost

CALLBACK = "http://localhost:51999/callback"


@pytest.fixture
def tokens(gatehouse: world.World, documents: DocumentHost) -> dict[str, str]:
    apply("cimd: {trusted_hosts: [localhost]}")
    url = documents.document(grant_types=CLAUDE_CODE["grant_types"])
    code = gatehouse.authorize(client_id=url, redirect_uri=CALLBACK)["code"]
    answer = json.loads(gatehouse.redeem(code, client_id=url, redirect_uri=CALLBACK).content)
    assert gatehouse.introspect(answer["access_token"])["active"] is True
    return answer | {"client_id": url}


def ended() -> int:
    return Authorization.objects.filter(liveness.not_live()).count()


@pytest.mark.parametrize(
    "policy", ["{trusted_hosts: [localhost], blocked_hosts: [localhost]}", "{trusted_hosts: [elsewhere.example.com]}"]
)
def test_its_tokens_are_inactive_at_once_and_its_refresh_tokens_refused(
    gatehouse: world.World, tokens: dict[str, str], policy: str
) -> None:
    assert ended() == 0
    apply(f"cimd: {policy}")
    assert gatehouse.introspect(tokens["access_token"]) == {"active": False}
    assert ended() == 1
    refreshed = gatehouse.refresh(tokens["refresh_token"], client_id=tokens["client_id"])
    assert refreshed.status_code in {400, 401}


def test_a_client_approved_by_a_person_needs_no_trusted_host(gatehouse: world.World, documents: DocumentHost) -> None:
    url = documents.document(grant_types=CLAUDE_CODE["grant_types"])
    gatehouse.sign_in("bob")
    gatehouse.browser.get(gatehouse.authorize_url(client_id=url, redirect_uri=CALLBACK))
    document = Document.objects.get()
    assert document.current is not None
    admission.approve(
        document, document.current.digest, by=world.person("alice"), terms=Terms(owner=world.person("bob"))
    )
    code = gatehouse.authorize(client_id=url, redirect_uri=CALLBACK)["code"]
    token = json.loads(gatehouse.redeem(code, client_id=url, redirect_uri=CALLBACK).content)["access_token"]
    assert gatehouse.introspect(token)["active"] is True
    assert ended() == 0


def test_it_is_said_of_agents_with_documents_alone(gatehouse: world.World) -> None:
    tokens = gatehouse.signed_in_tokens()
    apply("cimd: {blocked_hosts: ['*']}")
    assert gatehouse.introspect(tokens["access_token"])["active"] is True
    assert Client.objects.filter(registration_source="cimd").count() == 0
    assert ended() == 0
