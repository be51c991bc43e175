"""Every reason of a refusal is told with what to do about it and where."""

from urllib.parse import urlsplit

import pytest
from django.urls import resolve

from authz import audit, registry
from authz.console.widgets import reasons
from authz.models import AuditEvent, Client, ProtectedResource
from authz.protocol.errors import Reason
from authz.protocol.explanations import ListPage, Place
from tests.console.conftest import Page
from tests.support.world import NOTES, SECRET, World, person


def test_every_reason_has_a_remedy() -> None:
    assert [reason for reason, told in registry.reason_explanations().items() if not told.why or not told.remedy] == []


def test_every_list_that_an_explanation_leads_to_is_there(gatehouse: World) -> None:
    lists = {told.place for told in registry.reason_explanations().values() if isinstance(told.place, ListPage)}
    assert {page.words for page in lists} >= {"Agents", "Trusted issuers", "Metadata documents"}
    for page in lists:
        words, address = reasons._list(page)
        assert words == page.words
        assert resolve(address)


def refused(**about: str) -> AuditEvent:
    audit.record(audit.Event.TOKEN_REFUSED, reason=Reason.CODE_UNKNOWN, **about)  # type: ignore[arg-type]
    return AuditEvent.objects.latest("id")


@pytest.mark.parametrize("place", Place)
def test_a_link_leads_to_the_thing_itself(gatehouse: World, place: Place) -> None:
    bob = person("bob")
    event = refused(client_id="nightly-report", subject=str(bob.subject), resource=NOTES)
    _, address = reasons._link(place, event)
    expected = {
        Place.AGENT: Client.objects.get(client_id="nightly-report").pk,
        Place.DOCUMENT: Client.objects.get(client_id="nightly-report").pk,
        Place.PERSON: bob.pk,
        Place.SERVER: ProtectedResource.objects.get(identifier=NOTES).pk,
    }
    if place in expected:
        assert f"/{expected[place]}/change/" in address
    assert resolve(urlsplit(address).path)


@pytest.mark.parametrize("place", Place)
def test_what_is_not_there_leads_to_the_list_of_its_kind(gatehouse: World, place: Place) -> None:
    event = refused(client_id="unknown", subject="unknown", resource="https://unknown.example/")
    _, address = reasons._link(place, event)
    assert "/change/" not in address
    assert resolve(urlsplit(address).path)


def test_the_page_of_a_refusal_says_what_to_do_and_leads_there(signed_in: Page, gatehouse: World) -> None:
    gatehouse.token(grant_type="client_credentials", basic=("nightly-report", SECRET), resource=NOTES, scope="no")
    event = AuditEvent.objects.exclude(reason="").latest("id")
    page = signed_in("auditor").get(f"/console/authz/auditevent/{event.pk}/change/").content.decode()
    assert "Check the spelling, or add the scope to the MCP server." in page
    server = ProtectedResource.objects.get(identifier=NOTES)
    assert f"/console/authz/protectedresource/{server.pk}/change/" in page
