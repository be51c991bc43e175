"""A slow extension holds no event loop: while a request waits for it, the loop answers all others."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
from django.conf import settings
from django.db import connections

from authz.configuration import apply
from authz.database import concurrency, greenlets
from authz.database.transactions import unit_of_work
from authz.extensions import ExtensionFault, guarded
from authz.serving import asgi
from tests.database.test_postgresql_event_loop import MACHINE, Told, token
from tests.serving.test_loop_is_not_held import LONGEST, held
from tests.support.extension_packages import Install
from tests.support.world import NOTES, SECRET, World

CONSENT = "com.example/patient-consent"
SOURCE = """
import time
TITLE = "Patient consent"

def condition(facts, wanted, settings):
    time.sleep({seconds})
    return False

def claim(facts, settings):
    time.sleep({seconds})
"""


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadPoolExecutor(1) as one:
        monkeypatch.setattr(asgi, "_threads", one)
        yield
        one.submit(connections.close_all).result()


def dependent() -> Awaitable[Told]:
    """The agent that the rule names: its tokens wait for the extension."""
    return token(MACHINE | {"client_id": "posting-agent", "client_secret": SECRET, "resource": NOTES})


@pytest.mark.parametrize(
    ("seconds", "resources", "statuses"),
    [(0.08, [], {200}), (0.08, [NOTES], {200, 400, 503}), (0.4, [], {200, 400}), (0.4, [NOTES], {200, 400, 503})],
    ids=["a slow condition", "a slow claim", "a condition that misses its deadline", "a claim that misses it"],
)
@pytest.mark.usefixtures("threads")
@pytest.mark.django_db(transaction=True)
def test_a_slow_extension_holds_no_loop(
    committed_gatehouse: World, install: Install, seconds: float, resources: list[str], statuses: set[int]
) -> None:
    install(CONSENT, SOURCE.format(seconds=seconds))
    rule = {
        "name": "Consent", "effect": "deny", "clients": ["posting-agent"], "resources": [NOTES], "scopes": ["*"],
        "conditions": {"extensions": {CONSENT: {}}},
    }  # fmt: skip
    apply(json.dumps({"extensions": {CONSENT: {"enabled": True, "resources": resources}}, "rules": [rule]}))
    watch, came = held(dependent)
    assert watch.slept < LONGEST
    assert set(came) <= statuses


def in_the_loop(work: Callable[[], object]) -> object:
    def served() -> object:
        try:
            with concurrency.in_event_loop():
                return work()
        finally:
            if not settings.IS_SQLITE:
                connections.close_all()  # its own: no pool lends one here

    return asyncio.run(greenlets.run(served))


def test_a_request_waits_in_its_greenlet_and_others_go_on() -> None:
    """Two requests for two extensions of 50 ms each take the time of one."""

    async def both() -> list[str]:
        def served(name: str) -> Callable[[], str]:
            def work() -> str:
                with concurrency.in_event_loop():
                    guarded.call(name, "condition", time.sleep, 0.05, seconds=5)
                    return name

            return work

        return list(await asyncio.gather(*(greenlets.run(served(name)) for name in ("com.example/a", "com.example/b"))))

    began = time.monotonic()
    assert asyncio.run(both()) == ["com.example/a", "com.example/b"]
    assert time.monotonic() - began < 0.095


@pytest.mark.django_db(transaction=True)
def test_attack_a_client_that_leaves_a_call_that_hangs() -> None:
    """The next ones fail at once nevertheless, and do not wait for its end in turn."""
    release = threading.Event()

    async def leave() -> None:
        waits = asyncio.ensure_future(greenlets.run(partial(guarded.call, CONSENT, "condition", release.wait)))
        await asyncio.sleep(0.02)
        waits.cancel()
        with suppress(asyncio.CancelledError, greenlets.ClientGoneError):
            await waits

    asyncio.run(leave())
    time.sleep(guarded.SECONDS)
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(ExtensionFault, match="an earlier call still runs"):
            guarded.call(CONSENT, "condition", lambda: 1)
    release.set()
    assert time.monotonic() - began < guarded.SECONDS


@pytest.mark.django_db(transaction=True)
def test_within_a_transaction_it_leaves_the_loop() -> None:
    """Others of the loop may wait for what the transaction holds, on SQLite the one that they share."""

    def work() -> None:
        with unit_of_work():
            guarded.call(CONSENT, "events", lambda: None)

    with pytest.raises(concurrency.MustRunInThread):
        in_the_loop(work)
    with concurrency.in_thread():
        work()


def test_a_wait_that_ends_for_another_reason_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: who asks for the answer of a call that still runs would hold the event loop until it ends."""

    class Interrupted:
        def wait_for_thread(self, *_: object) -> None:
            raise RuntimeError("the wait was ended")

    monkeypatch.setattr(greenlets, "current", Interrupted)
    assert guarded._is_done(Future(), 0.01) is False
