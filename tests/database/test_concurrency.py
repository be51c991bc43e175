"""Threads are few: a request that waits for another server takes a waiting place (attack 10), some threads are
reserved, and the event-loop thread never waits.
"""

import threading
from collections.abc import Iterator

import pytest

from authz import outbound
from authz.database import concurrency
from authz.database.transactions import unit_of_work
from authz.outbound import remote_keys


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """As many people's requests as there are places, each waiting for another server until the test is over."""
    places = 2
    semaphore = threading.BoundedSemaphore(places)
    monkeypatch.setattr(concurrency, "_places", lambda: semaphore)
    arrived, over = threading.Barrier(places + 1), threading.Event()
    may_wait: list[bool] = []

    def visit() -> None:
        with concurrency.in_thread():
            may_wait.append(concurrency.may_block())
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


def test_without_a_free_place_a_request_is_refused_before_any_fetch(crowd: list[bool]) -> None:
    assert crowd == [True, True]
    with concurrency.in_thread(), pytest.raises(outbound.OutboundError) as refused:
        outbound.fetch(outbound.Role.CLIENT_METADATA_DOCUMENT, "https://slow.example/client.json")
    assert refused.value.cause is outbound.Cause.BUSY


def test_a_command_may_always_wait(crowd: list[bool]) -> None:
    assert concurrency.may_block() is True


def test_a_place_is_free_again_when_its_request_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    semaphore = threading.BoundedSemaphore(1)
    monkeypatch.setattr(concurrency, "_places", lambda: semaphore)
    for _ in range(3):
        with concurrency.in_thread():
            assert concurrency.may_block() is True
            assert concurrency.may_block() is True  # once aside is enough


def test_in_the_event_loop_thread_no_request_waits() -> None:
    with concurrency.in_event_loop(), pytest.raises(concurrency.MustRunInThread):
        outbound.fetch(outbound.Role.CLIENT_METADATA_DOCUMENT, "https://slow.example/client.json")
    with concurrency.in_event_loop(), pytest.raises(concurrency.MustRunInThread):
        remote_keys.keys("https://never-asked.example/jwks")
    assert concurrency.may_block() is True  # the request has left the event-loop thread


@pytest.mark.django_db(transaction=True)
def test_no_request_leaves_the_event_loop_thread_with_an_open_transaction() -> None:
    """The transaction would be rolled back, and the request would begin again (invariant 2)."""
    with concurrency.in_event_loop(), pytest.raises(RuntimeError), unit_of_work():
        outbound.fetch(outbound.Role.CLIENT_METADATA_DOCUMENT, "https://slow.example/client.json")


def test_two_threads_compute_at_a_time_and_one_that_waits_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    computing = threading.BoundedSemaphore(1)
    monkeypatch.setattr(concurrency, "_computing_threads", lambda: computing)
    with concurrency.in_thread():
        assert not computing.acquire(blocking=False)
        assert concurrency.may_block()
        assert computing.acquire(blocking=False)
        computing.release()
    assert computing.acquire(blocking=False)


def test_a_thread_waits_to_compute_for_a_quarter_of_a_second_only(monkeypatch: pytest.MonkeyPatch) -> None:
    computing = threading.BoundedSemaphore(1)
    monkeypatch.setattr(concurrency, "_computing_threads", lambda: computing)
    monkeypatch.setattr(concurrency, "PATIENCE", 0.01)
    computing.acquire()
    with concurrency.in_thread():
        pass
    assert not computing.acquire(blocking=False)
