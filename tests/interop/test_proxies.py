"""The files of deploy/ in the programs that they are for: nginx serves, Caddy and systemd read theirs."""

import http.client
import json
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trustme

from demo.processes import ROOT, free_port
from tests.support import databases, processes
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET, basic_header, configuration

DEPLOY = ROOT / "deploy"
CLIENT = "127.0.0.5"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Proxy:
    """nginx before one node that serves and one that is down."""

    port: int
    trust: ssl.SSLContext
    node: RunningGatehouse

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, bytes]:
        """From an address of its own, so that it can be told from the proxy's."""
        connection = http.client.HTTPSConnection(
            "localhost", self.port, context=self.trust, source_address=(CLIENT, 0), timeout=30
        )
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = response.status, response.read()
        connection.close()
        return found

    def token(self, **headers: str) -> tuple[int, bytes]:
        authorization = basic_header("nightly-report", SECRET)
        body = urlencode({"grant_type": "client_credentials"})
        return self.ask("POST", "/o/token", body, Authorization=authorization, **{"Content-Type": FORM}, **headers)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    directory, port, authority = tmp_path_factory.mktemp("proxy"), free_port(), trustme.CA()
    issuer = f"https://localhost:{port}/o"
    with (
        databases.database(directory, configuration(), GATEHOUSE_ISSUER=issuer) as url,
        processes.running(
            url, directory, workers=1, GATEHOUSE_ISSUER=issuer, GATEHOUSE_TRUSTED_PROXIES="127.0.0.1"
        ) as node,
    ):
        certificate = authority.issue_cert("localhost")
        certificate.cert_chain_pems[0].write_to_path(directory / "fullchain.pem")
        certificate.private_key_pem.write_to_path(directory / "privkey.pem")
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        with nginx(directory, port, node.server.env["PORT"]):
            yield Proxy(port, trust, node)


class nginx:
    """The file of deploy/ with addresses and certificates of this test."""

    def __init__(self, directory: Path, port: int, node: str, other: str | None = None) -> None:
        own = (DEPLOY / "nginx.conf").read_text()
        for written, here in {
            "listen 443 ": f"listen 127.0.0.1:{port} ",
            "127.0.0.1:8000": f"127.0.0.1:{node}",
            "127.0.0.1:8001": f"127.0.0.1:{other or free_port()}",
            "auth.example.com": "localhost",
            "/etc/ssl/gatehouse/": f"{directory}/",
        }.items():
            assert written in own
            own = own.replace(written, here)
        self.file, self.directory = directory / "nginx.conf", directory
        head = f"daemon off; pid {directory}/nginx.pid; error_log stderr; events {{}}\n"
        self.file.write_text(f"{head}http {{ access_log off;\n{own}}}\n")

    def __enter__(self) -> None:
        with (self.directory / "nginx.log").open("wb") as log:
            self.process = subprocess.Popen(["nginx", "-p", str(self.directory), "-c", str(self.file)], stderr=log)
        deadline = time.monotonic() + 20
        while not (self.directory / "nginx.pid").exists():
            assert self.process.poll() is None, (self.directory / "nginx.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)


def test_tokens_go_through_tls_while_one_of_two_nodes_is_down(proxy: Proxy) -> None:
    answers = [proxy.token() for _ in range(6)]
    assert {status for status, _ in answers} == {200}
    assert json.loads(answers[0][1])["access_token"]


def test_the_metadata_name_the_proxys_address(proxy: Proxy) -> None:
    status, body = proxy.ask("GET", "/.well-known/oauth-authorization-server/o")
    assert status == 200
    assert json.loads(body)["issuer"] == f"https://localhost:{proxy.port}/o"


def test_the_audit_has_the_senders_address_and_not_the_one_that_it_claims(proxy: Proxy) -> None:
    assert proxy.token(**{"X-Forwarded-For": "203.0.113.9"})[0] == 200
    found = proxy.node.manage(
        "shell",
        "-c",
        "from authz.models import AuditEvent as A\n"
        "print('found', *set(A.objects.filter(event='token:access:issued').values_list('address', flat=True)))",
    )
    assert found.splitlines()[-1] == f"found {CLIENT}"


def test_the_metrics_are_not_shown_outside(proxy: Proxy) -> None:
    status, body = proxy.ask("GET", "/metrics")
    assert status == 404
    assert b"nginx" in body


def test_caddy_reads_its_file() -> None:
    command = ["caddy", "adapt", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "reverse_proxy" in done.stdout
    assert "/readyz" in done.stdout


def test_systemd_reads_its_file(tmp_path: Path) -> None:
    unit = (DEPLOY / "gatehouse.service").read_text()
    assert "/srv/gatehouse/.venv/bin/python" in unit
    file = tmp_path / "gatehouse.service"
    # systemd looks for the program, which is not there on this machine.
    file.write_text(re.sub(r"/srv/gatehouse/\.venv/bin/python", sys.executable, unit))
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
