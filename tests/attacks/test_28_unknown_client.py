"""Attack 28: an unknown client, or an address that is not the client's, must never be redirected to."""

from typing import Any

import pytest

from authz.models import AuditEvent
from tests.support import world
from tests.support.world import LOOPBACK_REDIRECT, REDIRECT, World

pytestmark = pytest.mark.any_database

ELSEWHERE = [
    "https://evil.example/callback",
    f"{REDIRECT}/../other",
    f"{REDIRECT}?more=1",
    f"{REDIRECT}#fragment",
    f"{REDIRECT}/",
    REDIRECT.replace("https", "http"),
    REDIRECT.replace("app.example.com", "APP.example.com"),
    REDIRECT.replace("app.example.com", "app.example.com.evil.example"),
    REDIRECT.replace("app.example.com", "evil.example\\@app.example.com"),
    REDIRECT.replace("app.example.com", "app.example.com@evil.example"),
    REDIRECT.replace("app.example.com", "app.example.com:8443"),
    REDIRECT.replace("/callback", "/%63allback"),
    f" {REDIRECT}",
    f"{REDIRECT}\n",
    "//app.example.com/callback",
    "javascript:alert(1)",
    # Only the port of a loopback address is free (RFC 8252 §7.3).
    "http://127.0.0.1:7000/other",
    "http://127.0.0.2:7000/callback",
    "http://localhost:7000/callback",
    "http://127.0.0.1.evil.example:7000/callback",
    "http://127.0.0.1:7000@evil.example/callback",
    "http://127.0.0.1:99999/callback",
    "http://127.0.0.1:0/callback",
    "http://127.0.0.1:/callback",
    "https://127.0.0.1:7000/callback",
    "http://127.0.0.1:7000/callback?x=1",
    "http://2130706433:7000/callback",
]


def page(gatehouse: World, **changes: Any) -> str:
    """The page that answers instead of a redirect."""
    response = gatehouse.browser.get(gatehouse.authorize_url(**changes))
    assert response.status_code == 400, response
    assert "Location" not in response
    assert response["Content-Type"].startswith("text/html")
    assert "no-store" in response["Cache-Control"]
    return response.content.decode()


@pytest.mark.parametrize("redirect_uri", ELSEWHERE)
def test_an_address_that_is_not_registered_gets_a_page_and_no_redirect(gatehouse: World, redirect_uri: str) -> None:
    page(gatehouse, redirect_uri=redirect_uri)
    event = AuditEvent.objects.get(event="authorize:request:refused")
    assert (event.reason, event.client_id) == ("redirect_uri_unregistered", "desktop-app")


@pytest.mark.parametrize("signed_in", [False, True])
@pytest.mark.parametrize(
    "client_id", ["nobody", "", None, "DESKTOP-APP", "desktop-app ", "desktop-app\t", "x" * 2000, "<script>", "désktop"]
)
def test_an_unknown_client_gets_a_page_and_no_redirect(
    gatehouse: World, client_id: str | None, signed_in: bool
) -> None:
    if signed_in:
        gatehouse.sign_in("bob")
    text = page(gatehouse, client_id=client_id)
    assert "<script>" not in text
    assert "app.example.com" not in text


def test_the_page_does_not_show_values_of_the_request(gatehouse: World) -> None:
    text = page(gatehouse, redirect_uri="https://evil.example/<img src=x onerror=alert(1)>", state="evil-state")
    assert "evil" not in text


def test_an_address_must_be_named_where_the_client_has_several(gatehouse: World) -> None:
    page(gatehouse, redirect_uri=None)


def test_the_only_address_of_a_client_may_be_left_out(gatehouse: World) -> None:
    answer = gatehouse.authorize(client_id="web-app", redirect_uri=None)
    assert answer["code"]


@pytest.mark.parametrize("port", ["", ":1", ":65535", ":7000"])
def test_a_loopback_address_may_have_any_port(gatehouse: World, port: str) -> None:
    redirect_uri = LOOPBACK_REDIRECT.replace("127.0.0.1", f"127.0.0.1{port}")
    gatehouse.sign_in("bob")
    assert gatehouse.browser.get(gatehouse.authorize_url(redirect_uri=redirect_uri)).status_code == 200


def test_a_client_without_redirect_uris_has_nowhere_to_be_answered(gatehouse: World) -> None:
    for redirect_uri in (REDIRECT, None):
        page(gatehouse, client_id="nightly-report", redirect_uri=redirect_uri)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state"])
def test_a_parameter_sent_twice_gets_a_page_and_no_redirect(gatehouse: World, name: str) -> None:
    url = gatehouse.authorize_url() + f"&{name}=https://evil.example/"
    response = gatehouse.browser.get(url)
    assert response.status_code == 400
    assert "Location" not in response


def test_a_pending_client_gets_a_page_and_a_suspended_one_a_refusal(gatehouse: World) -> None:
    row = world.client("desktop-app")
    row.status = "pending"
    row.save()
    response = gatehouse.browser.get(gatehouse.authorize_url())
    assert response.status_code == 403
    assert "Location" not in response
    row.status = "suspended"
    row.save()
    refused = gatehouse.browser.get(gatehouse.authorize_url())
    assert world.redirect_parameters(refused)["error"] == "unauthorized_client"


def test_it_is_recorded_with_its_reason(gatehouse: World) -> None:
    page(gatehouse, client_id="nobody")
    page(gatehouse, redirect_uri="https://evil.example/")
    reasons = AuditEvent.objects.filter(event="authorize:request:refused").values_list("reason", flat=True)
    assert sorted(reasons) == ["client_unknown", "redirect_uri_unregistered"]
