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

from tests.support import world

ROOT = Path(__file__).resolve().parents[2]
ES256 = "http://127.0.0.1:9201/mcp"
WORKERS = "2"
EXTRA = f"""
resources:
  - identifier: {ES256}
    name: Notes, ES256
    access_token_signing_alg: ES256
    introspection_clients: [notes-server]
    scopes: [{{name: "mcp:read"}}]
rules:
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
"""


@dataclass(frozen=True, slots=True)
class Server:
    issuer: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]

    @property
    def token(self) -> str:
        return f"{self.issuer}/token"

    @property
    def introspect(self) -> str:
        return f"{self.issuer}/introspect"

    @property
    def metadata(self) -> str:
        return f"{self.issuer}/.well-known/openid-configuration"

    def memory(self) -> list[float]:
        """The proportional set size of each worker, in MiB."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        sizes = []
        for child in children:
            rollup = Path(f"/proc/{child}/smaps_rollup").read_text()
            found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if found and b"resource_tracker" not in command:
                sizes.append(int(found.group(1)) / 1024)
        return sizes


@dataclass(frozen=True, slots=True)
class Prepared:
    es256: str
    rs256: str
    access_token: str
    assertions: Path
    refresh_tokens: Path


@contextmanager
def ceiling() -> Iterator[str]:
    port = _free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", WORKERS, "--blocking-threads", "1", "--no-ws", "tests.bench.ceiling:application"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def gatehouse(folder: Path) -> Iterator[Server]:
    port = _free_port()
    issuer = f"http://127.0.0.1:{port}/o"
    environment = os.environ | {
        "GATEHOUSE_ISSUER": issuer,
        "GATEHOUSE_SECRET_KEY": "bench-only-secret-key-0123456789-0123456789-0123456789",
        "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{folder}/bench.sqlite3",
        "PORT": str(port),
        "WORKERS": WORKERS,
    }
    configuration = folder / "bench.yaml"
    configuration.write_text(world.configuration())
    extra = folder / "extra.yaml"
    extra.write_text(EXTRA)
    for arguments in (["migrate", "--verbosity", "0"], ["keys", "ensure"], ["apply", configuration], ["apply", extra]):
        subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=True, capture_output=True
        )
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "authz.serve"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait(port)
        yield Server(issuer, process, environment)
    finally:
        process.terminate()
        process.wait(10)


def prepare(server: Server, folder: Path, *, assertions: int, families: int) -> Prepared:
    """Tokens and assertions for the runs, made in a process of their own on the server's database."""
    command = [sys.executable, "-m", "tests.bench.prepare", str(folder), str(assertions), str(families)]
    subprocess.run(command, cwd=ROOT, env=server.environment, check=True)
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
    return Prepared(ES256, world.NOTES, token, folder / "assertions.txt", folder / "refresh-tokens.txt")


def _free_port() -> int:
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
