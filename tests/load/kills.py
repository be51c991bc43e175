"""Kill the whole server (SIGKILL to all its processes) while clients get tokens, and start it again.

Afterwards every token that a client received has its event in the audit (invariant 4, decision 0004), the refresh token
that one client kept rotating through all of it still works, and the audit verifies.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import requests

from demo.processes import free_port
from tests.support import databases, processes
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET, claims, configuration

CLIENTS = 6
# Seconds that a server lives under load before it is killed.
SHORTEST, LONGEST = 0.3, 1.5
# And between two tries of a client while there is none: each try takes from the time of the one that starts.
BETWEEN_TRIES = 0.2


@dataclass(slots=True)
class Outcome:
    """`received` are the `jti`s of tokens that clients got; `lost` those of them without an event."""

    kills: int = 0
    received: set[str] = field(default_factory=set)
    recorded: set[str] = field(default_factory=set)
    refreshed: int = 0
    refused: list[str] = field(default_factory=list)
    verified: str = ""

    @property
    def lost(self) -> set[str]:
        return self.received - self.recorded

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {len(self.received)} tokens received, {len(self.lost)} of them without an event;"
            f" {len(self.recorded) - len(self.received)} more events of answers that the kill cut off;"
            f" {self.refreshed} rotations of one refresh token, {len(self.refused)} refused. {self.verified}"
        )


def kill_again_and_again(
    times: int, directory: Path, *, seed: int = 0, told: Callable[[str], None] = lambda _: None
) -> Outcome:
    """On a database of the kind that DATABASE_URL names."""
    chance = random.Random(seed)
    outcome = Outcome()
    with databases.database(directory, configuration()) as url:
        port = free_port()
        with _running(url, directory, port) as gatehouse:
            family = gatehouse.redeem(gatehouse.code()).json()["refresh_token"]
        with ExitStack() as clients:
            clients.enter_context(_clients(gatehouse, outcome, family))
            for _ in range(times):
                before = len(outcome.received)
                with _running(url, directory, port) as gatehouse:
                    _wait_until(lambda before=before: len(outcome.received) > before)  # type: ignore[misc]
                    time.sleep(chance.uniform(SHORTEST, LONGEST))
                    gatehouse.kill()
                outcome.kills += 1
                told(f"{outcome.kills} of {times}: {len(outcome.received)} tokens")
            with _running(url, directory, port) as gatehouse:
                rotations = outcome.refreshed
                _wait_until(lambda: outcome.refreshed > rotations)
                clients.close()
                outcome.recorded = set(_recorded(url))
                gatehouse.manage("audit", "seal")
                outcome.verified = "; ".join(gatehouse.manage("audit", "verify").strip().splitlines())
    return outcome


def _running(url: str, directory: Path, port: int):  # type: ignore[no-untyped-def]  # a context manager
    # The window is as long as a start may take on a busy machine: what is tried here is losing an answer, not its end.
    return processes.running(url, directory, PORT=str(port), GATEHOUSE_REFRESH_REUSE_WINDOW="600")


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("no client gets a token")
        time.sleep(0.01)


@contextmanager
def _clients(gatehouse: RunningGatehouse, outcome: Outcome, family: str) -> Iterator[None]:
    over = threading.Event()
    threads = [threading.Thread(target=_gets_tokens, args=(gatehouse, outcome, over)) for _ in range(CLIENTS)]
    threads.append(threading.Thread(target=_rotates, args=(gatehouse, outcome, over, family)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=60)


def _gets_tokens(gatehouse: RunningGatehouse, outcome: Outcome, over: threading.Event) -> None:
    while not over.is_set():
        try:
            answer = gatehouse.token(auth=("nightly-report", SECRET), grant_type="client_credentials")
        except requests.RequestException:
            time.sleep(BETWEEN_TRIES)
            continue
        if answer.status_code == 200:
            outcome.received.add(claims(answer.json()["access_token"])["jti"])


def _rotates(gatehouse: RunningGatehouse, outcome: Outcome, over: threading.Event, family: str) -> None:
    """As an agent does: one that did not get its answer tries again with what it has."""
    while not over.is_set():
        try:
            answer = gatehouse.refresh(family)
        except requests.RequestException:
            time.sleep(BETWEEN_TRIES)
            continue
        if answer.status_code == 200:
            outcome.received.add(claims(answer.json()["access_token"])["jti"])
            family = answer.json()["refresh_token"]
            outcome.refreshed += 1
        elif answer.status_code < 500:
            outcome.refused.append(answer.text)
            return


def _recorded(url: str) -> Iterator[str]:
    if url.startswith("postgres"):
        query = "SELECT detail->>'jti' FROM authz_auditevent WHERE event = 'token:access:issued'"
        with psycopg.connect(url) as connection:
            yield from (row[0] for row in connection.execute(query))
        return
    import sqlite3

    query = "SELECT json_extract(detail, '$.jti') FROM authz_auditevent WHERE event = 'token:access:issued'"
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    yield from (row[0] for row in connection.execute(query))
    connection.close()
