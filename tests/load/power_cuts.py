"""Cut the power of a server on SQLite while clients get tokens: each token that a client received has its event.

A machine that loses its power has what was flushed to its disk, and of the rest a part. The server's processes note how
much of the log they have flushed (tests/support/flush_notes). At a moment they are stopped (SIGSTOP), the files are
copied, and the copied log is cut somewhere behind what was flushed. Then SQLite opens the copies.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.support import databases, processes, wal_file
from tests.support.processes import RunningGatehouse
from tests.support.world import SECRET, claims, configuration

CLIENTS = 6
# Seconds between two cuts.
SHORTEST, LONGEST = 0.3, 1.5
NOTES = Path(__file__).resolve().parents[1] / "support" / "flush_notes"


@dataclass(slots=True)
class Outcome:
    """`received` are the `jti`s of tokens that clients got; `lost` those without an event after a cut."""

    cuts: int = 0
    behind: int = 0
    received: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return (
            f"{self.cuts} power cuts, {self.behind} of them with a log that was not all flushed;"
            f" {len(self.received)} tokens received, {len(self.lost)} of them without an event"
        )


def cut_again_and_again(
    times: int, directory: Path, *, seed: int = 0, told: Callable[[str], None] = lambda _: None
) -> Outcome:
    chance, outcome = random.Random(seed), Outcome()
    notes = directory / "flushed"
    notes.touch()
    watched = {"PYTHONPATH": str(NOTES), "FLUSH_NOTES": str(notes)}
    with (
        databases.database(directory, configuration()) as url,
        processes.running(url, directory, **watched) as gatehouse,
        _clients(gatehouse, outcome.received),
    ):
        for _ in range(times):
            before = len(outcome.received)
            while len(outcome.received) < before + CLIENTS:
                time.sleep(0.01)
            time.sleep(chance.uniform(SHORTEST, LONGEST))
            with _stopped(gatehouse):
                _cut(Path(urlsplit(url).path), notes, outcome, directory, chance)
            told(str(outcome))
    return outcome


@contextmanager
def _stopped(gatehouse: RunningGatehouse) -> Iterator[None]:
    assert gatehouse.server.process is not None
    group = gatehouse.server.process.pid
    os.killpg(group, signal.SIGSTOP)
    # A flush that is under way ends, but is not noted, and what was sent arrives.
    time.sleep(0.1)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


def _cut(file: Path, notes: Path, outcome: Outcome, directory: Path, chance: random.Random) -> None:
    received, noted = set(outcome.received), notes.read_text().split()
    database, log = file.read_bytes(), file.with_name(f"{file.name}-wal")
    descriptor = os.open(log, os.O_RDONLY)
    try:
        salts, ends = wal_file.frame_ends(descriptor)
    finally:
        os.close(descriptor)
    flushed = max(
        (int(end) for salt, end in zip(noted[::2], noted[1::2], strict=True) if salt == salts.hex()), default=0
    )
    written = ends[-1] if ends else 0
    cut = chance.randint(min(flushed, written), written)
    outcome.cuts += 1
    outcome.behind += written > flushed
    outcome.lost |= received - wal_file.issued_after_cut(database, log.read_bytes()[:cut], directory)


@contextmanager
def _clients(gatehouse: RunningGatehouse, received: set[str]) -> Iterator[None]:
    over = threading.Event()
    threads = [threading.Thread(target=_gets_tokens, args=(gatehouse, received, over)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=60)


def _gets_tokens(gatehouse: RunningGatehouse, received: set[str], over: threading.Event) -> None:
    while not over.is_set():
        try:
            answer = gatehouse.token(auth=("nightly-report", SECRET), grant_type="client_credentials")
        except requests.RequestException:
            continue
        if answer.status_code == 200:
            received.add(claims(answer.json()["access_token"])["jti"])
