"""Ending the access of one version of a metadata document."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from authz.approvals.agent_lifecycle import Terms
from authz.authorizations import cut_off
from authz.configuration import apply
from authz.database import configuration_cache
from authz.models import Client
from cimd import admission
from cimd.models import Document, DocumentVersion
from tests.cimd.documents import CLAUDE_CODE
from tests.support import world
from tests.support.document_host import DocumentHost

CALLBACK = "http://localhost:51999/callback"


def now() -> datetime:
    return datetime.now(UTC)


def switch(digest: str) -> Any:
    found = cut_off.target("document", digest)
    return cut_off.cut_off(found, kind="document", identifier=digest, reason="a bad key", by="alice", now=now())


def tokens(gatehouse: world.World, url: str) -> dict[str, str]:
    code = gatehouse.authorize(client_id=url, redirect_uri=CALLBACK)["code"]
    answer: dict[str, str] = json.loads(gatehouse.redeem(code, client_id=url, redirect_uri=CALLBACK).content)
    return answer


@pytest.fixture
def url(gatehouse: world.World, documents: DocumentHost) -> str:
    apply("cimd: {trusted_hosts: [localhost]}")
    return documents.document(grant_types=CLAUDE_CODE["grant_types"])


def test_the_version_in_force_gives_nothing_more_though_its_host_is_trusted(gatehouse: world.World, url: str) -> None:
    given = tokens(gatehouse, url)
    version = DocumentVersion.objects.get()

    row = switch(version.digest)

    assert row.counts["authorizations"] == 1
    assert gatehouse.introspect(given["access_token"]) == {"active": False}
    assert gatehouse.refresh(given["refresh_token"], client_id=url).status_code in {400, 401}
    assert gatehouse.browser.get(gatehouse.authorize_url(client_id=url, redirect_uri=CALLBACK)).status_code == 403
    assert Client.objects.get(client_id=url).status == "pending"


def test_a_newer_version_waits_for_a_person(gatehouse: world.World, url: str, documents: DocumentHost) -> None:
    tokens(gatehouse, url)
    switch(DocumentVersion.objects.get().digest[:12])
    documents.document(client_name="A new name", grant_types=CLAUDE_CODE["grant_types"])
    Document.objects.update(fresh_until=1, retry_at=0)
    configuration_cache.forget()
    asked = gatehouse.authorize_url(client_id=url, redirect_uri=CALLBACK)
    assert gatehouse.browser.get(asked).status_code == 403
    document = Document.objects.get()
    assert document.candidate is not None
    terms = Terms(owner=world.person("bob"))
    assert admission.approve(document, document.candidate.digest, by=world.person("alice"), terms=terms)
    assert gatehouse.browser.get(asked).status_code in {200, 302}


def test_an_undo_lets_the_agent_ask_again(gatehouse: world.World, url: str) -> None:
    given = tokens(gatehouse, url)
    digest = DocumentVersion.objects.get().digest
    switch(digest)
    cut_off.undo(cut_off.last("document", digest), by="alice", now=now())
    assert Client.objects.get(client_id=url).status == "approved"
    assert gatehouse.introspect(given["access_token"]) == {"active": False}
    assert gatehouse.introspect(tokens(gatehouse, url)["access_token"])["active"] is True


def test_an_old_version_ends_what_it_gave_and_no_more(
    gatehouse: world.World, url: str, documents: DocumentHost
) -> None:
    old = tokens(gatehouse, url)
    digest = DocumentVersion.objects.get().digest
    documents.document(client_name="Only the name is new", grant_types=CLAUDE_CODE["grant_types"])
    Document.objects.update(fresh_until=1, retry_at=0)
    configuration_cache.forget()
    new = tokens(gatehouse, url)
    row = switch(digest)
    assert row.counts["authorizations"] == 1
    assert not row.can_be_undone
    assert gatehouse.introspect(old["access_token"]) == {"active": False}
    assert gatehouse.introspect(new["access_token"])["active"] is True


@pytest.mark.parametrize("digest", ["", "abc", "0" * 64, "no digest at all"])
def test_what_is_no_version_is_said(gatehouse: world.World, digest: str) -> None:
    with pytest.raises(cut_off.NothingToCut):
        cut_off.target("document", digest)


def again(kind: str, identifier: str) -> None:
    found = cut_off.target(kind, identifier)
    cut_off.cut_off(found, kind=kind, identifier=identifier, reason="", by="alice", now=now())


@pytest.mark.parametrize(
    "later",
    [
        lambda url: Client.objects.filter(client_id=url).update(status="suspended"),
        lambda url: again("client", url),
        lambda url: again("everything", ""),
        lambda url: again("document", DocumentVersion.objects.get().digest),
        lambda url: Document.objects.update(candidate=None),
        lambda url: Document.objects.update(approval="person"),
        lambda url: Client.objects.filter(client_id=url).update(redirect_uris="https://evil.example/"),
    ],
)
def test_a_later_change_voids_the_undo(gatehouse: world.World, url: str, later: Any) -> None:
    """Attack 37."""
    tokens(gatehouse, url)
    row = switch(DocumentVersion.objects.get().digest)
    later(url)
    with pytest.raises(cut_off.NothingToUndo, match="was changed, or its access was ended again"):
        cut_off.undo(row, by="alice", now=now())
    assert Client.objects.get(client_id=url).status != "approved"


def test_fetching_the_document_again_does_not(gatehouse: world.World, url: str) -> None:
    tokens(gatehouse, url)
    row = switch(DocumentVersion.objects.get().digest)
    Document.objects.update(fetched=2, fresh_until=3, lease_until=0, failures=1)
    cut_off.undo(row, by="alice", now=now())
    assert Client.objects.get(client_id=url).status == "approved"
