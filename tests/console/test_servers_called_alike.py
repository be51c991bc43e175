"""Two MCP servers of one name: the address stands beside the name wherever one is chosen or listed."""

import pytest
from django.urls import reverse

from authz.models import Authorization, ProtectedResource
from tests.console.conftest import Page
from tests.support.world import NOTES, PAYROLL, World, client, person

AGENT = "/console/authz/client/{agent}/"


@pytest.fixture
def alike(gatehouse: World) -> World:
    """Bob's agent at two servers that are both called Notes."""
    gatehouse.signed_in_tokens()
    ProtectedResource.objects.filter(identifier=PAYROLL).update(name="Notes")
    return gatehouse


def told(page: str) -> bool:
    return (
        f"Notes ({NOTES})" in page or f'<bdi>Notes</bdi> <code class="soft"><bdi dir="ltr">{NOTES}</bdi></code>' in page
    )


PAGES = {
    "the simulator": "/console/simulator/",
    "who reaches what": "/console/reach/",
    "a rule": "/console/authz/rule/add/",
    "authorizations": "/console/authz/authorization/",
    "one authorization": "/console/authz/authorization/{authorization}/change/",
    "an agent": AGENT + "change/",
    "asking for access": AGENT + "ask/",
    "adding an agent": "/console/authz/client/new/script/",
    "a person": "/console/authz/user/{person}/change/",
}


@pytest.mark.parametrize("address", PAGES.values(), ids=PAGES.keys())
def test_the_console_tells_them_apart(signed_in: Page, alike: World, address: str) -> None:
    ids = {
        "agent": client("desktop-app").pk,
        "person": person("bob").pk,
        "authorization": Authorization.objects.get(client__client_id="desktop-app").pk,
    }
    page = signed_in("administrator").get(address.format(**ids))
    assert page.status_code == 200, address
    assert told(page.content.decode())


def test_a_person_is_told_which_one_an_agent_reaches(alike: World) -> None:
    alike.sign_in("bob")
    page = alike.browser.get(reverse("account_home")).content.decode()
    assert told(page)
    ended = reverse("account_end_agent", args=[client("desktop-app").pk])
    assert told(alike.browser.get(ended, {"server": NOTES}).content.decode())
    assert told(alike.browser.post(f"{ended}?server={NOTES}", follow=True).content.decode())


def test_a_name_that_is_the_only_one_stands_alone(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()
    page = gatehouse.browser.get(reverse("account_home")).content.decode()
    assert "<bdi>Notes</bdi>" in page and not told(page)
