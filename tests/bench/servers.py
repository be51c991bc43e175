"""The servers that are measured, and what they are measured with."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import trustme

from tests.support import world
from tests.support.document_host import DocumentHost, reply

ROOT = Path(__file__).resolve().parents[2]
ES256 = "http://127.0.0.1:9201/mcp"
CHAT = "https://auth.chat.example/"
PASSED_ON = "http://127.0.0.1:9202/mcp"
CHAT_MCP = "https://mcp.chat.example/mcp"
AGENT_SECRET = "cross-app-agent-secret-0123456789-0123456789"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
WORKERS = "2"


def extra(issuer: str) -> str:
    """What the bench needs beyond the tests' world; `issuer` is a trusted one, on loopback."""
    return f"""
clients:
  - client_id: notes-server
    status: approved
    grant_types: [client_credentials, "{TOKEN_EXCHANGE}"]
    client_secret: {world.SERVER_SECRET}
  - client_id: cross-app-agent
    status: approved
    grant_types: ["{JWT_BEARER}", "{TOKEN_EXCHANGE}"]
    client_secret: {AGENT_SECRET}
cimd:
  trusted_hosts: [localhost]
trusted_issuers:
  - issuer: {issuer}
    jwks_uri: {issuer}/jwks
    accepts: [id-jag, id_token]
    subjects: {{match: [sub, email]}}
    client_ids: {{their-agent: cross-app-agent}}
resource_authorization_servers:
  - issuer: {CHAT}
    id_jag_signing_alg: ES256
    resources: [{{identifier: "{CHAT_MCP}", scopes: [chat.read]}}]
    client_ids: {{cross-app-agent: their-agent}}
resources:
  - identifier: {ES256}
    name: Notes, ES256
    access_token_signing_alg: ES256
    introspection_clients: [notes-server]
    decision_clients: [notes-server]
    exchange_clients: [notes-server]
    scope_mappings: [{{to: "{PASSED_ON}", scopes: {{"mcp:read": ["search:read"]}}}}]
    scopes: [{{name: "mcp:read"}}]
  - identifier: {PASSED_ON}
    access_token_signing_alg: ES256
    scopes: [{{name: "search:read"}}]
rules:
  - name: Notes asks Search
    effect: allow
    clients: [notes-server]
    through: [nightly-report]
    grant_types: ["{TOKEN_EXCHANGE}"]
    resources: ["{PASSED_ON}"]
    scopes: ["search:read"]
  - name: Agents read the other notes
    effect: allow
    clients: [nightly-report, signing-agent]
    resources: ["{ES256}"]
    scopes: ["mcp:read"]
  - name: Engineers use agents on the other notes
    effect: allow
    clients: ["*"]
    groups: [engineering]
    grant_types: [authorization_code]
    resources: ["{ES256}"]
    scopes: ["mcp:read"]
  - name: Engineers go across
    effect: allow
    clients: [cross-app-agent]
    groups: [engineering]
    resources: ["{ES256}", "{CHAT_MCP}"]
    scopes: ["*"]
"""


@dataclass(frozen=True, slots=True)
class Server:
    issuer: str
    documents: DocumentHost
    process: subprocess.Popen[bytes]
    environment: dict[str, str]

    @property
    def token(self) -> str:
        return f"{self.issuer}/token"

    @property
    def introspect(self) -> str:
        return f"{self.issuer}/introspect"

    @property
    def evaluation(self) -> str:
        return f"{self.issuer}/access/v1/evaluation"

    @property
    def events(self) -> str:
        return f"{self.issuer}/access/v1/events"

    def authorize(self, client_id: str, redirect_uri: str) -> str:
        """An authorization request of a person who is not signed in."""
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "code_challenge": world.CHALLENGE,
            "code_challenge_method": "S256",
            "resource": ES256,
        }
        return f"{self.issuer}/authorize?{urlencode(query)}"

    @property
    def metadata(self) -> str:
        return f"{self.issuer}/.well-known/openid-configuration"

    def memory(self) -> list[float]:
        """The proportional set size of each worker, in MiB."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        children = [child for task in tasks for child in (task / "children").read_text().split()]
        # The other child runs the scheduled tasks (authz/serving/processes.py).
        return [_proportional_size(pid) for pid in children if "serve" in Path(f"/proc/{pid}/comm").read_text()]


def _proportional_size(pid: str) -> float:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1)) / 1024


@dataclass(frozen=True, slots=True)
class Prepared:
    es256: str
    rs256: str
    access_token: str
    assertions: Path
    refresh_tokens: Path
    id_jags: Path
    exchange: str

    @property
    def passed_on(self) -> str:
        """The exchange of the access token for one of the next server."""
        return urlencode(
            {
                "grant_type": TOKEN_EXCHANGE,
                "subject_token": self.access_token,
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "resource": PASSED_ON,
            }
        )


@contextmanager
def ceiling() -> Iterator[str]:
    port = free_port()
    with running(port, *granian(port, "tests.bench.ceiling:application")):
        yield f"http://127.0.0.1:{port}"


def granian(port: int, application: str) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", WORKERS, "--blocking-threads", "1", "--no-ws", application),
    ]


@contextmanager
def running(port: int, *command: str, **environment: str) -> Iterator[int]:
    """A server that listens on that port; gives its process."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=quiet, stderr=quiet)
    try:
        _wait(port)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def gatehouse(folder: Path) -> Iterator[Server]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}/o"
    authority = trustme.CA()
    documents = DocumentHost(authority)
    bundle = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    environment = os.environ | {
        "GATEHOUSE_ISSUER": issuer,
        "GATEHOUSE_SECRET_KEY": "bench-only-secret-key-0123456789-0123456789-0123456789",
        "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{folder}/bench.sqlite3",
        "GATEHOUSE_OUTBOUND_ALLOWED_HOSTS": f"localhost:{documents.port}",
        "GATEHOUSE_OUTBOUND_CA_BUNDLE": str(bundle),
        "PORT": str(port),
    }
    configuration = folder / "bench.yaml"
    configuration.write_text(world.configuration())
    more = folder / "more.yaml"
    more.write_text(extra(documents.url("")))
    for arguments in (["migrate", "--verbosity", "0"], ["keys", "ensure"], ["apply", configuration], ["apply", more]):
        subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=True, capture_output=True
        )
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "authz.serving"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait(port)
        yield Server(issuer, documents, process, environment)
    finally:
        process.terminate()
        process.wait(10)
        documents.stop()


def prepare(server: Server, folder: Path, *, assertions: int, families: int) -> Prepared:
    """Tokens and assertions for the runs, made in a process of their own on the server's database."""
    trusted = server.documents.url("")
    command = [sys.executable, "-m", "tests.bench.prepare", str(folder), str(assertions), str(families), trusted]
    subprocess.run(command, cwd=ROOT, env=server.environment, check=True)
    server.documents.serve("/jwks", reply((folder / "jwks.json").read_bytes()))
    request = urllib.request.Request(  # noqa: S310  our own server on loopback
        server.token,
        data=f"grant_type=client_credentials&resource={ES256}".encode(),
        headers={
            "Authorization": world.basic_header("nightly-report", world.SECRET),
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        token = json.load(response)["access_token"]
    return Prepared(
        es256=ES256,
        rs256=world.NOTES,
        access_token=token,
        assertions=folder / "assertions.txt",
        refresh_tokens=folder / "refresh-tokens.txt",
        id_jags=folder / "id-jags.txt",
        exchange=(folder / "exchange.txt").read_text(),
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                time.sleep(1.5)
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not come up")
