"""A call of an extension's code ends in time, whatever the code does."""

import threading
import time
from typing import Any

import pytest

from authz.extensions import ExtensionFault, faults, guarded
from authz.models import AuditEvent

pytestmark = pytest.mark.django_db
NAME = "com.example/any"


@pytest.fixture(autouse=True)
def anew() -> None:
    guarded.forget()
    faults.forget()


def test_an_answer_comes_back() -> None:
    assert guarded.call(NAME, "condition", lambda a, b: a + b, 2, 3) == 5


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), KeyboardInterrupt(), UnreadableError()])
def test_attack_whatever_it_raises_is_a_fault(error: BaseException) -> None:
    def fail() -> Any:
        raise error

    with pytest.raises(ExtensionFault, match=type(error).__name__):
        guarded.call(NAME, "condition", fail)
    assert AuditEvent.objects.get().detail["extension"] == NAME
    assert guarded.call(NAME, "condition", lambda: 1) == 1


def test_attack_a_call_that_hangs_costs_one_deadline() -> None:
    release = threading.Event()
    with pytest.raises(ExtensionFault, match="longer than"):
        guarded.call(NAME, "condition", release.wait)
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(ExtensionFault, match="an earlier call still runs"):
            guarded.call(NAME, "condition", lambda: 1)
    assert time.monotonic() - began < guarded.SECONDS
    # Another extension does not notice.
    assert guarded.call("com.example/other", "condition", lambda: 2) == 2
    release.set()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert guarded.call(NAME, "condition", lambda: 3) == 3
            break
        except ExtensionFault:
            time.sleep(0.01)
    else:
        pytest.fail("it did not come back")


def test_attack_a_flood_of_faults_is_one_event_a_minute() -> None:
    def fail() -> Any:
        raise ValueError

    for _ in range(20):
        with pytest.raises(ExtensionFault):
            guarded.call(NAME, "condition", fail)
    assert AuditEvent.objects.count() == 1
