"""Addresses of requests, compared by their lexical form alone (RFC 3986 §6.2.2, §6.2.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.protocol.target_uris import are_equal, normalized

TOKEN = "https://auth.example.com/o/token"
SAME = [
    "https://auth.example.com/o/token",
    "HTTPS://AUTH.Example.COM/o/token",
    "https://auth.example.com:443/o/token",
    "https://auth.example.com:/o/token",
    "https://auth.example.com/o/token?a=b",
    "https://auth.example.com/o/token#part",
    "https://auth.example.com/%6f/toke%6E",
    "https://auth.example.com/a/../o/./token",
]
OTHERS = [
    "",
    "http://auth.example.com/o/token",
    "https://auth.example.com:8443/o/token",
    "https://auth.example.com/o/token/",
    "https://auth.example.com/o/Token",
    "https://auth.example.com//o/token",
    "https://auth.example.com/o%2Ftoken",
    "https://auth.example.com/o/token%00",
    "https://auth.example.com/o/tok%en",
    "https://auth.example.com.evil.example/o/token",
    "https://auth.example.com@evil.example/o/token",
    "https://me@auth.example.com/o/token",
    "https://auth.example.com\\@evil.example/o/token",
    "https://auth.example.com:99999/o/token",
    "https://auth.example.com:x/o/token",
    "//auth.example.com/o/token",
    "/o/token",
    "urn:o:token",
    " https://auth.example.com/o/token",
    "https://auth.example.com/o/token\n",
    "https://äuth.example.com/o/token",
]


@pytest.mark.parametrize("uri", SAME)
def test_another_spelling_is_the_same_address(uri: str) -> None:
    assert are_equal(uri, TOKEN)


@pytest.mark.parametrize("uri", OTHERS)
def test_another_address_is_another_one(uri: str) -> None:
    assert not are_equal(uri, TOKEN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://[2001:DB8::1]:443/", "https://[2001:db8::1]"),
        ("https://a.example", "https://a.example/"),
        ("https://a.example/%c3%a4", "https://a.example/%C3%A4"),
        ("https://a.example/b/..", "https://a.example/"),
        ("https://a.example/../../b", "https://a.example/b"),
    ],
)
def test_normal_forms(one: str, other: str) -> None:
    assert are_equal(one, other)


@given(st.text(alphabet="htps:/.%2eaA?#@[]-", max_size=40))
def test_a_normal_form_is_its_own(text: str) -> None:
    once = normalized(text)
    assert once == "" or normalized(once) == once
