"""What the consent page says beside who asks and for what."""

from typing import Any

import pytest

from authz.configuration import apply
from authz.models import Client
from tests.cimd.conftest import documents
from tests.support.document_host import DocumentHost
from tests.support.world import World

__all__ = ["documents"]

NO_REFRESH_TOKEN = "gets no refresh token"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANTS: list[tuple[Any, bool]] = [
    (..., False),
    (["authorization_code"], False),
    (["authorization_code", "refresh_token"], True),
    (["refresh_token", "authorization_code"], True),
    (["authorization_code", JWT_BEARER], False),
    (["authorization_code", "Refresh_Token"], False),
    (["authorization_code", "offline_access"], False),
    (["authorization_code", "authorization_code"], False),
    (["authorization_code", "refresh_token", JWT_BEARER], True),
    (["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"], True),
]


@pytest.mark.parametrize(("grant_types", "is_refreshed"), GRANTS)
def test_a_document_without_a_refresh_token_says_so_to_the_person(
    gatehouse: World, documents: DocumentHost, grant_types: Any, is_refreshed: bool
) -> None:
    """> grant_types: […] If omitted, the default behavior is that the client will use only the "authorization_code"
    > Grant Type. (RFC 7591 §2)"""
    apply("cimd: {trusted_hosts: [localhost]}")
    url = documents.document(grant_types=grant_types, token_endpoint_auth_method="none")
    flow = {"client_id": url, "redirect_uri": "http://localhost/callback"}
    gatehouse.sign_in("bob")
    page = gatehouse.browser.get(gatehouse.authorize_url(**flow))
    assert page.status_code == 200, page.content
    assert (NO_REFRESH_TOKEN in page.content.decode()) is not is_refreshed
    # And it is true.
    answer = gatehouse.redeem(gatehouse.authorize(**flow)["code"], **flow)
    assert answer.status_code == 200, answer.content
    assert (b"refresh_token" in answer.content) is is_refreshed


@pytest.mark.parametrize("grant_types", [["authorization_code"], ["authorization_code", "refresh_token"]])
def test_a_registered_agent_likewise(gatehouse: World, grant_types: list[str]) -> None:
    Client.objects.filter(client_id="desktop-app").update(grant_types=grant_types)
    gatehouse.sign_in("bob")
    page = gatehouse.browser.get(gatehouse.authorize_url())
    assert (NO_REFRESH_TOKEN in page.content.decode()) is ("refresh_token" not in grant_types)
