"""Nodes behind deploy/nginx.conf are restarted one after the other, under load: no request fails."""

import http.client
import os
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import trustme

from demo.processes import free_port
from tests.interop.test_proxies import FORM, nginx
from tests.support import databases, processes
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET, basic_header, configuration

CLIENTS, RESTARTS = 4, 4
# Seconds that nginx leaves a node alone which refused a connection (deploy/nginx.conf).
LEFT_OUT = 5.0


class Node:
    """A node at a port that stays the same. Each has a database of its own: nothing that is asked here is shared."""

    def __init__(self, stack: ExitStack, directory: Path, issuer: str) -> None:
        directory.mkdir()
        self.port, self.issuer, self.directory = str(free_port()), issuer, directory
        self.url = stack.enter_context(databases.database(directory, configuration(), GATEHOUSE_ISSUER=issuer))
        self.running: ExitStack | None = None
        stack.callback(self.stop)

    def start(self) -> None:
        self.running = ExitStack()
        self.server: RunningGatehouse = self.running.enter_context(
            processes.running(
                self.url,
                self.directory,
                PORT=self.port,
                GATEHOUSE_ISSUER=self.issuer,
                GATEHOUSE_TRUSTED_PROXIES="127.0.0.1",
            )
        )

    def stop(self) -> None:
        """As systemd and containers do: SIGTERM to the first process alone."""
        if self.running is not None:
            process = self.server.server.process
            assert process is not None
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(20) == 0
            self.running.close()
            self.running = None


@contextmanager
def load(port: int, trust: ssl.SSLContext) -> Iterator[list[int]]:
    """The statuses of all answers; -1 stands for a connection that broke."""
    over, statuses = threading.Event(), list[int]()
    headers = {"Authorization": basic_header("nightly-report", SECRET), "Content-Type": FORM}
    body = urlencode({"grant_type": "client_credentials"})

    def client() -> None:
        while not over.wait(0.01):
            connection = http.client.HTTPSConnection("localhost", port, context=trust, timeout=30)
            try:
                connection.request("POST", "/o/token", body, headers)
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
            except (OSError, http.client.HTTPException):
                statuses.append(-1)
            finally:
                connection.close()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def test_no_request_fails_while_nodes_are_restarted_one_after_the_other(tmp_path: Path) -> None:
    port, authority = free_port(), trustme.CA()
    issuer = f"https://localhost:{port}/o"
    certificate, trust = authority.issue_cert("localhost"), ssl.create_default_context()
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "fullchain.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "privkey.pem")
    authority.configure_trust(trust)
    with ExitStack() as stack:
        nodes = [Node(stack, tmp_path / name, issuer) for name in ("first", "second")]
        for node in nodes:
            node.start()
        stack.enter_context(nginx(tmp_path, port, nodes[0].port, nodes[1].port))
        with load(port, trust) as statuses:
            for number in range(RESTARTS):
                before = len(statuses)
                time.sleep(1)
                nodes[number % 2].stop()
                nodes[number % 2].start()
                # What restarts nodes waits for `/readyz`, and until the proxy uses the node again.
                time.sleep(LEFT_OUT + 1)
                assert len(statuses) > before
        assert {status: statuses.count(status) for status in set(statuses)} == {200: len(statuses)}
