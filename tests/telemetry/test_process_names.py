"""Names of processes: leases of an ended process are free, also if its process id is in use again."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from authz.telemetry import process_names

HERE = socket.gethostname()
pytestmark = pytest.mark.any_database


def ended() -> str:
    """The name of an ended process."""
    code = "from authz.telemetry import process_names; print(process_names.own())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def start_of(name: str) -> str:
    return name.rpartition("/")[2]


@pytest.mark.parametrize(
    ("name", "is_known_to_have_ended"),
    [
        (ended, True),
        (lambda: f"{HERE}/{os.getpid()}/1", True),  # the id is ours now: it was another process's before
        (lambda: f"{HERE}/4194305/77", True),  # no Linux has that many
        (process_names.own, False),
        (lambda: "", False),
        (lambda: f"elsewhere/{os.getpid()}/1", False),
        (lambda: ended().replace(HERE, "elsewhere"), False),
        (lambda: HERE, False),
        (lambda: f"{HERE}/x/1", False),
        (lambda: f"{HERE}/-1/1", False),
        (lambda: f"{HERE}//", False),
    ],
)
def test_only_what_ended_on_this_host_is_known_to(name: Callable[[], str], is_known_to_have_ended: bool) -> None:
    assert process_names.has_ended(name()) is is_known_to_have_ended


def test_it_goes_on_to_have_one_name() -> None:
    assert process_names.own() == process_names.own()
    assert start_of(process_names.own()).isdecimal()


def test_where_the_system_does_not_say_nothing_has_ended_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> str:
        raise FileNotFoundError

    name, gone = process_names.own(), ended()
    monkeypatch.setattr("pathlib.Path.read_text", unreadable)
    assert not process_names.has_ended(name)
    assert process_names.has_ended(gone)
