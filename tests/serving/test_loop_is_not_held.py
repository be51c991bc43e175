"""What may block (docs/decisions/0043-http-is-read-in-one-way.md) blocks no event loop: under load, with each of those
slow, no callback of the loop sleeps, or computes, for longer than a moment.

Each callback is timed. What counts is the time that it slept, which is neither computing nor waiting for a processor.
So a busy machine changes nothing.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, connections

from authz.database import configuration_cache
from authz.database.postgresql.pool import pool
from authz.limits import rate_limits
from authz.models import Client
from authz.operations import readiness
from authz.outbound import Cause, OutboundError, remote_documents
from authz.serving import asgi
from tests.database.test_postgresql_event_loop import MACHINE, TABLE, Told, ask, locked, machine, token
from tests.support import assertions, fake_redis, tcp_proxy
from tests.support.tcp_proxy import Mode, Proxy
from tests.support.world import World

pytestmark = pytest.mark.django_db(transaction=True)
needs_postgresql = pytest.mark.skipif(django_settings.IS_SQLITE, reason="SQLite is a file")
# Seconds that a callback may sleep, or compute.
LONGEST = 0.05
AT_ONCE, SECONDS = 16, 1.0


class Watch:
    """Times each callback of asyncio's loops in this thread."""

    def __init__(self) -> None:
        self.slept = 0.0
        self.computed = 0.0
        self.callbacks = 0

    def __enter__(self) -> "Watch":
        self._run = asyncio.Handle._run  # type: ignore[attr-defined]
        mine, run = threading.get_ident(), self._run

        def timed(handle: asyncio.Handle) -> None:
            if threading.get_ident() != mine:
                run(handle)
                return
            wall, computed, queued = time.monotonic(), time.thread_time(), _queued()
            run(handle)
            wall, computed = time.monotonic() - wall, time.thread_time() - computed
            self.callbacks += 1
            self.computed = max(self.computed, computed)
            self.slept = max(self.slept, wall - computed - (_queued() - queued))

        asyncio.Handle._run = timed  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.Handle._run = self._run  # type: ignore[attr-defined]


def _queued() -> float:
    """Seconds that this thread was ready and had no processor."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadPoolExecutor(1) as one:
        monkeypatch.setattr(asgi, "_threads", one)
        yield
        one.submit(connections.close_all).result()


async def load(*others: Callable[[], Awaitable[Told]]) -> list[int]:
    """Machines ask for tokens, so many at once, and the others ask now and then; the statuses that they got."""
    until, statuses = time.monotonic() + SECONDS, list[int]()

    async def again(asked: Callable[[], Awaitable[Told]]) -> None:
        while time.monotonic() < until:
            statuses.append((await asked())[0])

    await asyncio.gather(*(again(asked) for asked in (*[machine] * AT_ONCE, *others)))
    return statuses


@contextmanager
def slow_redis(mode: Mode, delay: int, settings: Any) -> Iterator[None]:
    with fake_redis.listening() as redis, tcp_proxy.between(redis.address) as proxy:
        proxy.mode, proxy.delay = mode, delay
        settings.CACHE_URL = f"redis://127.0.0.1:{proxy.port}/0"
        limits = settings.GATEHOUSE["RATE_LIMITS"] | {"token:client": "1000000/minute"}
        settings.GATEHOUSE = settings.GATEHOUSE | {"RATE_LIMITS": limits}
        yield
        rate_limits.reset()


@contextmanager
def database_behind(proxy_does: Callable[[Proxy], None]) -> Iterator[None]:
    """Connections of the pool go through a proxy that does something to them."""
    there = connections.settings["default"]
    host, port = there["HOST"], there["PORT"]
    with tcp_proxy.between((host or "127.0.0.1", int(port or 5432))) as proxy:
        there.update({"HOST": "127.0.0.1", "PORT": proxy.port})
        try:
            proxy_does(proxy)
            yield
        finally:
            there.update({"HOST": host, "PORT": port})
            proxy.mode = Mode.PASS
            pool.close()


def far(proxy: Proxy) -> None:
    proxy.delay = 15


def stalled(proxy: Proxy) -> None:
    proxy.mode = Mode.STALL
    threading.Timer(SECONDS / 2, setattr, (proxy, "mode", Mode.PASS)).start()


def reset(proxy: Proxy) -> None:
    proxy.mode = Mode.RESET
    threading.Timer(SECONDS / 2, setattr, (proxy, "mode", Mode.PASS)).start()


SLOW: dict[str, Callable[[Any], AbstractContextManager[Any]]] = {
    "nothing": lambda settings: nullcontext(),
    "Redis far away": lambda settings: slow_redis(Mode.PASS, 100, settings),
    "Redis stalled": lambda settings: slow_redis(Mode.STALL, 0, settings),
    "Redis swallowed": lambda settings: slow_redis(Mode.SWALLOW, 0, settings),
}
SLOW_DATABASE: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "far away": lambda: database_behind(far),
    "stalled": lambda: database_behind(stalled),
    "reset": lambda: database_behind(reset),
    "a table locked": lambda: locked(TABLE, SECONDS / 2),
}


def held(*others: Callable[[], Awaitable[Told]]) -> tuple[Watch, list[int]]:
    """The best of three: what waits in the loop does so each time, and a busy machine does not."""
    asyncio.run(load_once(*others))  # the configuration is cached, and connections are open
    for _ in range(3):
        with Watch() as watch:
            statuses = asyncio.run(load(*others))
        assert watch.callbacks > AT_ONCE
        if watch.slept < LONGEST:
            break
    return watch, statuses


async def load_once(*others: Callable[[], Awaitable[Told]]) -> None:
    await asyncio.gather(*(asked() for asked in (machine, *others)))


def ready() -> Awaitable[Told]:
    readiness.forget()
    return ask("GET", "/readyz")


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
def test_of_what_may_be_slow_nothing_holds_the_loop(
    committed_gatehouse: World, settings: Any, slow: Callable[[Any], AbstractContextManager[Any]]
) -> None:
    connection.close()
    with slow(settings):
        watch, statuses = held(ready, lambda: ask("GET", "jwks"))
    assert watch.slept < LONGEST
    assert set(statuses) == {200}


@needs_postgresql
@pytest.mark.parametrize("slow", SLOW_DATABASE.values(), ids=SLOW_DATABASE)
def test_nor_does_the_database(committed_gatehouse: World, slow: Callable[[], AbstractContextManager[Any]]) -> None:
    asyncio.run(load_once(lambda: ask("GET", "jwks")))
    with slow(), Watch() as watch:
        statuses = asyncio.run(load(ready, lambda: ask("GET", "jwks")))
    assert watch.slept < LONGEST
    assert set(statuses) <= {200, 503}
    assert 200 in statuses


@needs_postgresql
def test_what_changes_and_is_read_anew_by_many_is_read_by_one(committed_gatehouse: World) -> None:
    """Sixteen requests that each load all rules would hold the loop sixteen times as long."""
    asyncio.run(load_once())
    configuration_cache.forget()
    with Watch() as watch:
        asyncio.run(load())
    assert watch.slept < LONGEST
    assert watch.computed < 2 * LONGEST


def test_nor_does_a_host_that_holds_a_clients_keys(committed_gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Client.objects.filter(client_id="signing-agent").update(
        client_jwks=None, client_jwks_uri="https://agents.example/jwks"
    )

    def hang(*_: object, **__: object) -> None:
        time.sleep(SECONDS / 4)
        raise OutboundError(Cause.TIMEOUT)

    monkeypatch.setattr(remote_documents, "fetch", hang)
    watch, statuses = held(lambda: token(MACHINE | assertions.client_assertion("signing-agent")))
    assert watch.slept < LONGEST
    assert set(statuses) <= {200, 503}


def test_the_watch_sees_what_holds_a_loop() -> None:
    async def hold(seconds: float) -> None:
        time.sleep(seconds)

    with Watch() as watch:
        asyncio.run(hold(0.06))
    assert watch.slept > LONGEST
