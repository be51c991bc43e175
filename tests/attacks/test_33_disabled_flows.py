"""Attack 33: a parameter enables a disabled flow."""

import json
from typing import Any

import pytest
from django.http import HttpResponse
from pytest_django import Settings

from authz.database import configuration_cache
from authz.models import Authorization
from tests.support import world
from tests.support.world import SECRET, World, basic_header, claims


def error(response: HttpResponse) -> str:
    code: str = json.loads(response.content)["error"]
    return code


@pytest.mark.parametrize(
    "response_type", ["token", "id_token", "code token", "code id_token", "id_token token", "none", "CODE", "code "]
)
def test_only_the_response_type_code_exists(gatehouse: World, response_type: str) -> None:
    gatehouse.sign_in("bob")
    response = gatehouse.browser.get(gatehouse.authorize_url(response_type=response_type))
    assert world.redirect_parameters(response)["error"] == "unsupported_response_type"
    assert "#" not in response["Location"]


@pytest.mark.parametrize("mode", ["fragment", "form_post", "query.jwt", "web_message"])
def test_only_the_response_mode_query_exists(gatehouse: World, mode: str) -> None:
    gatehouse.sign_in("bob")
    response = gatehouse.browser.get(gatehouse.authorize_url(response_mode=mode))
    assert world.redirect_parameters(response)["error"] == "invalid_request"


@pytest.mark.parametrize(
    "grant_type",
    [
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "urn:openid:params:grant-type:ciba",
        "authorization-code",
        "Client_Credentials",
        "client_credentials ",
        "authz.grants.client_credentials",
        "__import__",
    ],
)
def test_a_grant_that_is_not_plugged_in_does_not_exist(gatehouse: World, grant_type: str) -> None:
    response = gatehouse.token(
        basic=("nightly-report", SECRET), grant_type=grant_type, username="bob", password="bob-password"
    )
    assert error(response) == "unsupported_grant_type"


@pytest.mark.parametrize(
    ("client_id", "params"),
    [
        ("nightly-report", {"grant_type": "authorization_code", "code": "x", "code_verifier": world.VERIFIER}),
        ("nightly-report", {"grant_type": "refresh_token", "refresh_token": "x"}),
        ("web-app", {"grant_type": "client_credentials"}),
    ],
)
def test_a_client_has_the_grants_it_is_registered_for(gatehouse: World, client_id: str, params: dict[str, str]) -> None:
    assert error(gatehouse.token(basic=(client_id, SECRET), **params)) == "unauthorized_client"


def test_a_machine_client_has_no_front_door(gatehouse: World) -> None:
    row = world.client("nightly-report")
    row.redirect_uris = world.REDIRECT
    row.save()
    gatehouse.sign_in("bob")
    response = gatehouse.browser.get(gatehouse.authorize_url(client_id="nightly-report"))
    assert world.redirect_parameters(response)["error"] == "unauthorized_client"


def test_the_grant_type_in_the_url_does_not_count(gatehouse: World) -> None:
    response = gatehouse.browser.post(
        "/o/token?grant_type=client_credentials",
        "scope=mcp:read",
        content_type="application/x-www-form-urlencoded",
        headers={"authorization": basic_header("nightly-report", SECRET)},
    )
    assert error(response) == "invalid_request"


def test_asking_for_offline_access_does_not_make_a_client_refreshable(gatehouse: World) -> None:
    row = world.client("desktop-app")
    row.grant_types = ["authorization_code"]
    row.save()
    tokens = gatehouse.signed_in_tokens(scope="mcp:read offline_access")
    assert "refresh_token" not in tokens
    assert Authorization.objects.get().expires is None


def test_a_grant_taken_away_takes_its_tokens_with_it(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens()
    row = world.client("desktop-app")
    row.grant_types = ["authorization_code"]
    row.save()
    assert error(gatehouse.refresh(tokens["refresh_token"])) == "unauthorized_client"


def test_a_server_without_a_grant_neither_offers_nor_redeems_nor_hands_out_for_it(
    gatehouse: World, settings: Settings
) -> None:
    without = [path for path in settings.GATEHOUSE["GRANTS"] if not path.endswith(".refresh_token")]
    settings.GATEHOUSE = settings.GATEHOUSE | {"GRANTS": without}
    configuration_cache.forget()
    tokens = gatehouse.signed_in_tokens()
    assert "refresh_token" not in tokens
    assert error(gatehouse.refresh("anything")) == "unsupported_grant_type"
    document = gatehouse.browser.get("/.well-known/oauth-authorization-server/o").json()
    assert "refresh_token" not in document["grant_types_supported"]


@pytest.mark.parametrize(
    "more",
    [
        {"act": "bob"},
        {"sub": "bob"},
        {"client_id": "nightly-report", "username": "bob", "password": "bob-password"},
        {"subject": "bob", "user_id": "1"},
        {"lifetime": "999999", "expires_in": "999999", "max_lifetime": "999999"},
        {"aud": world.PAYROLL, "audience": world.PAYROLL},
        {"scope": "mcp:read mcp:write", "scopes": "mcp:write"},
        {"skip_consent": "true", "prompt": "none", "admin": "1"},
        {"authorization_details": '[{"type":"everything"}]'},
    ],
)
def test_parameters_that_mean_nothing_change_nothing(gatehouse: World, more: dict[str, Any]) -> None:
    response = json.loads(
        gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials", **more).content
    )
    token = claims(response["access_token"])
    assert token["sub"] == token["client_id"] == "nightly-report"
    assert token["aud"] == world.NOTES
    assert token["scope"] == "mcp:read"
    assert token["exp"] - token["iat"] == 300
    assert "act" not in token


def test_skipping_authorization_is_nothing_a_row_can_do(gatehouse: World) -> None:
    # The toolkit's switch for trusted applications; here every person is asked.
    row = world.client("desktop-app")
    row.skip_authorization = True
    row.save()
    gatehouse.sign_in("bob")
    assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 200
