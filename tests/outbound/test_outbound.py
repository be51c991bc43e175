"""The one door out: addresses, pinning, limits, one deadline; each with sockets (attacks 1 to 4)."""

import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.conf import settings
from django.test import override_settings

from authz import outbound
from authz.database.transactions import _settling
from authz.outbound import Cause, OutboundError, Role, fetch, is_public
from tests.support.document_host import DocumentHost, document_host, drip, raw, reply, write_bundle

DOCUMENT = Role.CLIENT_METADATA_DOCUMENT
CA = trustme.CA()
OK = b'{"a": 1}'


@pytest.fixture
def host(tmp_path: Path) -> Iterator[DocumentHost]:
    """A document host whose pair localhost:port is allow-listed, with its CA trusted."""
    with (
        document_host(CA, "client.example.com") as host,
        allowing(("localhost", host.port), ("client.example.com", host.port), bundle=write_bundle(CA, tmp_path)),
    ):
        yield host


def allowing(*pairs: tuple[str, int], bundle: str | None = None) -> Any:
    return override_settings(
        GATEHOUSE={**settings.GATEHOUSE, "OUTBOUND_ALLOWED_HOSTS": list(pairs), "OUTBOUND_CA_BUNDLE": bundle}
    )


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A fake resolver: what each name resolves to. Counted in `queries`."""
    table: dict[str, list[str]] = {"localhost": ["127.0.0.1"]}
    real = socket.getaddrinfo

    def resolve(name: str, port: int, *args: Any, **kwargs: Any) -> Any:
        table.setdefault("queries", []).append(name)
        if name not in table:
            return real(name, port, *args, **{**kwargs, "flags": socket.AI_NUMERICHOST})
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(family[":" in a], socket.SOCK_STREAM, 6, "", (a, port)) for a in table[name]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return table


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that a socket of this process was told to connect to."""
    made: list[Any] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        made.append(address)
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role with half a second for everything."""
    limits = outbound.Limits(5 * 1024, "application/json", "application/json", 0.5)
    monkeypatch.setattr(DOCUMENT, "limits", limits)


def refused(url: str, role: Role = DOCUMENT, **headers: str) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        fetch(role, url, headers=headers)
    return caught.value


def test_it_fetches_a_document_over_tls(host: DocumentHost) -> None:
    response = fetch(DOCUMENT, host.serve("/client.json", reply(OK, headers={"ETag": '"1"'})))
    assert (response.status, response.body, response.address) == (200, OK, "127.0.0.1")
    assert response.headers["etag"] == '"1"'
    assert 0 < response.elapsed < 5
    head = host.requests[0]
    assert head.startswith("GET /client.json HTTP/1.1\r\n")
    assert f"Host: localhost:{host.port}\r\n" in head
    assert "Accept-Encoding: identity\r\n" in head
    assert "Cookie" not in head
    assert "Authorization" not in head


def test_the_query_and_percent_encoding_travel_as_they_are(host: DocumentHost) -> None:
    url = host.serve("/a%7Eb/client.json?x=%2F&y", reply(OK))
    assert fetch(DOCUMENT, url).body == OK


def test_certificate_sni_and_host_are_the_names_while_the_connection_is_pinned(
    host: DocumentHost, names: dict[str, list[str]], connected: list[Any]
) -> None:
    names["client.example.com"] = ["127.0.0.1"]
    host.serve("/client.json", reply(OK))
    assert fetch(DOCUMENT, host.url("/client.json", "client.example.com")).body == OK
    assert f"Host: client.example.com:{host.port}\r\n" in host.requests[0]
    assert names["queries"].count("client.example.com") == 1
    assert connected == [("127.0.0.1", host.port)]


def test_a_certificate_for_another_name_is_refused(host: DocumentHost, names: dict[str, list[str]]) -> None:
    names["other.example.com"] = ["127.0.0.1"]
    bundle = settings.GATEHOUSE["OUTBOUND_CA_BUNDLE"]
    with allowing(("other.example.com", host.port), bundle=bundle):
        assert refused(host.url("/client.json", "other.example.com")).cause is Cause.TLS
    assert host.requests == []


def test_a_certificate_of_an_unknown_ca_is_refused(host: DocumentHost) -> None:
    with allowing(("localhost", host.port)):
        assert refused(host.url("/client.json")).cause is Cause.TLS
    assert host.requests == []


def test_the_environment_names_no_proxy(host: DocumentHost, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetch(DOCUMENT, host.serve("/client.json", reply(OK))).body == OK


# --- Addresses -------------------------------------------------------------------------------------------------------

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


# --- Answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent", "300 M"]
)
def test_a_redirect_is_never_followed(status: str, host: DocumentHost) -> None:
    host.serve("/other.json", reply(OK))
    error = refused(host.serve("/c.json", reply(OK, status=status, headers={"Location": host.url("/other.json")})))
    assert (error.cause, error.status) == (Cause.REDIRECT, int(status[:3]))
    assert host.connections == 1


@pytest.mark.parametrize(
    "status", ["201 Created", "204 No Content", "206 Partial", "404 Not Found", "410 Gone", "500 X"]
)
def test_any_status_but_200_is_an_error(status: str, host: DocumentHost) -> None:
    error = refused(host.serve("/c.json", reply(OK, status=status)))
    assert (error.cause, error.status) == (Cause.STATUS, int(status[:3]))


def test_a_304_is_an_answer_only_to_a_condition(host: DocumentHost) -> None:
    url = host.serve("/c.json", reply(b"", status="304 Not Modified", headers={"ETag": '"1"'}))
    assert refused(url).cause is Cause.STATUS
    response = fetch(DOCUMENT, url, headers={"If-None-Match": '"1"'})
    assert (response.status, response.body) == (304, b"")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "text/plain",
        "",
        "application/json, text/html",
        "application/jsonp",
        "text/json",
        "application/+json",
    ],
)
def test_a_wrong_content_type_is_refused(content_type: str, host: DocumentHost) -> None:
    error = refused(host.serve("/c.json", reply(OK, content_type=content_type)))
    assert error.cause is Cause.CONTENT_TYPE


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/json;charset=utf-8", "application/cimd+json"],
)
def test_json_and_its_relatives_are_accepted(content_type: str, host: DocumentHost) -> None:
    assert fetch(DOCUMENT, host.serve("/c.json", reply(OK, content_type=content_type))).body == OK


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x"])
def test_a_compressed_answer_is_refused_before_it_is_read(encoding: str, host: DocumentHost) -> None:
    error = refused(host.serve("/c.json", reply(b"\x1f\x8b" * 100, headers={"Content-Encoding": encoding})))
    assert error.cause is Cause.ENCODING


LIMIT = DOCUMENT.limits.max_bytes
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 999999999\r\n\r\n{",
        HEAD + b"Content-Length: " + b"9" * 4000 + b"\r\n\r\n{",
        HEAD + b"\r\n" + b" " * (LIMIT + 1),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"400\r\n" + b" " * 1024 + b"\r\n") * 6 + b"0\r\n\r\n",
    ],
)
def test_an_answer_over_the_cap_is_refused(answer: bytes, host: DocumentHost) -> None:
    assert refused(host.serve("/c.json", raw(answer))).cause is Cause.TOO_LARGE


def test_an_answer_of_exactly_the_cap_is_accepted(host: DocumentHost) -> None:
    assert len(fetch(DOCUMENT, host.serve("/c.json", reply(b" " * LIMIT))).body) == LIMIT
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"400\r\n" + b" " * 1024 + b"\r\n") * 5 + b"0\r\n\r\n"
    assert len(fetch(DOCUMENT, host.serve("/d.json", raw(chunked))).body) == LIMIT


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        HEAD + b"Content-Length: 100\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
        HEAD + b"X: y\r\n" * 200 + b"\r\n{}",
        HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n{}",
    ],
)
def test_malformed_http_is_refused(answer: bytes, host: DocumentHost) -> None:
    assert refused(host.serve("/c.json", raw(answer))).cause is Cause.PROTOCOL


def test_a_closed_port_says_so(host: DocumentHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with allowing(("localhost", port)):
        assert refused(f"https://localhost:{port}/").cause is Cause.CONNECT


def test_plain_text_on_the_tls_port_says_so(tmp_path: Path) -> None:
    with document_host() as plain, allowing(("localhost", plain.port), bundle=write_bundle(CA, tmp_path)):
        plain.serve("/", reply(OK))
        assert refused(f"https://localhost:{plain.port}/").cause in {Cause.TLS, Cause.TIMEOUT}


# --- One deadline ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Slow: " + b"y" * 500,
        HEAD + b"Content-Length: 500\r\n\r\n" + b" " * 500,
        HEAD + b"\r\n" + b" " * 500,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 100,
    ],
    ids=["headers", "length", "until-close", "chunked"],
)
def test_a_slow_drip_ends_at_the_deadline(answer: bytes, host: DocumentHost) -> None:
    """Each byte arrives well within a socket's own timeout; all of them together do not arrive in time."""
    url = host.serve("/c.json", drip(answer, every=0.02))
    started = time.monotonic()
    assert refused(url).cause is Cause.TIMEOUT
    assert time.monotonic() - started < 1.0


@pytest.mark.usefixtures("hasty")
def test_silence_ends_at_the_deadline(host: DocumentHost) -> None:
    started = time.monotonic()
    assert refused(host.serve("/c.json", reply(OK, after=3))).cause is Cause.TIMEOUT
    assert time.monotonic() - started < 1.0


@pytest.mark.usefixtures("hasty")
def test_a_handshake_that_never_comes_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with allowing(("localhost", port)):
            started = time.monotonic()
            assert refused(f"https://localhost:{port}/").cause is Cause.TIMEOUT
            assert time.monotonic() - started < 1.0


@pytest.mark.usefixtures("hasty")
def test_a_resolver_that_hangs_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any, **__: Any) -> Any:
        time.sleep(1.5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    started = time.monotonic()
    assert refused("https://client.example.com/").cause is Cause.TIMEOUT
    assert time.monotonic() - started < 1.0


# --- Laws ------------------------------------------------------------------------------------------------------------


def test_no_network_while_a_transaction_is_open(host: DocumentHost, connected: list[Any]) -> None:
    token = _settling.set(True)
    try:
        with pytest.raises(RuntimeError, match="law 2"):
            fetch(DOCUMENT, host.url("/client.json"))
    finally:
        _settling.reset(token)
    assert connected == []


def test_a_body_is_posted_and_any_2xx_is_success(host: DocumentHost) -> None:
    response = fetch(Role.WEBHOOK, host.serve("/hook", reply(b"", status="204 No Content")), body=b"{}")
    assert response.status == 204
    assert host.requests[0].startswith("POST /hook HTTP/1.1\r\n")


def test_every_cause_explains_itself() -> None:
    assert all(cause.sentence.endswith(".") for cause in Cause)
    assert len({role.value for role in Role}) == len(Role.__members__)
