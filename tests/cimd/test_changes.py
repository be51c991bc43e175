"""Classes of change and what follows from them (attack 7)."""

from dataclasses import replace
from typing import Any

import pytest

from authz.protocol.client_metadata import ClientMetadata
from cimd.changes import Change, Consequence, between, consequence, security_digest

PUBLIC = ClientMetadata(
    client_name="App",
    redirect_uris=("http://localhost/cb", "https://app.example.com/cb"),
    grant_types=("authorization_code", "refresh_token"),
    token_endpoint_auth_method="none",
    scope=("mcp:read",),
    client_uri="",
    logo_uri="",
    jwks=None,
    jwks_uri="",
)
KEYED = replace(PUBLIC, token_endpoint_auth_method="private_key_jwt", jwks={"keys": [{"kid": "1"}]})
BOUND = replace(PUBLIC, dpop_bound_access_tokens=True, require_pushed_authorization_requests=True)


@pytest.mark.parametrize(
    ("old", "changed", "expected"),
    [
        (PUBLIC, {}, set()),
        (PUBLIC, {"client_name": "Other"}, {Change.COSMETIC}),
        (PUBLIC, {"logo_uri": "https://app.example.com/l.png"}, {Change.COSMETIC}),
        (PUBLIC, {"client_uri": "https://app.example.com/"}, {Change.COSMETIC}),
        (PUBLIC, {"redirect_uris": (*PUBLIC.redirect_uris, "http://[::1]/cb")}, {Change.REDIRECT_URIS}),
        (PUBLIC, {"redirect_uris": ("http://localhost/other",)}, {Change.REDIRECT_URIS}),
        (PUBLIC, {"redirect_uris": ("http://localhost/cb",)}, {Change.COSMETIC}),
        (PUBLIC, {"redirect_uris": tuple(reversed(PUBLIC.redirect_uris))}, set()),
        (KEYED, {"jwks": {"keys": [{"kid": "2"}]}}, {Change.KEYS}),
        (KEYED, {"jwks": None, "jwks_uri": "https://app.example.com/jwks"}, {Change.KEYS}),
        (KEYED, {"token_endpoint_auth_method": "none", "jwks": None}, {Change.AUTHENTICATION_METHOD, Change.KEYS}),
        (PUBLIC, {"token_endpoint_auth_method": "private_key_jwt"}, {Change.AUTHENTICATION_METHOD}),
        (PUBLIC, {"grant_types": (*PUBLIC.grant_types, "client_credentials")}, {Change.GRANTS}),
        (PUBLIC, {"grant_types": ("authorization_code",)}, {Change.COSMETIC}),
        (PUBLIC, {"scope": ("mcp:read", "mcp:write")}, {Change.SCOPES}),
        (PUBLIC, {"scope": None}, {Change.SCOPES}),
        (PUBLIC, {"scope": ()}, {Change.COSMETIC}),
        # Attack: a thief of the document's host takes the demand for the key away.
        (BOUND, {"dpop_bound_access_tokens": False}, {Change.AUTHENTICATION_METHOD, Change.COSMETIC}),
        (BOUND, {"require_pushed_authorization_requests": False}, {Change.AUTHENTICATION_METHOD, Change.COSMETIC}),
        (PUBLIC, {"dpop_bound_access_tokens": True}, {Change.COSMETIC}),
    ],
)
def test_changes_are_classed(old: ClientMetadata, changed: dict[str, Any], expected: set[Change]) -> None:
    new = replace(old, **changed)
    assert between(old, new) == expected
    assert (security_digest(old) == security_digest(new)) or expected
    if expected and expected != {Change.COSMETIC}:
        assert security_digest(old) != security_digest(new)


@pytest.mark.parametrize(
    ("changes", "policy", "expected"),
    [
        (set(), {}, Consequence.ACCEPT),
        ({Change.COSMETIC}, {}, Consequence.ACCEPT),
        ({Change.COSMETIC}, {Change.COSMETIC: Consequence.QUARANTINE}, Consequence.QUARANTINE),
        ({Change.REDIRECT_URIS}, {}, Consequence.CONSENT),
        ({Change.REDIRECT_URIS}, {Change.REDIRECT_URIS: Consequence.ACCEPT}, Consequence.ACCEPT),
        ({Change.KEYS, Change.COSMETIC}, {}, Consequence.CONSENT),
        ({Change.KEYS, Change.AUTHENTICATION_METHOD}, {}, Consequence.QUARANTINE),
        ({Change.AUTHENTICATION_METHOD}, {Change.AUTHENTICATION_METHOD: Consequence.ACCEPT}, Consequence.CONSENT),
        ({Change.GRANTS}, {}, Consequence.QUARANTINE),
    ],
)
def test_the_weightiest_consequence_counts_and_a_downgrade_is_never_just_accepted(
    changes: set[Change], policy: dict[Change, Consequence], expected: Consequence
) -> None:
    assert consequence(changes, policy) is expected
