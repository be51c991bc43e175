"""Attacks 1 to 6 on a running server: hostile document hosts over TLS, a lying resolver, sockets counted."""

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authz.protocol.document_lifetimes import retry_after
from cimd.settlement import BOUNDS
from tests.attacks.cimd_server import CALLBACK, HEAD, NAMES, Attacked, no_connection_to_anywhere_else
from tests.cimd.documents import client_assertion
from tests.support.document_host import drip, raw, reply

__all__ = ["no_connection_to_anywhere_else"]
pytestmark = pytest.mark.any_database


def test_a_plain_document_is_accepted(attacked: Attacked) -> None:
    assert attacked.accepts(attacked.documents.document("/plain.json"))


# --- 1: URLs in the document -----------------------------------------------------------------------------------------


def secondary_urls(attacked: Attacked) -> list[str]:
    port = attacked.canary.getsockname()[1]
    return [
        "https://169.254.169.254/latest/meta-data",
        f"https://127.0.0.1:{port}/x",
        f"https://localhost:{port}/x",
        f"https://[::1]:{port}/x",
        "https://metadata.example.com/x",
        "https://private.example.com/x",
        "https://mapped.example.com/x",
        f"https://2130706433:{port}/x",
        f"http://127.0.0.1:{port}/x",
        "file:///etc/passwd",
    ]


def test_a_logo_uri_reaches_nothing_private(attacked: Attacked) -> None:
    for number, url in enumerate(secondary_urls(attacked)):
        path = f"/logo-{number}.json"
        assert attacked.accepts(attacked.documents.document(path, logo_uri=url, client_uri=url))
    assert attacked.rows("SELECT count(*) FROM cimd_logo WHERE url NOT LIKE 'https://localhost:%'") == [(0,)]


def test_a_jwks_uri_reaches_nothing_private(attacked: Attacked) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    for number, url in enumerate(secondary_urls(attacked)):
        members = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": url}
        client_id = attacked.documents.document(f"/jwks-{number}.json", **members)
        signed = client_assertion(client_id, key, attacked.gatehouse.issuer)
        response = attacked.token(grant_type="client_credentials", **signed)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


# --- 2: names and addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_name_with_a_forbidden_address_is_not_connected_to(name: str, attacked: Attacked) -> None:
    for _ in range(2):
        assert not attacked.accepts(f"https://{name}/client.json")
        attacked.forget_failures()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:7f00:1]", "0.0.0.1", "2130706433", "0177.0.0.1",
     "0x7f.1", "127.1", "localhost.", "localhost"],
)  # fmt: skip
def test_an_address_in_any_spelling_is_not_connected_to(host: str, attacked: Attacked) -> None:
    port = attacked.canary.getsockname()[1]
    assert not attacked.accepts(f"https://{host}:{port}/client.json")


# --- 3 and 4: answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"])
def test_no_redirect_is_followed(status: str, attacked: Attacked) -> None:
    documents, port = attacked.documents, attacked.canary.getsockname()[1]
    for number, target in enumerate((documents.document("/target.json"), f"https://127.0.0.1:{port}/")):
        away = reply(b"", status=status, headers={"Location": target})
        seen = documents.seen("/target.json")
        assert not attacked.accepts(documents.serve(f"/away-{status[:3]}-{number}.json", away))
        for kind, members in (
            ("logo", {"logo_uri": documents.serve("/away-logo", away)}),
            ("keys", {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": documents.url("/away-logo")}),
        ):
            client_id = documents.document(f"/redirecting-{kind}-{status[:3]}-{number}.json", **members)
            assert attacked.accepts(client_id)
        assert documents.seen("/target.json") == seen


HOSTILE = {
    "compressed": reply(b"\x1f\x8b\x08" + b"\0" * 500, headers={"Content-Encoding": "gzip"}),
    "oversize": reply(b" " * 6000),
    "endless": raw(HEAD + b"\r\n" + b"{" * 500_000),
    "announced": raw(HEAD + b"Content-Length: 99999999999\r\n\r\n{"),
    "html": reply(b"<html>", content_type="text/html"),
    "plain": reply(b"{}", content_type="text/plain"),
    "array": reply(b"[]"),
    "string": reply(b'"x"'),
    "null": reply(b"null"),
    "empty": reply(b""),
    "nothing": raw(b""),
    "garbage": raw(b"\x00\xff\r\n\r\n"),
    "bom": reply(b"\xef\xbb\xbf{}"),
    "utf-16": reply("{}".encode("utf-16")),
    "utf-8": reply(b'{"client_id": "\xff"}'),
    "duplicate": reply(b'{"client_id": "a", "client_id": "b"}'),
    "nan": reply(b'{"a": NaN}'),
    "huge-number": reply(b'{"a": ' + b"9" * 4000 + b"}"),
    "deep": reply(b'{"a":' * 800 + b"1" + b"}" * 800),
    "nul": reply(b'{"client_id": "\\u0000"}'),
    "surrogate": reply(b'{"client_name": "\\ud800"}'),
    "500": reply(b"{}", status="500 Oops"),
    "204": reply(b"", status="204 No Content"),
    "206": reply(b"{}", status="206 Partial"),
    "304": reply(b"", status="304 Not Modified", headers={"ETag": '"1"'}),
    "headers": raw(HEAD + b"X: y\r\n" * 500 + b"\r\n{}"),
    "hung-up": raw(HEAD + b"Content-Length: 50\r\n\r\n{"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_refused(name: str, attacked: Attacked) -> None:
    client_id, started = attacked.documents.serve(f"/hostile-{name}.json", HOSTILE[name]), time.monotonic()
    assert not attacked.accepts(client_id)
    assert not attacked.accepts(client_id)  # and stays so, without being asked again at once
    is_at_once = time.monotonic() - started < retry_after(1, BOUNDS)
    assert attacked.documents.seen(f"/hostile-{name}.json") == 1 or not is_at_once
    assert attacked.clients(client_id) == []


def test_a_slow_drip_ends_at_the_deadline(attacked: Attacked) -> None:
    started = time.monotonic()
    url = attacked.documents.serve("/drip.json", drip(HEAD + b"\r\n" + b" " * 4000, every=0.1))
    assert not attacked.accepts(url)
    assert time.monotonic() - started < 8


# --- 5 and 6: identifiers and redirect URIs --------------------------------------------------------------------------


def test_one_document_has_one_spelling(attacked: Attacked) -> None:
    documents = attacked.documents
    url = documents.document("/one/client.json")
    assert attacked.accepts(url)
    connections = documents.connections
    port = documents.port
    for other in (
        f"HTTPS://localhost:{port}/one/client.json",
        f"https://LOCALHOST:{port}/one/client.json",
        f"https://localhost:{port}/one/./client.json",
        f"https://localhost:{port}/one/../one/client.json",
        f"https://localhost:{port}/one/%2e%2e/one/client.json",
        f"https://localhost:{port}/one/client.json#x",
        f"https://localhost:{port}\\one\\client.json",
        f"https://user@localhost:{port}/one/client.json",
        f"https://localhost:{port}/one/client.json\n",
        f"https://localhost:0{port}/one/client.json",
        f"https://localhost:{port}",
    ):
        assert not attacked.accepts(other), other
    assert documents.connections == connections
    # An address that only looks the same is another document, which would have to name itself so.
    documents.handlers["/one/clien%74.json"] = documents.handlers["/one/client.json"]
    assert not attacked.accepts(f"https://localhost:{port}/one/clien%74.json")
    assert len(attacked.clients("%/one/%")) == 1


@pytest.mark.parametrize(
    "redirect_uri",
    ["https://evil.example/cb", "https://localhost.evil.example/cb", "http://127.0.0.2/cb", "javascript:alert(1)",
     "JaVaScRiPt:alert(1)", "data:text/html,x", "cursor://x/cb", "http://localhost.evil/callback",
     "http://localhost:80@evil.example/callback", "http://localhost/other"],
)  # fmt: skip
def test_no_redirect_to_an_address_that_is_not_the_clients(redirect_uri: str, attacked: Attacked) -> None:
    listed = (
        [CALLBACK, redirect_uri] if redirect_uri != "http://localhost/other" and "@" not in redirect_uri else [CALLBACK]
    )
    path = f"/redirect-{abs(hash(redirect_uri))}.json"
    client_id = attacked.documents.document(path, redirect_uris=listed)
    for wrong in (client_id, attacked.documents.document("/plain.json")):
        response = attacked.authorize(wrong, redirect_uri)
        assert response.status_code == 400
        assert "Location" not in response.headers
        assert redirect_uri not in response.headers.get("Refresh", "")
