"""The event loop never waits: not for Redis, not for a lock, not for a write. What may block is the table below."""

import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings

from tests.support import databases, fake_redis, processes, tcp_proxy
from tests.support.processes import RunningGatehouse
from tests.support.tcp_proxy import Mode
from tests.support.world import SECRET, configuration

WORKERS = 2
# Seconds. On a quiet machine an answer that needs nothing takes a millisecond; tests share theirs with others.
OFTEN, LONGEST = 0.2, 3.0
MACHINE = {"grant_type": "client_credentials"}
RIGHT, WRONG = ("nightly-report", SECRET), ("nightly-report", "wrong" * 10)


class LoopProbe:
    """Probes each worker's event loop all the time, and keeps how long each answer took."""

    def __init__(self, server: RunningGatehouse) -> None:
        host, port = server.origin.removeprefix("http://").split(":")
        self._address, self._is_over = (host, int(port)), threading.Event()
        self.took: list[float] = []

    def __enter__(self) -> "LoopProbe":
        self._threads = [threading.Thread(target=self._beat) for _ in range(2 * WORKERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _beat(self) -> None:
        with socket.create_connection(self._address, timeout=60) as loop:
            while not self._is_over.is_set():
                began = time.monotonic()
                loop.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert loop.recv(65536).startswith(b"HTTP/1.1 200")
                self.took.append(time.monotonic() - began)
                time.sleep(0.02)

    def held(self) -> bool:
        """Whether the loop was blocked: often for milliseconds, or once for long. A busy machine causes one of the
        two.
        """
        often = sorted(self.took)[int(len(self.took) * 0.9)]
        return often > OFTEN or max(self.took) > LONGEST


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loop")


@pytest.fixture(scope="module")
def redis() -> Iterator[tcp_proxy.Proxy]:
    with fake_redis.listening() as server, tcp_proxy.between(server.address) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def with_redis(directory: Path, redis: tcp_proxy.Proxy) -> Iterator[RunningGatehouse]:
    url = f"redis://127.0.0.1:{redis.port}/0"
    with (
        databases.database(directory, configuration()) as database,
        processes.running(
            database, directory, workers=WORKERS, CACHE_URL=url, GATEHOUSE_RATE_LIMITS="token:client=100000/minute"
        ) as gatehouse,
    ):
        yield gatehouse


class TestRedis:
    @pytest.mark.parametrize(
        ("mode", "delay"),
        [
            (Mode.PASS, 0),
            (Mode.PASS, 50),
            (Mode.PASS, 120),
            (Mode.STALL, 0),
            (Mode.SWALLOW, 0),
            (Mode.RESET, 0),
        ],
        ids=["near", "100 ms away", "240 ms away", "stalled", "swallowed", "reset"],
    )
    def test_far_away_it_costs_no_more_than_gone(
        self, with_redis: RunningGatehouse, redis: tcp_proxy.Proxy, mode: Mode, delay: int
    ) -> None:
        """Each wrong secret is counted twice, each right one once: that was one to four round trips in the loop."""
        redis.mode, redis.delay = mode, delay
        try:
            began = time.monotonic()
            with LoopProbe(with_redis) as probe:
                for _ in range(20):
                    assert with_redis.token(auth=WRONG, **MACHINE).status_code == 401
                    assert with_redis.token(auth=RIGHT, **MACHINE).status_code == 200
            assert not probe.held()
            assert time.monotonic() - began < 8
        finally:
            redis.mode, redis.delay = Mode.PASS, 0

    @pytest.mark.parametrize(("mode", "delay"), [(Mode.PASS, 120), (Mode.STALL, 0)], ids=["far away", "stalled"])
    def test_pages_do_not_wait_for_it(
        self, with_redis: RunningGatehouse, redis: tcp_proxy.Proxy, mode: Mode, delay: int
    ) -> None:
        redis.mode, redis.delay = mode, delay
        try:
            began = time.monotonic()
            for _ in range(5):
                assert with_redis.ask("GET", f"{with_redis.origin}/accounts/login/").status_code == 200
            assert time.monotonic() - began < 5
        finally:
            redis.mode, redis.delay = Mode.PASS, 0


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """What another session has locked: that table, or on SQLite all of the database for writing."""
    if url.startswith("postgres"):
        with psycopg.connect(url) as other:
            other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
            other.rollback()
        return
    with closing(sqlite3.connect(urlsplit(url).path, isolation_level=None, timeout=30)) as file:
        file.execute("BEGIN IMMEDIATE")
        yield
        file.execute("ROLLBACK")


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[RunningGatehouse]:
    with (
        databases.database(directory, configuration()) as database,
        processes.running(database, directory, workers=WORKERS) as gatehouse,
    ):
        yield gatehouse


WAITING: dict[str, Callable[[RunningGatehouse], Any]] = {
    "a token": lambda server: server.token(auth=RIGHT, **MACHINE),
    "a refusal": lambda server: server.token(auth=WRONG, **MACHINE),
    "another refusal": lambda server: server.token(client_id="nobody", grant_type="refresh_token"),
    "a revocation": lambda server: server.ask("POST", server.url("revoke"), data={"token": "x"}, auth=WRONG),
    "a question": lambda server: server.ask("POST", server.url("introspect"), data={"token": "x"}, auth=WRONG),
    "an authorization": lambda server: server.ask("GET", server.url("authorize?client_id=nobody")),
}
# Of each kind. On PostgreSQL a request that waits for a lock has a thread for two seconds, and threads are few.
AT_ONCE = 20 if settings.IS_SQLITE else 4


@dataclass(frozen=True, slots=True)
class DuringALock:
    """What happened while a lock was held for longer than any request waits."""

    answers: dict[str, list[Any]]
    others: list[Any]
    seconds: float
    was_held: bool


@pytest.fixture(scope="module")
def during_a_lock(server: RunningGatehouse) -> DuringALock:
    others = []
    with ThreadPoolExecutor(AT_ONCE * len(WAITING)) as many, LoopProbe(server) as probe:
        with locked(server.database_url, "authz_auditevent"):
            began = time.monotonic()
            asked = {kind: [many.submit(ask, server) for _ in range(AT_ONCE)] for kind, ask in WAITING.items()}
            while not all(answer.done() for answers in asked.values() for answer in answers):
                # A page needs a thread.
                pages = [f"{server.origin}/accounts/login/"] if settings.IS_SQLITE else []
                others += [server.ask("GET", url) for url in (server.url("jwks"), *pages)]
                time.sleep(0.2)
            seconds = time.monotonic() - began
        answers = {kind: [answer.result() for answer in answers] for kind, answers in asked.items()}
    return DuringALock(answers, others, seconds, probe.held())


class TestALock:
    @pytest.mark.parametrize("kind", WAITING)
    def test_what_would_write_is_answered_503(self, during_a_lock: DuringALock, kind: str) -> None:
        answers = during_a_lock.answers[kind]
        assert {answer.status_code for answer in answers} == {503}
        assert all(answer.headers["Retry-After"] for answer in answers)

    def test_what_writes_nothing_is_answered_as_ever(self, during_a_lock: DuringALock) -> None:
        assert {answer.status_code for answer in during_a_lock.others} == {200}
        assert max(answer.elapsed.total_seconds() for answer in during_a_lock.others) < 2 * LONGEST

    def test_the_loop_goes_on_and_none_waits_for_its_turn_to_wait(self, during_a_lock: DuringALock) -> None:
        assert not during_a_lock.was_held
        assert during_a_lock.seconds < 12  # five seconds each

    def test_once_it_is_over_tokens_are_issued(self, during_a_lock: DuringALock, server: RunningGatehouse) -> None:
        assert server.token(auth=RIGHT, **MACHINE).status_code == 200

    def test_a_short_lock_is_waited_for(self, server: RunningGatehouse) -> None:
        with ThreadPoolExecutor(2) as few:
            with locked(server.database_url, "authz_auditevent"):
                asked = [few.submit(server.token, auth=RIGHT, **MACHINE) for _ in range(2)]
                time.sleep(0.5)
            assert {answer.result().status_code for answer in asked} == {200}

    def test_what_began_again_is_recorded_once(self, server: RunningGatehouse) -> None:
        before = server.recorded("token:access:refused")
        with ThreadPoolExecutor(2) as few:
            with locked(server.database_url, "authz_auditevent"):
                asked = [few.submit(server.token, auth=WRONG, **MACHINE) for _ in range(2)]
                time.sleep(0.5)
            assert {answer.result().status_code for answer in asked} == {401}
        assert server.recorded("token:access:refused") == before + 2
