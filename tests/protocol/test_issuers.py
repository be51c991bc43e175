"""Each issuer is one that browsers and SDKs write in the same way, or is refused with what to write instead."""

import pytest

from authz.protocol.issuers import authority_host, problem

GOOD = [
    "https://auth.example.com",
    "https://auth.example.com/",
    "https://auth.example.com/o",
    "https://auth.example.com/o/",
    "https://auth.example.com:8443/tenants/one_2~3.x",
    "https://xn--bcher-kva.example/o",
    "https://10.0.0.1/o",
    "http://127.0.0.1:8000/o",
    "http://localhost:8000",
    "http://[::1]:8000/o",
    "https://[2001:db8::1]/o",
]
REFUSED = [
    ("https://AUTH.example.com/o", "https://auth.example.com/o"),
    ("HTTPS://auth.example.com/o", "https://auth.example.com/o"),
    ("https://auth.example.com:443/o", "https://auth.example.com/o"),
    ("http://localhost:80/o", "http://localhost/o"),
    ("https://auth.example.com:08443/o", "https://auth.example.com:8443/o"),
    ("https://auth.example.com:/o", "https://auth.example.com/o"),
    ("http://[0:0:0:0:0:0:0:1]:8000", "http://[::1]:8000"),
    ("https://[2001:DB8::1]/o", "https://[2001:db8::1]/o"),
    ("https://bücher.example/o", "xn--bcher-kva.example"),
    ("https://faß.example/o", "xn--fa-hia.example"),
    ("https://auth.example.com./o", "auth.example.com"),
    ("http://[fe80::1%25eth0]:8000/o", "zone"),
    ("http://[::1", "not a URL"),
    ("https://127.1/o", "four decimal numbers"),
    ("https://0x7f000001/o", "four decimal numbers"),
    ("https://user@auth.example.com", "no user name"),
    ("https://auth.example.com/o?x=1", "no query"),
    ("https://auth.example.com/o?", "no query"),
    ("https://auth.example.com/o#x", "no fragment"),
    ("https://auth.example.com/%6f", "percent-encoded"),
    ("https://auth.example.com/ö", "path of plain segments"),
    ("https://auth.example.com/o//", "single slashes"),
    ("https://auth.example.com/a/../b", "no .."),
    ("https://auth.example.com/<int:x>", "path of plain segments"),
    ("https://auth_server.example.com/o", "hyphens"),
    ("https://auth.example.com\n/o", "path of plain segments"),
    ("https://auth.example.com:0/o", "port"),
    ("https://auth.example.com:99999/o", "Port out of range"),
    ("auth.example.com", "absolute https URL"),
    ("", "absolute https URL"),
]


@pytest.mark.parametrize("issuer", GOOD)
def test_served(issuer: str) -> None:
    assert problem(issuer) == ""


@pytest.mark.parametrize(("issuer", "said"), REFUSED)
def test_refused_with_what_to_write(issuer: str, said: str) -> None:
    assert said in problem(issuer)
    if said.startswith("http"):
        assert problem(said) == ""


def test_an_address_stands_in_brackets_in_a_host_header() -> None:
    assert [authority_host(host) for host in ("::1", "127.0.0.1", "a.example")] == ["[::1]", "127.0.0.1", "a.example"]
