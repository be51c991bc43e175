"""Threads are few: who waits for other servers needs a place to wait, and some threads never wait (attack 10)."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from authz import outbound, turns


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """As many people's requests as there are places, each waiting for somebody else's server until the test is over."""
    places = 2
    monkeypatch.setattr(turns, "_places", threading.BoundedSemaphore(places))
    arrived, over = threading.Barrier(places + 1), threading.Event()
    may_wait: list[bool] = []

    def visit() -> None:
        with turns.beside_the_others():
            may_wait.append(turns.step_aside())
            arrived.wait(5)
            over.wait(5)

    visitors = [threading.Thread(target=visit) for _ in range(places)]
    for visitor in visitors:
        visitor.start()
    arrived.wait(5)
    yield may_wait
    over.set()
    for visitor in visitors:
        visitor.join()


def test_whoever_finds_no_place_to_wait_is_refused_before_anybody_is_asked(crowd: list[bool]) -> None:
    assert crowd == [True, True]
    with turns.beside_the_others(), pytest.raises(outbound.OutboundError) as refused:
        outbound.fetch(outbound.Role.CLIENT_METADATA_DOCUMENT, "https://slow.example/client.json")
    assert refused.value.cause is outbound.Cause.BUSY


def test_a_command_may_always_wait(crowd: list[bool]) -> None:
    assert turns.step_aside() is True


@pytest.mark.django_db
def test_a_place_is_free_again_when_its_request_is_over() -> None:
    with ExitStack() as patched:
        patched.enter_context(pytest.MonkeyPatch.context()).setattr(turns, "_places", threading.BoundedSemaphore(1))
        for request in (turns.one_at_a_time, turns.beside_the_others, turns.one_at_a_time):
            with request():
                assert turns.step_aside() is True
                assert turns.step_aside() is True  # once aside is enough


@pytest.mark.django_db
def test_whoever_steps_aside_leaves_the_turn_to_others() -> None:
    worked = threading.Event()

    def other() -> None:
        with turns.one_at_a_time():
            worked.set()

    with turns.one_at_a_time():
        turns.step_aside()
        thread = threading.Thread(target=other)
        thread.start()
        assert worked.wait(5)
        thread.join()
