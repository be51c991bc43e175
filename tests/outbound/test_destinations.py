"""Which URLs and addresses may be asked at all (attacks 1, 2)."""

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from authz.outbound import Cause, fetch, is_public
from tests.outbound.support import DOCUMENT, OK, allowing, refused
from tests.support.document_host import DocumentHost, document_host, reply

FORBIDDEN = [
    "0.0.0.0",  # noqa: S104  not bound to
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.8.8.8",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_special_use_address_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2a00:1450::1"]
)
def test_an_ordinary_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", FORBIDDEN)
def test_nothing_connects_to_a_forbidden_address(
    address: str, names: dict[str, list[str]], connected: list[Any]
) -> None:
    names["evil.example"] = [address]
    assert refused("https://evil.example/client.json").cause is Cause.ADDRESS_FORBIDDEN
    assert connected == []


@pytest.mark.parametrize("order", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["2606:4700::1111", "::1"]])
def test_a_mixed_answer_is_refused_as_a_whole(
    order: list[str], names: dict[str, list[str]], connected: list[Any]
) -> None:
    names["evil.example"] = order
    assert refused("https://evil.example/client.json").cause is Cause.ADDRESS_FORBIDDEN
    assert connected == []


def test_a_name_that_rebinds_is_resolved_once(names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer is public, every later one is loopback: the connection goes to the first or nowhere."""
    answers = iter([["93.184.216.34"]])
    made: list[Any] = []

    def resolve(name: str, port: int, *_: Any, **__: Any) -> Any:
        addresses = next(answers, ["127.0.0.1"])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    def connect(_: socket.socket, address: Any) -> None:
        made.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)
    assert refused("https://evil.example/client.json").cause is Cause.CONNECT
    assert made == [("93.184.216.34", 443)]


def test_a_host_that_cannot_be_reached_is_tried_at_its_next_address(
    host: DocumentHost, names: dict[str, list[str]]
) -> None:
    names["localhost"] = ["::1", "127.0.0.1"]
    assert fetch(DOCUMENT, host.serve("/client.json", reply(OK))).address == "127.0.0.1"


@pytest.mark.parametrize(
    "url",
    [
        "http://client.example.com/client.json",
        "HTTPS://client.example.com/client.json",
        "ftp://client.example.com/client.json",
        "file:///etc/passwd",
        "https://client.example.com./client.json",
        "https://169.254.169.254./latest",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://user@client.example.com/",
        "https://user:pw@client.example.com/",
        "https://client.example.com\\@127.0.0.1/",
        "https://client.example.com/#x",
        "https://client.example.com:0/",
        "https://client.example.com:99999/",
        "https://[fe80::1%25eth0]/",
        "https://cl\u0456ent.example.com/",
        "https://client.example.com/a b",
        "https://client.example.com/a\r\nHost: evil",
        "https://client.example.com/" + "a" * 2048,
        "https:///client.json",
        "//client.example.com/",
        "",
    ],
)
def test_a_url_that_two_parsers_could_read_differently_is_not_even_resolved(
    url: str, names: dict[str, list[str]], connected: list[Any]
) -> None:
    assert refused(url).cause is Cause.URL
    assert "queries" not in names
    assert connected == []


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/latest", "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:7f00:1]/"]
)
def test_a_literal_private_address_is_refused(url: str, connected: list[Any]) -> None:
    assert refused(url).cause is Cause.ADDRESS_FORBIDDEN
    assert connected == []


def test_only_the_allow_listed_port_is_allowed(host: DocumentHost, names: dict[str, list[str]]) -> None:
    assert refused(f"https://localhost:{host.port + 1}/").cause is Cause.ADDRESS_FORBIDDEN
    assert refused(f"https://127.0.0.1:{host.port}/").cause is Cause.ADDRESS_FORBIDDEN


def test_plain_http_is_for_allow_listed_pairs_on_loopback_only(
    names: dict[str, list[str]], connected: list[Any]
) -> None:
    names["intranet.example"] = ["10.0.0.1"]
    with document_host() as host, allowing(("localhost", host.port), ("intranet.example", 80)):
        assert fetch(DOCUMENT, host.serve("/keys", reply(OK))).body == OK
        assert refused("http://intranet.example/").cause is Cause.ADDRESS_FORBIDDEN
        assert refused(f"http://127.0.0.1:{host.port}/").cause is Cause.URL
    assert connected == [("127.0.0.1", host.port)]


def test_a_name_that_does_not_resolve_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert refused("https://client.example.com/").cause is Cause.DNS
