"""Attack 13: errors as an open redirector, and answers that are split or smuggled into."""

from urllib.parse import parse_qs, urlsplit

import pytest

from authz.conf import conf
from authz.models import Client
from tests.support import world
from tests.support.world import REDIRECT, World

pytestmark = pytest.mark.any_database

BAD_REQUESTS = [
    {"response_type": "token"},
    {"response_type": None},
    {"response_type": "code token"},
    {"response_mode": "fragment"},
    {"response_mode": "form_post"},
    {"code_challenge": None},
    {"scope": 'mcp:read "'},
    {"prompt": "none consent"},
    {"prompt": "none"},
    {"max_age": "-1"},
    {"request": "eyJhbGciOiJub25lIn0.e30."},
    {"request_uri": "https://evil.example/request"},
    {"resource": "https://unknown.example.com/"},
    {"state": "s" * 3000},
]


@pytest.mark.parametrize("changes", BAD_REQUESTS)
def test_an_error_goes_to_the_registered_address_and_nowhere_else(gatehouse: World, changes: dict[str, str]) -> None:
    response = gatehouse.browser.get(gatehouse.authorize_url(**changes))
    assert response.status_code == 302
    target = urlsplit(response["Location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == REDIRECT
    answer = parse_qs(target.query)
    assert answer["iss"] == [conf.issuer]
    assert answer["error"]
    assert answer["state"] == [changes.get("state", "xyz")]


@pytest.mark.parametrize("changes", BAD_REQUESTS)
@pytest.mark.parametrize("redirect_uri", ["https://evil.example/", f"{REDIRECT}.evil.example/", "//evil.example"])
def test_no_error_redirects_to_an_unregistered_uri(
    gatehouse: World, changes: dict[str, str], redirect_uri: str
) -> None:
    response = gatehouse.browser.get(gatehouse.authorize_url(**changes | {"redirect_uri": redirect_uri}))
    assert response.status_code == 400
    assert "Location" not in response


@pytest.mark.parametrize(
    "state", ["a\r\nSet-Cookie: evil=1", "a&code=stolen", "a#fragment", "é\u2028", "<script>", "%0d%0a", "a b+c"]
)
def test_a_state_comes_back_as_it_was_and_as_nothing_else(gatehouse: World, state: str) -> None:
    response = gatehouse.browser.get(gatehouse.authorize_url(response_type="token", state=state))
    answer = parse_qs(urlsplit(response["Location"]).query)
    assert answer["state"] == [state]
    assert set(answer) == {"error", "error_description", "state", "iss"}
    assert "Set-Cookie" not in response or "evil" not in response["Set-Cookie"]


def test_a_query_of_the_registered_address_is_kept(gatehouse: World) -> None:
    Client.objects.filter(client_id="desktop-app").update(redirect_uris=f"{REDIRECT}?tenant=a%26b")
    answer = gatehouse.browser.get(
        gatehouse.authorize_url(redirect_uri=f"{REDIRECT}?tenant=a%26b", response_type="token")
    )
    assert answer["Location"].startswith(f"{REDIRECT}?tenant=a%26b&error=")


@pytest.mark.parametrize(
    "next_url", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_nowhere_but_here(gatehouse: World, next_url: str) -> None:
    response = gatehouse.browser.post(
        "/accounts/login/", {"login": "bob", "password": "bob-password", "next": next_url}
    )
    assert response.status_code == 302
    assert response["Location"].startswith("/")
    assert not response["Location"].startswith(("//", "/\\"))


def test_a_refusal_by_policy_and_by_the_person_both_carry_state_and_issuer(gatehouse: World) -> None:
    for answer in (gatehouse.authorize(username="charlie"), world.build().authorize(allow=False)):
        assert answer["error"] == "access_denied"
        assert answer["state"] == "xyz"
        assert answer["iss"] == conf.issuer
