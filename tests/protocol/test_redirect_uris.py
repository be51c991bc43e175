"""Redirect URIs as tables (attack 12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.protocol.redirect_uris import NEVER, Problem, display, is_host, matches, problem

CURSOR = frozenset({"cursor"})


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.com/callback",
        "https://app.example.com",
        "https://app.example.com:8443/cb?x=1&y=%2F",
        "https://xn--bcher-kva.example/cb",
        "https://203.0.113.7/cb",
        "https://[2001:db8::1]:8443/cb",
        "https://my_app.example.com/cb",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:33418/",
        "http://[::1]:1/callback",
        "http://localhost:54545/callback",
        "http://LOCALHOST/callback",
        "HTTPS://app.example.com/callback",
    ],
)
def test_it_accepts_what_rfc_8252_and_oauth_2_1_accept(uri: str) -> None:
    assert problem(uri) is None


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("", Problem.CHARACTERS),
        ("/callback", Problem.NOT_ABSOLUTE),
        ("//app.example.com/cb", Problem.NOT_ABSOLUTE),
        ("app.example.com/cb", Problem.NOT_ABSOLUTE),
        ("https://app.example.com/cb#frag", Problem.FRAGMENT),
        ("https://app.example.com/cb#", Problem.FRAGMENT),
        ("https://user@app.example.com/cb", Problem.USERINFO),
        ("https://app.example.com@evil.example/cb", Problem.USERINFO),
        ("http://localhost:80@evil.example/", Problem.USERINFO),
        ("https://", Problem.HOST),
        ("https:///cb", Problem.HOST),
        ("https:app.example.com/cb", Problem.HOST),
        ("https:/app.example.com/cb", Problem.HOST),
        ("https://:443/cb", Problem.HOST),
        ("https://*.example.com/cb", Problem.HOST),
        ("https://app..example.com/cb", Problem.HOST),
        ("https://app.example.com./cb", Problem.HOST),
        ("https://%65vil.example/cb", Problem.HOST),
        ("https://2130706433/cb", Problem.HOST),
        ("https://0x7f.1/cb", Problem.HOST),
        ("https://0177.0.0.1/cb", Problem.HOST),
        ("https://[::1/cb", Problem.HOST),
        ("https://[fe80::1%25eth0]/cb", Problem.HOST),
        ("https://[nonsense]/cb", Problem.HOST),
        ("https://app.example.com:0/cb", Problem.PORT),
        ("https://app.example.com:65536/cb", Problem.PORT),
        ("https://app.example.com:https/cb", Problem.PORT),
        ("https://app.example.com:/cb", Problem.PORT),
        ("http://app.example.com/cb", Problem.HTTP_OFF_LOOPBACK),
        ("http://127.0.0.2/cb", Problem.HTTP_OFF_LOOPBACK),
        ("http://10.0.0.1/cb", Problem.HTTP_OFF_LOOPBACK),
        ("http://localhost.evil/cb", Problem.HTTP_OFF_LOOPBACK),
        ("http://localhost.evil.example/cb", Problem.HTTP_OFF_LOOPBACK),
        ("http://127.0.0.1.evil.example/cb", Problem.HTTP_OFF_LOOPBACK),
        ("http://[::2]/cb", Problem.HTTP_OFF_LOOPBACK),
        ("http://[::ffff:127.0.0.1]/cb", Problem.HTTP_OFF_LOOPBACK),
        ("https://app.example.com\\@evil.example/cb", Problem.CHARACTERS),
        ("https:\\\\evil.example/cb", Problem.CHARACTERS),
        ("https://app.example.com/c b", Problem.CHARACTERS),
        ("https://app.example.com/cb\n", Problem.CHARACTERS),
        (" https://app.example.com/cb", Problem.CHARACTERS),
        ("https://app.example.com/\x00", Problem.CHARACTERS),
        ("https://app.example.com/%zz", Problem.CHARACTERS),
        ("https://bücher.example/cb", Problem.CHARACTERS),
        ("https://app.example.com/<script>", Problem.CHARACTERS),
        ("https://app.example.com/" + "a" * 2048, Problem.TOO_LONG),
        ("cursor://anysphere/cb", Problem.SCHEME_NOT_ALLOWED),
        ("com.example.app:/cb", Problem.SCHEME_NOT_ALLOWED),
        ("ftp://app.example.com/cb", Problem.SCHEME_NOT_ALLOWED),
        ("ws://app.example.com/cb", Problem.SCHEME_NOT_ALLOWED),
        ("urn:ietf:wg:oauth:2.0:oob", Problem.SCHEME_NOT_ALLOWED),
    ],
)
def test_it_refuses_a_redirect_uri_that_could_lead_elsewhere(uri: str, expected: Problem) -> None:
    assert problem(uri) is expected
    assert expected.sentence.endswith(".")


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "javascript://app.example.com/%0Aalert(1)",
        "data:text/html,x",
        "DATA:text/html,x",
        "vbscript:x",
        "blob:https://app.example.com/1",
        "FILE:///etc/passwd",
        "view-source:https://app.example.com",
    ],
)
def test_no_policy_can_allow_a_scheme_that_runs_in_the_browser(uri: str) -> None:
    assert problem(uri, custom_schemes=NEVER | CURSOR) is Problem.SCHEME_FORBIDDEN


@pytest.mark.parametrize("uri", ["java\tscript:alert(1)", "\tjavascript:alert(1)", " javascript:alert(1)", "data :,x"])
def test_white_space_does_not_hide_a_scheme(uri: str) -> None:
    assert problem(uri, custom_schemes=NEVER) is Problem.CHARACTERS


def test_it_accepts_a_private_use_scheme_only_by_policy() -> None:
    assert problem("cursor://anysphere.cursor-retrieval/oauth/callback", custom_schemes=CURSOR) is None
    assert problem("CURSOR://anysphere.cursor-retrieval/cb", custom_schemes=CURSOR) is None
    assert problem("cursor:/cb", custom_schemes=CURSOR) is None
    assert problem("cursor:///cb", custom_schemes=CURSOR) is None
    assert problem("cursor://a@b/cb", custom_schemes=CURSOR) is Problem.USERINFO
    assert problem("cursor:", custom_schemes=CURSOR) is Problem.NOT_ABSOLUTE
    assert problem("windsurf://x/cb", custom_schemes=CURSOR) is Problem.SCHEME_NOT_ALLOWED
    assert problem("http://app.example.com/cb", custom_schemes=frozenset({"http"})) is Problem.HTTP_OFF_LOOPBACK


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("https://app.example.com/cb", "https://app.example.com/cb"),
        ("http://localhost/callback", "http://localhost:54545/callback"),
        ("http://localhost:3000/callback", "http://localhost/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:1/callback"),
        ("http://[::1]:8080/callback?x=1", "http://[::1]:65535/callback?x=1"),
        ("cursor://x/cb", "cursor://x/cb"),
    ],
)
def test_a_request_matches_exactly_or_on_another_loopback_port(registered: str, requested: str) -> None:
    assert matches(registered, requested)


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("https://app.example.com/cb", "https://app.example.com/cb/"),
        ("https://app.example.com/cb", "https://app.example.com/CB"),
        ("https://app.example.com/cb", "https://app.example.com:443/cb"),
        ("https://app.example.com/cb", "https://app.example.com/cb?x"),
        ("https://app.example.com/cb", "https://APP.example.com/cb"),
        ("https://app.example.com/a/cb", "https://app.example.com/a/../a/cb"),
        ("https://app.example.com/%7Ea", "https://app.example.com/~a"),
        ("http://localhost/callback", "http://127.0.0.1/callback"),
        ("http://localhost/callback", "http://localhost:54545/other"),
        ("http://localhost/callback", "https://localhost:54545/callback"),
        ("https://localhost/callback", "https://localhost:54545/callback"),
        ("http://localhost/callback", "http://localhost.evil:80/callback"),
        ("http://localhost/callback", "http://localhost:80@evil.example/callback"),
        ("http://localhost/callback", "http://localhost:0/callback"),
        ("http://localhost/callback", "http://localhost:65536/callback"),
        ("http://localhost/callback", "http://localhost:/callback"),
        ("http://localhost/callback", "http://localhost:80/callback\n"),
        ("http://127.0.0.2/callback", "http://127.0.0.2:80/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.2/callback"),
        ("http://localhost", "http://localhost:80.evil.example"),
        ("http://localhost", "http://localhostevil"),
        ("http://localhost/", "http://localhost:1\\@evil.example/"),
    ],
)
def test_a_request_never_matches_loosely(registered: str, requested: str) -> None:
    assert not matches(registered, requested)


@pytest.mark.parametrize(
    ("uri", "scheme", "host", "is_loopback"),
    [
        ("https://App.Example.com:8443/cb", "https", "app.example.com", False),
        ("http://localhost:3000/cb", "http", "localhost", True),
        ("http://[::1]/cb", "http", "[::1]", True),
        ("cursor://anysphere/cb", "cursor", "anysphere", False),
        ("cursor://localhost/cb", "cursor", "localhost", False),
        ("com.example.app:/cb", "com.example.app", "", False),
    ],
)
def test_the_consent_page_shows_scheme_and_host(uri: str, scheme: str, host: str, is_loopback: bool) -> None:
    shown = display(uri)
    assert (shown.scheme, shown.host, shown.is_loopback) == (scheme, host, is_loopback)


@given(st.text(max_size=60))
def test_no_text_makes_the_rules_fail(text: str) -> None:
    for prefix in ("", "https://", "http://localhost", "cursor://"):
        uri = prefix + text
        if problem(uri, custom_schemes=CURSOR) is None:
            shown = display(uri)
            assert shown.scheme in {"https", "http", "cursor"}
            assert shown.scheme == "cursor" or is_host(shown.host)
            assert shown.scheme != "http" or shown.is_loopback


@given(st.text(max_size=40))
def test_what_matches_a_loopback_uri_stays_on_loopback(text: str) -> None:
    requested = "http://localhost" + text
    if matches("http://localhost/callback", requested):
        assert display(requested).is_loopback
        assert requested.endswith("/callback")
