"""Client metadata, member by member, and the names it brings (attacks 6, 11, 12)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.protocol.client_metadata import Validation, Verdict, is_web_url, validate
from authz.protocol.display_names import imitates_a_host, mixes_scripts, visible
from authz.protocol.host_patterns import matches_host
from tests.cimd.documents import JWT_BEARER, document, jwks, terms

KEYS = jwks("one")
CONFIDENTIAL = {"token_endpoint_auth_method": "private_key_jwt", "jwks": KEYS}


def judged(*, custom_schemes: frozenset[str] = frozenset(), **members: Any) -> Validation:
    return validate(document(**members), terms(custom_schemes=custom_schemes))


def verdicts(judgement: Validation, name: str) -> set[Verdict]:
    return {check.verdict for check in judgement.checks if check.name == name}


def test_a_plain_public_client_is_kept_as_it_is() -> None:
    judgement = judged(scope="mcp:read mcp:write", client_uri="https://app.example.com/about")
    metadata = judgement.metadata
    assert metadata is not None
    assert metadata.client_name == "Example MCP Client"
    assert metadata.redirect_uris == ("http://127.0.0.1:3000/callback", "http://localhost:3000/callback")
    assert metadata.grant_types == ("authorization_code", "refresh_token")
    assert metadata.token_endpoint_auth_method == "none"
    assert metadata.scope == ("mcp:read", "mcp:write")
    assert metadata.client_uri == "https://app.example.com/about"
    assert {check.verdict for check in judgement.checks} == {Verdict.PASSED}


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"client_name": ...}, "client_name"),
        ({"client_name": ""}, "client_name"),
        ({"client_name": 1}, "client_name"),
        ({"client_name": ["x"]}, "client_name"),
        ({"redirect_uris": ...}, "redirect_uris"),
        ({"redirect_uris": []}, "redirect_uris"),
        ({"redirect_uris": "http://localhost/cb"}, "redirect_uris"),
        ({"redirect_uris": ["http://localhost/cb", 1]}, "redirect_uris"),
        ({"redirect_uris": ["http://localhost/cb", "javascript:alert(1)"]}, "redirect_uris"),
        ({"redirect_uris": ["http://localhost/cb", "JAVASCRIPT:alert(1)"]}, "redirect_uris"),
        ({"redirect_uris": ["http://localhost/cb", "data:text/html,x"]}, "redirect_uris"),
        ({"redirect_uris": ["http://evil.example/cb"]}, "redirect_uris"),
        ({"redirect_uris": ["http://127.0.0.2/cb"]}, "redirect_uris"),
        ({"redirect_uris": ["https://app.example.com/cb#x"]}, "redirect_uris"),
        ({"redirect_uris": ["https://a@app.example.com/cb"]}, "redirect_uris"),
        ({"redirect_uris": ["cursor://x/cb"]}, "redirect_uris"),
        ({"redirect_uris": ["https://evil.example/cb"]}, "redirect_uris"),
        ({"redirect_uris": [f"https://app.example.com/{n}" for n in range(33)]}, "redirect_uris"),
        ({"grant_types": []}, "grant_types"),
        ({"grant_types": "authorization_code"}, "grant_types"),
        ({"grant_types": ["implicit"]}, "grant_types"),
        ({"grant_types": ["refresh_token"]}, "grant_types"),
        ({"grant_types": ["client_credentials"]}, "grant_types"),
        ({"grant_types": [JWT_BEARER]}, "grant_types"),
        ({"response_types": ["token"]}, "response_types"),
        ({"response_types": "code"}, "response_types"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "client_secret_post"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": 1}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_methods_supported": "none"}, "token_endpoint_auth_methods_supported"),
        (
            {"token_endpoint_auth_method": ..., "token_endpoint_auth_methods_supported": ["client_secret_basic"]},
            "token_endpoint_auth_method",
        ),
        (CONFIDENTIAL | {"jwks_uri": "https://app.example.com/jwks"}, "jwks"),
        (CONFIDENTIAL | {"jwks": {"keys": [KEYS["keys"][0] | {"d": "AAAA"}]}}, "jwks"),
        (CONFIDENTIAL | {"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "jwks"),
        (CONFIDENTIAL | {"jwks": {"keys": []}}, "token_endpoint_auth_method"),
        (CONFIDENTIAL | {"jwks": []}, "token_endpoint_auth_method"),
        (CONFIDENTIAL | {"jwks": ..., "jwks_uri": "http://app.example.com/jwks"}, "jwks_uri"),
        (CONFIDENTIAL | {"jwks": ..., "jwks_uri": "http://169.254.169.254/jwks"}, "jwks_uri"),
        (CONFIDENTIAL | {"jwks": ..., "jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        (CONFIDENTIAL | {"jwks": ..., "jwks_uri": 1}, "jwks_uri"),
        (CONFIDENTIAL | {"token_endpoint_auth_signing_alg": "HS256"}, "token_endpoint_auth_method"),
        ({"scope": ["mcp:read"]}, "scope"),
        ({"scope": "mcp:read\tmcp:write"}, "scope"),
        ({"scope": 'a"b'}, "scope"),
    ],
)
def test_what_cannot_be_kept_refuses_the_whole_and_says_why(members: dict[str, Any], name: str) -> None:
    judgement = judged(**members)
    assert judgement.metadata is None
    assert name in {check.name for check in judgement.refusals}
    assert all(check.explanation for check in judgement.checks)


@pytest.mark.parametrize(
    ("members", "name", "kept"),
    [
        ({"grant_types": ["authorization_code", JWT_BEARER]}, "grant_types", ("authorization_code",)),
        ({"grant_types": ["implicit", "authorization_code"]}, "grant_types", ("authorization_code",)),
        ({"grant_types": ["authorization_code", "client_credentials"]}, "grant_types", ("authorization_code",)),
        ({"redirect_uris": ["cursor://x/cb", "http://localhost/cb"]}, "redirect_uris", ("http://localhost/cb",)),
        ({"redirect_uris": ["https://evil.example/cb", "http://localhost/cb"]}, "redirect_uris", ("http://localhost/cb",)),
        ({"redirect_uris": ["https://notapp.example.com/cb", "http://localhost/cb"]}, "redirect_uris", ("http://localhost/cb",)),
        ({"redirect_uris": ["https://app.example.com.evil.example/cb", "http://localhost/cb"]}, "redirect_uris", ("http://localhost/cb",)),
        ({"client_uri": "http://app.example.com"}, "client_uri", ""),
        ({"client_uri": "https://evil.example"}, "client_uri", ""),
        ({"client_uri": "javascript:alert(1)"}, "client_uri", ""),
        ({"client_uri": 1}, "client_uri", ""),
        ({"logo_uri": "javascript:alert(1)"}, "logo_uri", ""),
        ({"logo_uri": "data:image/svg+xml,<svg/>"}, "logo_uri", ""),
        ({"logo_uri": "http://app.example.com/logo.png"}, "logo_uri", ""),
        ({"logo_uri": "//app.example.com/logo.png"}, "logo_uri", ""),
        ({"client_name": "google.com"}, "client_name", ""),
        ({"client_name": "https://google.com"}, "client_name", ""),
        ({"client_name": "Login for accounts.google.com"}, "client_name", ""),
        ({"client_name": "google。com"}, "client_name", ""),
        ({"client_name": "google．com"}, "client_name", ""),
        ({"client_name": "\u0421laude"}, "client_name", ""),
        ({"client_name": "evil\u202egpj"}, "client_name", "evil⟨U+202E⟩gpj"),
        ({"client_name": "Cla\u200bude"}, "client_name", "Cla⟨U+200B⟩ude"),
        ({"client_name": "Claude\n\nApproved by IT"}, "client_name", "Claude Approved by IT"),
        ({"client_name": "x" * 5000}, "client_name", "x" * 79 + "…"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_badly_is_narrowed_away(members: dict[str, Any], name: str, kept: object) -> None:
    judgement = judged(**members)
    assert judgement.metadata is not None
    assert getattr(judgement.metadata, name) == kept
    assert Verdict.NARROWED in verdicts(judgement, name)


def test_markup_is_text_like_any_other() -> None:
    judgement = judged(client_name="<script>alert(1)</script>")
    assert judgement.metadata is not None
    assert judgement.metadata.client_name == "<script>alert(1)</script>"  # escaped by the page


def test_a_private_use_scheme_is_kept_where_policy_allows_it() -> None:
    judgement = judged(redirect_uris=["cursor://x/cb"], custom_schemes=frozenset({"cursor"}))
    assert judgement.metadata is not None
    assert judgement.metadata.redirect_uris == ("cursor://x/cb",)


def test_redirects_may_go_to_the_clients_own_host_those_under_it_and_those_that_policy_names() -> None:
    uris = ["https://app.example.com/cb", "https://eu.app.example.com/cb", "https://login.example.org/cb"]
    judgement = validate(document(redirect_uris=uris), terms(redirect_hosts=("*.example.org",)))
    assert judgement.metadata is not None
    assert list(judgement.metadata.redirect_uris) == uris


@pytest.mark.parametrize(
    ("members", "method"),
    [
        ({"token_endpoint_auth_method": ...}, "none"),
        ({"token_endpoint_auth_method": None}, "none"),
        (CONFIDENTIAL, "private_key_jwt"),
        (CONFIDENTIAL | {"token_endpoint_auth_signing_alg": "ES256"}, "private_key_jwt"),
        (CONFIDENTIAL | {"jwks": ..., "jwks_uri": "https://keys.example.org/jwks"}, "private_key_jwt"),
        (CONFIDENTIAL | {"token_endpoint_auth_methods_supported": ["none", "private_key_jwt"]}, "private_key_jwt"),
        (
            {
                "token_endpoint_auth_method": ...,
                "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
                "jwks": KEYS,
            },
            "private_key_jwt",
        ),
        ({"token_endpoint_auth_method": "none", "jwks": KEYS}, "none"),
        (
            {
                "token_endpoint_auth_method": "none",
                "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
                "jwks": KEYS,
            },
            "none",
        ),
        (
            CONFIDENTIAL
            | {"token_endpoint_auth_signing_alg": "ES256K", "token_endpoint_auth_methods_supported": ["none"]},
            "none",
        ),
        (
            {"token_endpoint_auth_method": "tls_client_auth", "token_endpoint_auth_methods_supported": ["none"]},
            "none",
        ),
    ],
)
def test_the_authentication_method_is_the_declared_one_or_the_strongest_offered(
    members: dict[str, Any], method: str
) -> None:
    metadata = judged(**members).metadata
    assert metadata is not None
    assert metadata.token_endpoint_auth_method == method
    assert (metadata.jwks is not None or metadata.jwks_uri != "") == (method == "private_key_jwt")


def test_an_unattended_agent_needs_keys_for_machine_grants() -> None:
    machine = CONFIDENTIAL | {"grant_types": ["client_credentials"], "redirect_uris": ..., "response_types": ...}
    metadata = judged(**machine).metadata
    assert metadata is not None
    assert (metadata.grant_types, metadata.redirect_uris) == (("client_credentials",), ())


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("example.com", "example.com", True),
        ("example.com", "a.example.com", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "notexample.com", False),
        ("*.example.com", "example.com.evil.example", False),
        ("", "", False),
    ],
)
def test_host_patterns(pattern: str, host: str, expected: bool) -> None:
    assert matches_host(pattern, host) is expected


@pytest.mark.parametrize(
    "name",
    [
        "Claude Code",
        "Version 2.0",
        "MCP (beta)",
        "app.example.com",
        "example.com",
        "C#",
        "日本語",
        "A. Person",
        "Émile",
    ],
)
def test_an_ordinary_name_imitates_no_host(name: str) -> None:
    assert not imitates_a_host(name, "app.example.com")
    assert not mixes_scripts(name)
    assert visible(name) == name


@given(st.text(max_size=60))
def test_what_is_shown_has_nothing_unseen_in_it(text: str) -> None:
    shown = visible(text)
    assert shown == visible(shown)
    assert shown.isprintable()
    assert "\u202e" not in shown
    imitates_a_host(text, "app.example.com")
    mixes_scripts(text)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(["none", "code", "private_key_jwt"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
_MEMBERS = (
    "client_name", "redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method", "jwks", "jwks_uri",
    "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg", "scope", "client_uri", "logo_uri",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(_MEMBERS), _JSON, max_size=6))
def test_no_metadata_makes_the_judging_fail(members: dict[str, Any]) -> None:
    metadata = judged(**members).metadata
    if metadata is not None:
        assert set(metadata.grant_types) <= terms().grant_types
        assert metadata.token_endpoint_auth_method in {"none", "private_key_jwt"}
        assert metadata.redirect_uris or "authorization_code" not in metadata.grant_types
        assert all(url == "" or is_web_url(url) for url in (metadata.client_uri, metadata.logo_uri, metadata.jwks_uri))
