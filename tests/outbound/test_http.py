"""What is asked and what counts as an answer (attacks 3, 4)."""

import socket
from pathlib import Path

import pytest

from authz.outbound import Cause, Role, fetch
from tests.outbound.support import CA, DOCUMENT, HEAD, OK, allowing, refused
from tests.support.document_host import DocumentHost, document_host, raw, reply, write_bundle


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


def test_the_environment_names_no_proxy(host: DocumentHost, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetch(DOCUMENT, host.serve("/client.json", reply(OK))).body == OK


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


def test_a_body_is_posted_and_any_2xx_is_success(host: DocumentHost) -> None:
    response = fetch(Role.WEBHOOK, host.serve("/hook", reply(b"", status="204 No Content")), body=b"{}")
    assert response.status == 204
    assert host.requests[0].startswith("POST /hook HTTP/1.1\r\n")
