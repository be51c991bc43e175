"""The metadata (RFC 8414, OpenID Connect Discovery): what it must say of client authentication."""

import pytest
from django.conf import settings
from django.test import override_settings

from authz import registry
from authz.client_auth import private_key_jwt
from authz.conf import conf
from authz.database import configuration_cache
from authz.endpoints.metadata import addresses
from tests.support.world import World

ENDPOINTS = ("token_endpoint", "introspection_endpoint", "revocation_endpoint")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("address", addresses())
def test_where_signatures_are_offered_their_algorithms_are_named(gatehouse: World, address: str, endpoint: str) -> None:
    document = gatehouse.browser.get(f"/{address}").json()
    assert "private_key_jwt" in document[f"{endpoint}_auth_methods_supported"]
    # > No default algorithms are implied if this entry is omitted. (RFC 8414 §2)
    assert document[f"{endpoint}_auth_signing_alg_values_supported"] == list(private_key_jwt.ALGORITHMS)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_where_none_are_offered_none_are_named(gatehouse: World, endpoint: str) -> None:
    methods = [path for path in conf.client_auth_methods if not path.endswith("private_key_jwt")]

    with override_settings(GATEHOUSE={**settings.GATEHOUSE, "CLIENT_AUTH_METHODS": methods}):
        configuration_cache.forget()
        document = gatehouse.browser.get(f"/{addresses()[0]}").json()
    assert document[f"{endpoint}_auth_methods_supported"]
    assert f"{endpoint}_auth_signing_alg_values_supported" not in document
    assert "private_key_jwt" in registry.client_auth_methods()
