"""A running server, the document host that attacks it, a lying resolver, and all sockets counted."""

import contextlib
import json
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import requests
import trustme

from demo.gatehouse import Gatehouse
from tests.support import databases, watched
from tests.support.document_host import DocumentHost, document_host, write_bundle
from tests.support.world import CHALLENGE

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


@pytest.fixture(scope="session")
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
def no_connection_to_anywhere_else(attacked: Attacked) -> Iterator[None]:
    """After each attack: the canary was never touched, and no socket was told any address but a public one."""
    attacked.forget_failures()
    before = attacked.connected()
    yield
    assert attacked.connected() - before <= {("93.184.216.34", 443)}
    attacked.canary.setblocking(False)
    with pytest.raises(BlockingIOError):
        attacked.canary.accept()
