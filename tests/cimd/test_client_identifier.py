"""Client identifiers as raw strings (attack 5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cimd.client_identifier import IdentifierError, Problem, parse


@pytest.mark.parametrize(
    "client_id",
    [
        "https://app.example.com/client.json",
        "https://app.example.com/",
        "https://app.example.com:8443/a/b%20c/client.json",
        "https://app.example.com/client?version=2",
        "https://claude.ai/oauth/claude-code-client-metadata",
        "https://xn--bcher-kva.example/c",
        "https://localhost:9443/client.json",
        "https://203.0.113.7/c",
        "https://[2001:db8::1]:8443/c",
        "https://app.example.com/...",
        "https://app.example.com/a..b/.c",
        "https://app.example.com/a//b",
        "https://app.example.com/a@b",
        "https://app.example.com/c?u=https://x/../y",
    ],
)
def test_it_accepts_an_https_url_with_a_path(client_id: str) -> None:
    assert parse(client_id).url == client_id


@pytest.mark.parametrize(
    ("client_id", "expected"),
    [
        ("", Problem.SCHEME),
        ("http://app.example.com/c", Problem.SCHEME),
        ("HTTPS://app.example.com/c", Problem.SCHEME),
        ("Https://app.example.com/c", Problem.SCHEME),
        (" https://app.example.com/c", Problem.SCHEME),
        ("https:/app.example.com/c", Problem.SCHEME),
        ("nightly-report", Problem.SCHEME),
        ("https://app.example.com", Problem.NO_PATH),
        ("https://app.example.com?x=/c", Problem.NO_PATH),
        ("https://app.example.com#/c", Problem.FRAGMENT),
        ("https://app.example.com/c#", Problem.FRAGMENT),
        ("https://app.example.com/c#x", Problem.FRAGMENT),
        ("https://user@app.example.com/c", Problem.USERINFO),
        ("https://user:pw@app.example.com/c", Problem.USERINFO),
        ("https://@app.example.com/c", Problem.USERINFO),
        ("https://app.example.com@evil.example/c", Problem.USERINFO),
        ("https:///c", Problem.HOST),
        ("https://App.example.com/c", Problem.HOST),
        ("https://app.example.com./c", Problem.HOST),
        ("https://app..example.com/c", Problem.HOST),
        ("https://-app.example.com/c", Problem.HOST),
        ("https://ap%70.example.com/c", Problem.HOST),
        ("https://2130706433/c", Problem.HOST),
        ("https://0x7f.1/c", Problem.HOST),
        ("https://0177.0.0.1/c", Problem.HOST),
        ("https://[::1/c", Problem.HOST),
        ("https://[2001:DB8::1]/c", Problem.HOST),
        ("https://app.example.com:443/c", Problem.PORT),
        ("https://app.example.com:/c", Problem.PORT),
        ("https://app.example.com:0/c", Problem.PORT),
        ("https://app.example.com:08443/c", Problem.PORT),
        ("https://app.example.com:65536/c", Problem.PORT),
        ("https://app.example.com/./c", Problem.DOT_SEGMENT),
        ("https://app.example.com/a/../c", Problem.DOT_SEGMENT),
        ("https://app.example.com/a/..", Problem.DOT_SEGMENT),
        ("https://app.example.com/.", Problem.DOT_SEGMENT),
        ("https://app.example.com/%2e%2e/c", Problem.DOT_SEGMENT),
        ("https://app.example.com/%2E./c", Problem.DOT_SEGMENT),
        ("https://app.example.com/.%2e/c", Problem.DOT_SEGMENT),
        ("https://app.example.com/%2e/c?x", Problem.DOT_SEGMENT),
        ("https://app.example.com\\@evil.example/c", Problem.CHARACTERS),
        ("https://app.example.com/a\\b", Problem.CHARACTERS),
        ("https://app.example.com/a%5cb", Problem.CHARACTERS),
        ("https://app.example.com/a%00", Problem.CHARACTERS),
        ("https://app.example.com/a%0d%0aHost:x", Problem.CHARACTERS),
        ("https://app.example.com/a%7f", Problem.CHARACTERS),
        ("https://app.example.com/a\x00", Problem.CHARACTERS),
        ("https://app.example.com/a\n", Problem.CHARACTERS),
        ("https://app.example.com/a b", Problem.CHARACTERS),
        ("https://app.example.com/%zz", Problem.CHARACTERS),
        ("https://app.example.com/%", Problem.CHARACTERS),
        ("https://bücher.example/c", Problem.CHARACTERS),
        ("https://app.example.com/\u2025/c", Problem.CHARACTERS),
        ("https://app.example.com/" + "a" * 1024, Problem.TOO_LONG),
    ],
)
def test_it_refuses_what_has_another_spelling_or_another_reading(client_id: str, expected: Problem) -> None:
    with pytest.raises(IdentifierError) as caught:
        parse(client_id)
    assert caught.value.problem is expected
    assert expected.sentence.endswith(".")


def test_the_host_vouches_and_the_origin_is_counted() -> None:
    identifier = parse("https://app.example.com:8443/c?x=@y")
    assert (identifier.host, identifier.origin) == ("app.example.com", "app.example.com:8443")


@given(st.text(max_size=60))
def test_no_text_makes_the_rules_fail(text: str) -> None:
    for client_id in (text, "https://" + text, "https://app.example.com/" + text):
        try:
            identifier = parse(client_id)
        except IdentifierError:
            continue
        assert identifier.host == identifier.host.lower() != ""
        assert "@" not in identifier.origin
        assert client_id.isascii() and client_id.isprintable()
