"""Does any process decide by an old rule after a change of the rules was answered? Counted on four processes.

Clients send requests without pause while a rule is disabled and enabled. Each response to a request that was sent after
a change was answered, and that came back before the next change began, must follow the rules of that change.
"""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from demo.processes import ROOT
from tests.support import databases, processes, world

WORKERS = 4
ASKERS = 8
# Seconds that a change is asked about at most.
LONGEST = 20.0
RULE = "Agents read notes"

# Another process than any that serves: as a second node's console would.
_WRITE = f"""
import sys, django
django.setup()
from authz.models import Rule
print("ready", flush=True)
for line in sys.stdin:
    Rule.objects.filter(name={RULE!r}).update(enabled=line.strip() == "on")
    print("done", flush=True)
"""


@dataclass(frozen=True, slots=True)
class Answer:
    sent: float
    received: float
    is_allowed: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A rule switched on or off: when it began, and when it was answered."""

    begun: float
    answered: float
    is_on: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """`judged` answers fell between changes; `stale` of them were by an old rule. `slowest` is a change, in seconds."""

    changes: int
    judged: int
    stale: int
    slowest: float


def measure_alone(directory: Path, *, changes: int) -> Figures:
    """The same on a server and a database of its own."""
    with (
        databases.database(directory, world.configuration()) as url,
        processes.running(url, directory, workers=WORKERS) as server,
    ):
        return measure(server, changes=changes)


def measure(server: processes.RunningGatehouse, *, changes: int) -> Figures:
    """Disable and enable the rule so many times (an even number restores it), and check the responses."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITE],
        cwd=ROOT,
        env=dict(server.server.env or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        answers: list[Answer] = []
        is_over = threading.Event()
        askers = [threading.Thread(target=_ask, args=(server, answers, is_over)) for _ in range(ASKERS)]
        for asker in askers:
            asker.start()
        try:
            made = [_change(writer, answers, is_on=number % 2 == 1) for number in range(changes)]
        finally:
            is_over.set()
            for asker in askers:
                asker.join()
            assert writer.stdin is not None
            writer.stdin.close()
    return _judged(made, answers)


def _ask(server: processes.RunningGatehouse, answers: list[Answer], is_over: threading.Event) -> None:
    while not is_over.is_set():
        sent = time.monotonic()
        # A connection of its own, so that any of the processes may get it.
        answer = server.token(auth=("nightly-report", world.SECRET), grant_type="client_credentials")
        assert answer.status_code in (200, 400), answer.text
        answers.append(Answer(sent, time.monotonic(), answer.status_code == 200))


def _change(writer: subprocess.Popen[str], answers: list[Answer], *, is_on: bool) -> Change:
    assert writer.stdin is not None
    assert writer.stdout is not None
    begun = time.monotonic()
    writer.stdin.write("on\n" if is_on else "off\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == "done\n"
    answered = time.monotonic()
    # Until each client has sent another request, on any machine.
    while sum(answer.sent >= answered for answer in list(answers)) < ASKERS and time.monotonic() < answered + LONGEST:
        time.sleep(0.02)
    return Change(begun, answered, is_on)


def _judged(changes: list[Change], answers: list[Answer]) -> Figures:
    judged = stale = 0
    for change, following in zip(changes, [*changes[1:], None], strict=True):
        end = following.begun if following else float("inf")
        between = [answer for answer in answers if answer.sent >= change.answered and answer.received < end]
        judged += len(between)
        stale += sum(answer.is_allowed is not change.is_on for answer in between)
    slowest = max(change.answered - change.begun for change in changes)
    return Figures(changes=len(changes), judged=judged, stale=stale, slowest=slowest)
