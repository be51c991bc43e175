"""On PostgreSQL a request of the event loop waits for the database in a greenlet, and keeps no other request waiting
(authz/database/greenlets.py, authz/database/postgresql/pool.py).
"""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections

from authz.conf import conf
from authz.database import greenlets
from authz.database.postgresql import pool as pools
from authz.database.postgresql.base import DatabaseWrapper
from authz.database.postgresql.pool import pool
from authz.models import AuditEvent, Authorization
from authz.serving import asgi, wsgi
from tests.support import assertions, world
from tests.support.world import World

pytestmark = [
    pytest.mark.skipif(settings.IS_SQLITE, reason="SQLite has no connections to wait for"),
    pytest.mark.django_db(transaction=True),
]
MACHINE = {"grant_type": "client_credentials"}
Told = tuple[int, dict[str, Any], float]


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a machine asks is answered in the loop: the threads beside it are never used."""
    used: list[str] = []

    class Threads(ThreadPoolExecutor):
        def submit(self, *work: Any, **more: Any) -> Any:
            used.append(repr(work))
            return super().submit(*work, **more)

    with Threads(1) as threads:
        monkeypatch.setattr(asgi, "_threads", threads)
        yield used
        threads.submit(connections.close_all).result()
    connection.close()  # a test may have cut it
    assert len(used) == 1


@pytest.fixture
def pool_of(settings: Any) -> Callable[[int], None]:
    def set_to(connections: int) -> None:
        settings.GATEHOUSE = settings.GATEHOUSE | {"DATABASE_POOL": connections}

    return set_to


class Stay:
    """A client that stays, or leaves at a moment of the test's choice."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()


async def ask(
    method: str,
    endpoint: str,
    form: dict[str, str] | None = None,
    *,
    document: object = None,
    basic: str = "",
    client: Stay | None = None,
) -> Told:
    """Status, body and when it was answered; status 0 where no answer was sent. An `endpoint` is under the issuer, and
    a `document` is sent as JSON in place of a form."""
    kind, body = "application/x-www-form-urlencoded", urlencode(form or {})
    if document is not None:
        kind, body = "application/json", json.dumps(document)
    headers = [(b"host", b"127.0.0.1"), (b"content-type", kind.encode())]
    headers += [(b"authorization", basic.encode())] if basic else []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "raw_path": (endpoint if endpoint.startswith("/") else f"{conf.issuer_path}/{endpoint}").encode(),
        "query_string": b"",
        "headers": headers,
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.7", 40000),
    }
    told: list[dict[str, Any]] = []
    asked = iter([{"type": "http.request", "body": body.encode(), "more_body": False}])
    gone = (client or Stay()).gone

    async def receive() -> dict[str, Any]:
        if (message := next(asked, None)) is None:
            await gone.wait()
        return message or {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    await asgi.application(scope, receive, send)
    if not told:
        return 0, {}, time.monotonic()
    return told[0]["status"], json.loads(told[1]["body"]), time.monotonic()


def token(form: dict[str, str], *, basic: str = "", client: Stay | None = None) -> Awaitable[Told]:
    return ask("POST", "token", form, basic=basic, client=client)


def machine(client: Stay | None = None) -> Awaitable[Told]:
    return token(MACHINE, basic=world.basic_header("nightly-report", world.SECRET), client=client)


def together(*asked: Callable[[], Awaitable[Told]]) -> list[Told]:
    async def all_of_them() -> list[Told]:
        return await asyncio.gather(*(ask() for ask in asked))

    return asyncio.run(all_of_them())


WHERE = {"dbname", "user", "password", "host", "port"}


@contextmanager
def another() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(**{k: v for k, v in connection.get_connection_params().items() if k in WHERE}) as made:
        yield made


@contextmanager
def locked(sql: str, seconds: float) -> Iterator[float]:
    """Another session holds what it names for so long. Gives the moment when it lets go."""
    with another() as holder:
        holder.execute(sql)
        release = threading.Timer(seconds, holder.rollback)
        release.start()
        yield time.monotonic() + seconds
        release.join()


ROWS = "SELECT 1 FROM authz_authorization FOR UPDATE"
CODES = "SELECT 1 FROM authz_authorizationcode FOR UPDATE"
TABLE = "LOCK TABLE authz_auditevent IN ACCESS EXCLUSIVE MODE"


def refresh(of: World) -> Callable[[], Awaitable[Told]]:
    form = {
        "grant_type": "refresh_token",
        "client_id": "desktop-app",
        "refresh_token": of.signed_in_tokens()["refresh_token"],
    }
    return lambda: token(form)


class TestALock:
    def test_a_request_that_needs_a_locked_row_waits_and_others_are_answered(self, committed_gatehouse: World) -> None:
        """Else one mass revocation, or one person's psql, would stop all machines of a process."""
        asked = refresh(committed_gatehouse)
        with locked(ROWS, 1.5) as released:
            waited, *others = together(asked, machine, machine)
        assert [status for status, *_ in others] == [200, 200]
        assert max(when for *_, when in others) < released - 0.5
        assert waited[0] == 200
        assert waited[2] >= released - 0.1

    def test_more_of_them_than_connections_do_not_keep_others_from_the_database(
        self, committed_gatehouse: World, pool_of: Callable[[int], None]
    ) -> None:
        pool_of(2)
        asked = refresh(committed_gatehouse)

        async def all_of_them() -> list[Told]:
            waiting = [asyncio.ensure_future(asked()) for _ in range(2)]
            await asyncio.sleep(0.2)
            return [await machine(), *await asyncio.gather(*waiting)]

        with locked(ROWS, 1.5) as released:
            other, *waited = asyncio.run(all_of_them())
        assert other[0] == 200
        assert other[2] < released - 0.5
        # Whichever rotates, the other gets the same successor.
        assert [status for status, *_ in waited] == [200, 200]
        assert len({body["refresh_token"] for _, body, _ in waited}) == 1
        assert len(pool._idle) == 2

    def test_a_statement_that_takes_longer_than_its_deadline_is_503(self, committed_gatehouse: World) -> None:
        with locked(TABLE, 4) as released:
            (status, body, when), *_ = together(machine)
        assert (status, body["error"]) == (503, "temporarily_unavailable")
        assert when < released
        assert together(machine)[0][0] == 200


class TestThePool:
    def test_where_it_is_empty_a_request_waits_and_is_served(
        self, committed_gatehouse: World, pool_of: Callable[[int], None]
    ) -> None:
        pool_of(1)
        with locked(TABLE, 0.4):
            answers = together(*[machine] * 5)
        assert [status for status, *_ in answers] == [200] * 5
        assert len(pool._idle) == 1

    def test_first_come_first_served(self, committed_gatehouse: World, pool_of: Callable[[int], None]) -> None:
        pool_of(1)
        with locked(TABLE, 0.4):
            answers = together(*[machine] * 8)
        moments = [when for *_, when in answers]
        assert moments == sorted(moments)

    def test_a_request_that_waits_too_long_is_503_and_knows_when_to_come_again(
        self, committed_gatehouse: World, pool_of: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pool_of(1)
        monkeypatch.setattr(pools, "WAIT_SECONDS", 0.2)
        with locked(TABLE, 1) as released:
            first, *others = together(*[machine] * 3)
        assert first[0] == 200
        assert [(status, body["error"]) for status, body, _ in others] == [(503, "temporarily_unavailable")] * 2
        assert max(when for *_, when in others) < released
        assert together(machine)[0][0] == 200

    def test_a_request_that_crashes_gives_its_connection_back(
        self, committed_gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def crash(request: Any) -> Any:
            AuditEvent.objects.count()
            raise SystemError

        monkeypatch.setitem(wsgi.MACHINES, f"{conf.issuer_path}/token", crash)
        with pytest.raises(SystemError):
            together(machine)
        monkeypatch.undo()
        assert len(pool._idle) == 1
        assert pool._borrowers == set()

    def test_a_transaction_that_was_left_open_is_not_shared(
        self, committed_gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def leave_it(request: Any) -> Any:
            connections["default"].set_autocommit(False)
            AuditEvent.objects.count()
            raise SystemError

        monkeypatch.setitem(wsgi.MACHINES, f"{conf.issuer_path}/token", leave_it)
        with pytest.raises(SystemError):
            together(machine)
        assert pool._idle == []


class TestAClientThatGoes:
    def test_its_place_in_the_queue_is_free(self, committed_gatehouse: World, pool_of: Callable[[int], None]) -> None:
        pool_of(1)

        async def one_leaves() -> list[Told]:
            client = Stay()
            first, leaving, last = (asyncio.ensure_future(machine(who)) for who in (None, client, None))
            await asyncio.sleep(0.2)
            client.gone.set()
            done, _ = await asyncio.wait({leaving}, timeout=0.15)
            assert done == {leaving}
            return [await first, await leaving, await last]

        with locked(TABLE, 0.6):
            answers = asyncio.run(one_leaves())
        assert [status for status, *_ in answers] == [200, 0, 200]
        assert issued() == 2

    def test_it_is_given_nothing_and_the_connection_is_as_before(self, committed_gatehouse: World) -> None:
        asked = {
            "grant_type": "authorization_code",
            "client_id": "desktop-app",
            "code": committed_gatehouse.authorize()["code"],
            "redirect_uri": world.REDIRECT,
            "code_verifier": world.VERIFIER,
        }
        before = issued()

        async def leave() -> Told:
            client = Stay()
            asking = asyncio.ensure_future(token(asked, client=client))
            await asyncio.sleep(0.3)
            client.gone.set()
            return await asking

        with locked(CODES, 0.7):
            assert asyncio.run(leave())[0] == 0
        assert issued() == before
        assert len(pool._idle) == 1
        # What had begun was rolled back.
        assert together(lambda: token(asked))[0][0] == 200

    def test_a_statement_under_way_is_not_cut_off(self, committed_gatehouse: World) -> None:
        before = issued()

        async def leave() -> Told:
            client = Stay()
            asking = asyncio.ensure_future(machine(client))
            await asyncio.sleep(0.3)
            client.gone.set()
            return await asking

        with locked(TABLE, 0.7):
            asyncio.run(leave())
        assert issued() == before + 1

    def test_a_server_that_stops_ends_requests_where_they_are(self, committed_gatehouse: World) -> None:
        async def stop() -> None:
            asking = asyncio.ensure_future(machine())
            await asyncio.sleep(0.3)
            asking.cancel()
            await asyncio.wait({asking})
            assert asking.cancelled()

        with locked(TABLE, 0.6):
            asyncio.run(stop())
        assert (pool._idle, pool._borrowers, greenlets._waiting) == ([], set(), {})
        assert together(machine)[0][0] == 200


def issued() -> int:
    return AuditEvent.objects.filter(event="token:access:issued").count()


class TestOnce:
    """Requests of one loop take turns at every statement: what may happen once happens once."""

    def test_an_assertion_is_used_once(self, committed_gatehouse: World) -> None:
        form = MACHINE | assertions.client_assertion("signing-agent")
        answers = together(*[lambda: token(form)] * 10)
        assert sorted(status for status, *_ in answers) == [200] + [401] * 9

    def test_a_refresh_token_has_one_successor(self, committed_gatehouse: World) -> None:
        answers = together(*[refresh(committed_gatehouse)] * 10)
        assert {status for status, *_ in answers} == {200}
        assert len({body["refresh_token"] for _, body, _ in answers}) == 1
        assert Authorization.objects.latest("created").generation == 1


def test_a_machine_request_survives_a_connection_that_was_cut(committed_gatehouse: World) -> None:
    """PostgreSQL was restarted, or failed over, between two requests."""
    assert together(machine)[0][0] == 200
    cut()
    assert together(machine)[0][0] == 200


def test_an_authorization_request_survives_a_connection_that_was_cut(committed_gatehouse: World) -> None:
    """The precheck queries the database before Django checks its connection."""
    target = committed_gatehouse.authorize_url()
    assert committed_gatehouse.browser.get(target).status_code == 302
    cut()
    assert committed_gatehouse.browser.get(target).status_code == 302


def cut() -> None:
    with another() as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_while_the_database_is_away_the_loop_waits_for_no_connection(
    committed_gatehouse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, tried = list[bool](), DatabaseWrapper.__base__.get_new_connection  # type: ignore[union-attr]

    def away(self: Any, parameters: dict[str, Any]) -> Any:
        where.append(threading.current_thread() is threading.main_thread())
        assert parameters["connect_timeout"] == 2
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(DatabaseWrapper.__base__, "get_new_connection", away)
    for _ in range(3):
        status, body, _ = together(machine)[0]
        assert (status, body["error"]) == (503, "temporarily_unavailable")
    assert set(where) == {False}
    monkeypatch.setattr(DatabaseWrapper.__base__, "get_new_connection", tried)
    assert together(machine)[0][0] == 200
