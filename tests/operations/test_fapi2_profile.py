"""`doctor --profile fapi2`: whether the configuration is in the shape of the FAPI 2.0 Security Profile."""

import json

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from pytest_django import Settings

from authz.models import Client, ProtectedResource
from authz.operations import doctor
from tests.support.world import World


def problems() -> dict[str, list[str]]:
    found = doctor.examine(profile="fapi2")
    return {about: [one.level for one in each] for about, each in found.items() if each}


def test_what_a_common_configuration_lacks(gatehouse: World) -> None:
    assert problems() == {
        "https alone": ["error"],
        "clients authenticate by private_key_jwt": ["error", "error"],
        "tokens are bound to a key (DPoP)": ["error"],
        "tokens signed with ES256 or EdDSA": ["error"],
        "requests are pushed (PAR)": ["error"],
        "refresh tokens without rotation": ["warning"],
        "the issuer alone as aud of client assertions": ["warning"],
    }
    (named,) = doctor.examine(profile="fapi2")["requests are pushed (PAR)"]
    assert named.says == "Requests in the address are taken of desktop-app, web-app."


def test_one_that_has_the_shape(gatehouse: World, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.GATEHOUSE = django_settings.GATEHOUSE | {"ISSUER": "https://gate.example.com/o", "REQUIRE_PAR": True}
    Client.objects.exclude(client_id="signing-agent").update(status="suspended")
    ProtectedResource.objects.update(access_token_signing_alg="ES256", dpop_bound_access_tokens_required=True)
    call_command("doctor", "--profile", "fapi2", "--json")
    found = json.loads(capsys.readouterr().out)
    assert {about for about, each in found.items() if each} == {"the issuer alone as aud of client assertions"}
    assert next(iter(found)) == "https alone" and len(found) == 13


def test_keys_that_may_be_weak(gatehouse: World) -> None:
    weak = {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}
    Client.objects.filter(client_id="signing-agent").update(client_jwks=weak)
    Client.objects.filter(client_id="web-app").update(client_jwks_uri="https://app.example.com/jwks")
    assert problems()["keys of clients for PS256, ES256 or EdDSA"] == ["error", "warning"]


def test_in_lines(gatehouse: World, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("doctor", "--profile", "fapi2")
    lines = capsys.readouterr().out.splitlines()
    assert "well     PKCE with S256" in [line.replace("\x1b[32;1m", "").replace("\x1b[0m", "") for line in lines]
