"""What the configuration file accepts of an agent, the console's form saves as it is."""

import json
from typing import Any

import pytest
from django.test import Client as Browser

from authz.configuration import apply
from authz.configuration.clients import as_item
from authz.models import Client, User
from tests.console.conftest import Page
from tests.support.world import SECRET, client

APP: dict[str, Any] = {
    "client_id": "from-file", "client_name": "From a file", "grant_types": ["authorization_code"],
    "token_endpoint_auth_method": "none",
}  # fmt: skip
REDIRECTS = [
    ["cursor://anysphere.cursor-mcp/oauth/callback"],
    ["com.example.app:/oauth2redirect"],
    ["vscode://vscode.github-authentication/did-authenticate?windowId=1"],
    ["x-custom:callback"],
    ["http://localhost:1234/cb"],
    ["http://[::1]/cb", "http://127.0.0.1/cb"],
    ["https://app.example.com:8443/cb?x=%20"],
    ["https://app.example.com/cb", "cursor://a/b", "http://localhost/cb"],
    ["CURSOR://a/b"],
    ["https://app.example.com/" + "a" * 2000],
]
OTHERS: list[dict[str, Any]] = [
    {"client_name": ""},
    {"grant_types": [], "redirect_uris": []},
    {"tags": ["two words", "one"]},
    {"environment": "production, Europe"},
    {"client_id": "urn:example:agent"},
    {"client_id": "a" * 300},
    {"scope": "mcp:read mcp:write"},
    {"client_uri": "http://example.com/"},
    {"post_logout_redirect_uris": ["cursor://out"]},
    {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://keys.internal/jwks"},
    {"token_endpoint_auth_method": "client_secret_basic", "client_secret": SECRET, "reuse_assertions": True},
]


def in_file(**item: Any) -> Client:
    apply(json.dumps({"clients": [{**APP, **item}]}))
    return client(item.get("client_id", APP["client_id"]))


def saved(browser: Browser, row: Client, **changes: Any) -> dict[str, list[str]]:
    """Open an agent's page, and press “Save”. The problems that the page then names."""
    address = f"/console/authz/client/{row.pk}/change/"
    form = browser.get(address).context["adminform"].form
    given = {name: form[name].value() for name in form.fields}
    response = browser.post(address, {n: v for n, v in (given | changes).items() if v not in (None, False)})
    return {} if response.status_code == 302 else dict(response.context["adminform"].form.errors)


@pytest.mark.parametrize("uris", REDIRECTS, ids=lambda uris: uris[0][:40])
def test_redirect_uris_of_a_file_are_saved(signed_in: Page, uris: list[str]) -> None:
    row = in_file(redirect_uris=uris)
    before = as_item(row)

    assert saved(signed_in("administrator"), row) == {}
    assert as_item(client(row.client_id)) == before


@pytest.mark.parametrize("item", OTHERS, ids=lambda item: next(iter(item)))
def test_what_else_a_file_says_is_saved(signed_in: Page, item: dict[str, Any]) -> None:
    row = in_file(**{"redirect_uris": ["cursor://a/b"], **item})
    before = as_item(row)

    assert saved(signed_in("administrator"), row) == {}
    assert as_item(client(row.client_id)) == before


@pytest.mark.parametrize("uri", ["cursor://a/b", "com.example.app:/cb", "x-custom:callback", "https://a.example/cb"])
def test_an_administrator_names_a_private_scheme_in_the_form_as_in_the_file(signed_in: Page, uri: str) -> None:
    row = in_file(redirect_uris=["https://app.example.com/cb"])

    assert saved(signed_in("administrator"), row, redirect_uris=f"https://app.example.com/cb\n{uri}") == {}
    assert client("from-file").redirect_uri_list == ["https://app.example.com/cb", uri]


@pytest.mark.parametrize(
    "uri",
    ["javascript:alert(1)", "data:text/html,x", "FILE:///etc", "http://app.example.com/cb", "https://a.example/#f",
     "cursor://a b", "cursor:", "about:blank", "https://user@a.example/"],
)  # fmt: skip
def test_what_the_file_refuses_the_form_refuses(signed_in: Page, uri: str) -> None:
    row = in_file(redirect_uris=["https://app.example.com/cb"])

    assert saved(signed_in("administrator"), row, redirect_uris=uri)
    assert client("from-file").redirect_uri_list == ["https://app.example.com/cb"]


def test_a_developer_keeps_a_private_scheme_and_names_none(signed_in: Page) -> None:
    browser = signed_in("developer")
    row = in_file(redirect_uris=["cursor://a/b"])
    Client.objects.filter(pk=row.pk).update(owner=User.objects.get(username="erin"))

    assert saved(browser, row, name="Renamed") == {}
    assert "redirect_uris" in saved(browser, row, redirect_uris="cursor://a/b\nevil://a/b")
    assert client("from-file").redirect_uri_list == ["cursor://a/b"]
