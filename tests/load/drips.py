"""Sixty-four unknown clients with slow documents, and a slow webhook, beside honest clients (attack 41).

Each attacker has a host of its own, and names a new document as soon as the last was given up. Meanwhile an honest
host's agents are seen for the first time, an agent gets tokens, a person signs in, events are sealed, webhooks told.
"""

import contextlib
import itertools
import socket
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import requests
import trustme

from tests.support import databases, processes
from tests.support.document_host import DocumentHost, reply, write_bundle
from tests.support.processes import RunningGatehouse
from tests.support.world import NOTES, SECRET, configuration

ATTACKERS = 64
SIGNING = "whsec_" + "c2VjcmV0" * 5
# Of the honest: how often each is measured in peace. Of one host twenty agents may wait for an approval.
MEASURED = 5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
QUERY = (
    "response_type=code&redirect_uri=http%3A%2F%2Flocalhost%2Fcallback&state=x&code_challenge_method=S256"
    "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&scope=mcp%3Aread"
)


def drips(connection: socket.socket, _: str) -> None:
    """A byte now and then, for as long as the client reads: no single read times out."""
    connection.sendall(HEAD)
    while True:
        connection.sendall(b" ")
        time.sleep(0.5)


@dataclass(slots=True)
class Outcome:
    """Seconds in peace and under attack, by what was done; `dripped` are the connections that the attackers' hosts
    had.
    """

    peace: dict[str, list[float]] = field(default_factory=dict)
    attack: dict[str, list[float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    dripped: int = 0
    sealed: int = 0

    def slower(self, *, times: float, slack: float) -> list[str]:
        """What took longer than so many times as in peace, and some more for a machine that is shared."""
        found = []
        for name, seconds in self.attack.items():
            usual, now = statistics.median(self.peace[name]), statistics.median(seconds)
            if now > times * usual + slack:
                found.append(f"{name}: {now:.2f} s instead of {usual:.2f} s")
        return found

    def __str__(self) -> str:
        lines = [
            f"{name}: {statistics.median(self.peace[name]):.3f} s in peace, {statistics.median(seconds):.3f} s under"
            f" {ATTACKERS} drips (of {len(seconds)})"
            for name, seconds in self.attack.items()
        ]
        return "\n".join([*lines, f"{self.dripped} drips, {self.sealed} events sealed meanwhile"])


def drip(seconds: float, directory: Path) -> Outcome:
    """On a database of the kind that DATABASE_URL names."""
    ca, outcome = trustme.CA(), Outcome()
    with contextlib.ExitStack() as stack:
        hosts = [DocumentHost(ca) for _ in range(ATTACKERS + 1)]
        for host in hosts:
            stack.callback(host.stop)
        honest, slow = hosts[0], hosts[1:]
        url = stack.enter_context(databases.database(directory, configuration()))
        allowed = ",".join(f"localhost:{host.port}" for host in hosts)
        server = stack.enter_context(
            processes.running(
                url,
                directory,
                GATEHOUSE_OUTBOUND_ALLOWED_HOSTS=allowed,
                GATEHOUSE_OUTBOUND_CA_BUNDLE=write_bundle(ca, directory),
                GATEHOUSE_RATE_LIMITS="refused:address=none,refused:client=none",
            )
        )
        honest.serve("/hook", reply(b"", status="204 No Content"))
        slow[0].serve("/hook", drips)
        hooks = directory / "hooks.yaml"
        hooks.write_text(
            f"webhooks:\n  - {{name: Honest, url: '{honest.url('/hook')}', events: ['*'], secret: {SIGNING}}}\n"
            f"  - {{name: Drips, url: '{slow[0].url('/hook')}', events: ['*'], secret: {SIGNING}}}\n"
        )
        server.manage("apply", str(hooks))
        work = _honest_work(server, honest)
        for _ in range(MEASURED):
            _measure(work, outcome.peace, outcome.failed)
        outcome.peace["webhook"] = [_webhook(server, honest)]
        with _under_attack(server, slow, outcome):
            ends = time.monotonic() + seconds
            outcome.attack["webhook"] = [_webhook(server, honest)]
            while time.monotonic() < ends or len(outcome.attack.get("token", ())) < MEASURED:
                _measure(work, outcome.attack, outcome.failed)
                time.sleep(max(0.5, seconds / 12))  # of one host twenty agents may wait for an approval
    return outcome


@contextlib.contextmanager
def _under_attack(server: RunningGatehouse, slow: list[DocumentHost], told: Outcome) -> Iterator[None]:
    over, sealed = threading.Event(), _sealed(server.database_url)

    def attack(host: DocumentHost) -> None:
        for number in itertools.count():
            if over.is_set():
                return
            with contextlib.suppress(requests.RequestException):
                answer = _first_sight(server, host.serve(f"/{number}.json", drips))
                if answer.status_code not in {400, 503}:
                    told.failed.append(f"a drip was answered {answer.status_code}")
            # Where no place was free the answer comes at once: to ask again without a pause would be another attack.
            over.wait(0.5)

    attackers = [threading.Thread(target=attack, args=(host,), daemon=True) for host in slow]
    for attacker in attackers:
        attacker.start()
    time.sleep(1.0)
    try:
        yield
        told.sealed = _sealed(server.database_url) - sealed
    finally:
        over.set()
        for attacker in attackers:
            attacker.join(30)
    told.dripped = sum(host.connections for host in slow)


_TELL = """
from authz.database.transactions import unit_of_work
from authz.notifications import Kind, tell
with unit_of_work():
    tell(Kind.WEBHOOK_TEST, [], subject="s", body="b")
"""


def _webhook(server: RunningGatehouse, host: DocumentHost) -> float:
    """Seconds until a webhook has arrived; another goes to an endpoint that drips."""
    before = host.seen("/hook")
    server.manage("shell", "-c", _TELL)
    began = time.monotonic()
    while host.seen("/hook") == before and time.monotonic() < began + 60:
        time.sleep(0.05)
    return time.monotonic() - began


def _honest_work(server: RunningGatehouse, host: DocumentHost) -> dict[str, Callable[[], int]]:
    """The requests, each with its expected status."""
    numbers = itertools.count()

    def first_sight() -> int:
        return _first_sight(server, host.document(f"/agent-{next(numbers)}.json")).status_code

    def token() -> int:
        return server.token(
            auth=("nightly-report", SECRET), grant_type="client_credentials", scope="mcp:read", resource=NOTES
        ).status_code

    def sign_in() -> int:
        return 200 if server.code() else 0

    return {"first sight": first_sight, "token": token, "sign-in": sign_in}


EXPECTED = {"first sight": 403, "token": 200, "sign-in": 200}


def _measure(work: dict[str, Callable[[], int]], into: dict[str, list[float]], failed: list[str]) -> None:
    for name, do in work.items():
        began = time.monotonic()
        status = do()
        into.setdefault(name, []).append(time.monotonic() - began)
        if status != EXPECTED[name]:
            failed.append(f"{name} was answered {status}")


def _first_sight(server: RunningGatehouse, client_id: str) -> requests.Response:
    return server.ask("GET", f"{server.url('authorize')}?{QUERY}&client_id={requests.utils.quote(client_id, safe='')}")


def _sealed(url: str) -> int:
    """How many events are sealed."""
    sql = "SELECT coalesce(max(size), 0) FROM authz_auditsegment"
    if url.startswith("postgres"):
        with psycopg.connect(url) as connection:
            return int(connection.execute(sql).fetchone()[0])  # type: ignore[index]
    with contextlib.closing(sqlite3.connect(urlsplit(url).path, timeout=30)) as file:
        return int(file.execute(sql).fetchone()[0])
