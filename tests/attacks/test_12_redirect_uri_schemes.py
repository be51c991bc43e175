"""Attack 12: redirect URIs that run something, leave the loopback, or read as two things."""

import json
import re

import pytest

from authz.configuration import ConfigurationError, apply
from authz.models import Client
from tests.support.world import World

pytestmark = pytest.mark.any_database

REFUSED = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "java\tscript:alert(1)",
    " javascript:alert(1)",
    "javascript://app.example.com/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "DATA:text/html;base64,PHNjcmlwdD4=",
    "vbscript:msgbox(1)",
    "blob:https://app.example.com/1",
    "file:///etc/passwd",
    "filesystem:https://app.example.com/",
    "about:blank",
    "view-source:https://app.example.com/",
    "intent://scan/#Intent;end",
    "http://app.example.com/callback",
    "http://127.0.0.2/callback",
    "http://0.0.0.0/callback",
    "http://localhost.evil.example/callback",
    "http://127.0.0.1.evil.example/callback",
    "http://[::2]/callback",
    "http://[::ffff:127.0.0.1]/callback",
    "http://2130706433/callback",
    "http://0x7f.1/callback",
    "http://0177.0.0.1/callback",
    "https://user@app.example.com/callback",
    "https://user:secret@app.example.com/callback",
    "https://app.example.com/callback#fragment",
    "https://app.example.com/callback#",
    "https:app.example.com",
    "https:///app.example.com",
    "https:\\\\app.example.com",
    "https://app.example.com\\@evil.example/",
    "https://app.example.com/a b",
    "https://app.example.com/\u202eevil",
    "https://äpp.example.com/",
    "https://app.example.com:0/",
    "https://app.example.com:99999/",
    "https://app.example.com:/callback:x",
    "https://*.example.com/callback",
    "//app.example.com/callback",
    "/callback",
    "callback",
    "https://",
    "cursor:",
    "https://app.example.com/" + "a" * 2048,
    "https://app.example.com/%zz",
    "https://app.example.com/\r\nLocation: https://evil.example/",
]

ALLOWED = [
    "https://app.example.com/callback",
    "https://app.example.com:8443/callback?kept=1",
    "http://127.0.0.1/callback",
    "http://localhost:3000/callback",
    "http://[::1]:3000/callback",
    "cursor://anysphere.cursor-retrieval/oauth/callback",
    "com.example.app:/callback",
]


def registering(uri: str) -> str:
    return f"""
clients:
  - client_id: agent
    status: approved
    token_endpoint_auth_method: none
    redirect_uris:
      - https://agent.example.com/callback
      - {json.dumps(uri)}
"""


@pytest.mark.django_db
@pytest.mark.parametrize("uri", REFUSED)
def test_it_cannot_be_registered_and_the_line_is_named(uri: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        apply(registering(uri))
    assert refusal.value.line == 8
    assert Client.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("uri", ALLOWED)
def test_an_honest_one_can(uri: str) -> None:
    apply(registering(uri))
    assert uri in Client.objects.get().redirect_uri_list


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x"])
def test_a_dangerous_uri_in_the_database_is_never_redirected_to(gatehouse: World, uri: str) -> None:
    # Written past `apply`: by hand, by a restored dump, by a bug of a resolver.
    Client.objects.filter(client_id="desktop-app").update(redirect_uris=uri)
    gatehouse.sign_in("bob")
    for changes in ({}, {"response_type": "token"}):
        response = gatehouse.browser.get(gatehouse.authorize_url(redirect_uri=uri, **changes))
        assert response.status_code == 400
        assert "Location" not in response


def test_a_private_use_scheme_is_answered_there(gatehouse: World) -> None:
    apply(registering("cursor://anysphere.cursor-retrieval/oauth/callback"))
    gatehouse.sign_in("bob")
    url = gatehouse.authorize_url(
        client_id="agent", redirect_uri="cursor://anysphere.cursor-retrieval/oauth/callback", response_type="token"
    )
    assert re.match(
        r"cursor://anysphere\.cursor-retrieval/oauth/callback\?error=unsupported_response_type",
        gatehouse.browser.get(url)["Location"],
    )
