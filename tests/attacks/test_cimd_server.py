"""Attacks 1 to 13 on a running server: hostile document hosts over TLS, a lying resolver, sockets counted."""

import contextlib
import json
import socket
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import requests
import trustme
from cryptography.hazmat.primitives.asymmetric import ec

from authz.protocol.document_lifetimes import retry_after
from cimd.settlement import BOUNDS
from demo.gatehouse import Gatehouse
from tests.cimd.documents import client_assertion, jwks
from tests.cimd.pictures import picture
from tests.support import databases, watched
from tests.support.document_host import DocumentHost, document_host, drip, raw, reply, write_bundle
from tests.support.world import CHALLENGE

pytestmark = pytest.mark.any_database

NAMES = {
    "rebinding.example.com": [["93.184.216.34"], ["127.0.0.1"]],
    "mixed.example.com": [["93.184.216.34", "10.0.0.1"]],
    "metadata.example.com": [["169.254.169.254"]],
    "mapped.example.com": [["::ffff:127.0.0.1"]],
    "nat64.example.com": [["64:ff9b::7f00:1"]],
    "sixtofour.example.com": [["2002:7f00:1::"]],
    "private.example.com": [["192.168.1.1"]],
    "loopback.example.com": [["127.0.0.1"]],
}
CALLBACK = "http://localhost/callback"
CONFIGURATION = """
resources: [{identifier: "http://127.0.0.1:9200/mcp", name: Notes, default: true, scopes: [{name: "mcp:read"}]}]
cimd: {trusted_hosts: ["*"], blocked_hosts: [blocked.example.com]}
"""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass(slots=True)
class Attacked:
    """A running server, the host that attacks it, and what its sockets were told."""

    gatehouse: Gatehouse
    documents: DocumentHost
    log: Path
    canary: socket.socket

    def authorize(self, client_id: str, redirect_uri: str = CALLBACK) -> requests.Response:
        params = {"client_id": client_id, "redirect_uri": redirect_uri, "response_type": "code", "state": "x"}
        params |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        return self.get(f"{self.gatehouse.issuer}/authorize?{urlencode(params, quote_via=quote)}")

    def get(self, url: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, allow_redirects=False, timeout=30)

    def token(self, **params: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(f"{self.gatehouse.issuer}/token", data=params, timeout=30)

    def accepts(self, client_id: str) -> bool:
        """Whether the server goes on with this client (to the sign-in page)."""
        response = self.authorize(client_id)
        assert response.status_code in {302, 400, 503}, response.text
        return response.status_code == 302 and "/accounts/login/" in response.headers["Location"]

    def connected(self) -> set[tuple[str, int]]:
        """Where the server has connected to, but for the document host."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        seen = {(address, int(port)) for address, _, port in (line.partition("|") for line in lines)}
        return seen - {("127.0.0.1", self.documents.port)}

    def forget_failures(self) -> None:
        """Let every document be stale and every host be asked again, as time would."""
        with contextlib.closing(sqlite3.connect(self.gatehouse.directory / "gatehouse.sqlite3", timeout=20)) as db:
            db.execute("UPDATE cimd_document SET retry_at = 0, fresh_until = 1")
            db.execute("DELETE FROM cimd_fetchwindow")
            db.execute("UPDATE authz_generation SET value = random()")
            db.commit()

    def clients(self, pattern: str) -> list[tuple[Any, ...]]:
        """(token_endpoint_auth_method, status) of the clients whose id is LIKE `pattern`."""
        query = "SELECT token_endpoint_auth_method, status FROM authz_client WHERE client_id LIKE ?"
        return self.rows(query, pattern)

    def rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.gatehouse.directory / "gatehouse.sqlite3", timeout=20)) as db:
            return db.execute(query, values).fetchall()


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    directory = tmp_path_factory.mktemp("attacked")
    ca = trustme.CA()
    names, log = directory / "names.json", directory / "connected"
    names.write_text(json.dumps(NAMES))
    databases.prepare(directory / "gatehouse.sqlite3")
    with document_host(ca) as documents, socket.create_server(("127.0.0.1", 0)) as canary:
        settings = {
            "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": f"localhost:{documents.port}",
            "GATEHOUSE_OUTBOUND_CA_BUNDLE": write_bundle(ca, directory),
            "PYTHONPATH": str(Path(watched.__file__).parent),
            "WATCHED_NAMES": str(names),
            "WATCHED_LOG": str(log),
        }
        with Gatehouse(directory, settings=settings) as gatehouse:
            gatehouse.apply(CONFIGURATION)
            yield Attacked(gatehouse, documents, log, canary)


@pytest.fixture(autouse=True)
def _no_connection_to_anywhere_else(attacked: Attacked) -> Iterator[None]:
    """After each attack: the canary was never touched, and no socket was told any address but a public one."""
    attacked.forget_failures()
    before = attacked.connected()
    yield
    assert attacked.connected() - before <= {("93.184.216.34", 443)}
    attacked.canary.setblocking(False)
    with pytest.raises(BlockingIOError):
        attacked.canary.accept()


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


# --- 7: changes ------------------------------------------------------------------------------------------------------


def test_authentication_is_never_downgraded_silently(attacked: Attacked) -> None:
    keyed = {"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks("one")}
    client_id = attacked.documents.document("/downgrade.json", **keyed)
    assert attacked.accepts(client_id)
    attacked.documents.document("/downgrade.json")
    attacked.forget_failures()
    assert attacked.authorize(client_id).status_code == 403  # waits for an approval
    refused = attacked.token(grant_type="authorization_code", client_id=client_id, code="x")
    assert refused.json()["error"] in {"invalid_client", "unauthorized_client"}
    assert attacked.clients(client_id) == [("private_key_jwt", "pending")]


# --- 10: floods ------------------------------------------------------------------------------------------------------


def test_concurrent_first_sights_of_one_document_make_one_fetch_over_all_processes(attacked: Attacked) -> None:
    url = attacked.documents.document("/popular.json")
    document = attacked.documents.handlers["/popular.json"]

    def slowly(connection: socket.socket, head: str) -> None:
        time.sleep(1)
        document(connection, head)

    attacked.documents.serve("/popular.json", slowly)
    with ThreadPoolExecutor(12) as pool:
        statuses = [response.status_code for response in pool.map(attacked.authorize, [url] * 12)]
    assert attacked.documents.seen("/popular.json") == 1
    assert set(statuses) <= {302, 503}  # few may wait for it, so that threads are left for others
    assert statuses.count(302) >= 4


def test_two_hundred_unknown_clients_on_one_slow_host_delay_no_other_and_keep_to_the_budget(attacked: Attacked) -> None:
    documents = attacked.documents
    under_way, most, lock = 0, 0, threading.Lock()

    def slow(connection: socket.socket, head: str) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(2)
        with lock:
            under_way -= 1
        connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    urls = [documents.serve(f"/slow-{number}.json", slow) for number in range(200)]
    known = documents.document("/plain.json")
    assert attacked.accepts(known)
    latencies: list[float] = []
    done = threading.Event()

    def others() -> None:
        while not done.is_set():
            started = time.monotonic()
            assert attacked.authorize(known).status_code == 302
            latencies.append(time.monotonic() - started)

    with ThreadPoolExecutor(203) as pool:
        watching = [pool.submit(others) for _ in range(2)]
        statuses = [response.status_code for response in pool.map(attacked.authorize, urls)]
        done.set()
        for watch in watching:
            watch.result()
    assert set(statuses) <= {400, 503}
    assert statuses.count(503) >= 150
    assert most <= 2
    assert sum(documents.seen(f"/slow-{number}.json") for number in range(200)) <= 30
    assert statistics.quantiles(latencies, n=100)[98] < 2.0


# --- 11: what people see ---------------------------------------------------------------------------------------------


def test_markup_in_a_document_never_becomes_markup_on_a_page(attacked: Attacked) -> None:
    attacked.gatehouse.apply("cimd: {trusted_hosts: []}")
    try:
        client_id = attacked.documents.document("/markup.json", client_name="<img src=x onerror=alert(1)>\u202e")
        page = attacked.authorize(client_id)
        assert page.status_code == 403
        assert "<img src=x" not in page.text
        assert "\u202e" not in page.text
    finally:
        attacked.gatehouse.apply(CONFIGURATION)


def test_the_server_describes_itself(attacked: Attacked) -> None:
    metadata = attacked.gatehouse.metadata()
    assert metadata["client_id_metadata_document_supported"] is True
    assert "none" in metadata["token_endpoint_auth_methods_supported"]
    assert "registration_endpoint" not in metadata


def test_inspect_explains_check_by_check(attacked: Attacked) -> None:
    documents = attacked.documents
    documents.serve("/logo.png", reply(picture("PNG"), content_type="image/png"))
    url = documents.document("/inspected.json", grant_types=["authorization_code", "implicit"])
    told = attacked.gatehouse.manage("cimd", "inspect", url)
    assert "NARROWED grant_types: Left out" in told
    assert "The document is accepted." in told
    with pytest.raises(RuntimeError, match="REFUSED  identifier: It has a fragment"):
        attacked.gatehouse.manage("cimd", "inspect", f"{url}#x")
    with pytest.raises(RuntimeError, match="REFUSED  fetch: The host answered with a status other than 200"):
        attacked.gatehouse.manage("cimd", "inspect", documents.url("/nowhere.json"))
    assert attacked.clients(url) == []
