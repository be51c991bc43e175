"""On PostgreSQL the event-loop thread waits neither for a locked row nor for the database
(authz/database/postgresql).
"""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections

from authz.conf import conf
from authz.database import concurrency
from authz.database.postgresql.base import DatabaseWrapper
from authz.serving import asgi
from tests.support import world
from tests.support.world import World

pytestmark = [
    pytest.mark.skipif(settings.IS_SQLITE, reason="SQLite locks no rows, and is never away"),
    pytest.mark.django_db(transaction=True),
]
MACHINE = {"grant_type": "client_credentials"}


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads of the test's own, whose connections are closed before the database is gone."""
    with ThreadPoolExecutor(1, thread_name_prefix="thread") as pool:
        monkeypatch.setattr(asgi, "_threads", pool)
        yield
        pool.submit(connections.close_all).result()
    connection.close()  # it has the settings of the event-loop thread


async def token(form: dict[str, str], *, basic: str = "") -> tuple[int, dict[str, Any], float]:
    """Status, body and when it was answered."""
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/x-www-form-urlencoded")]
    headers += [(b"authorization", basic.encode())] if basic else []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "raw_path": f"{conf.issuer_path}/token".encode(),
        "query_string": b"",
        "headers": headers,
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.7", 40000),
    }
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": urlencode(form).encode(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    await asgi.application(scope, receive, send)
    return told[0]["status"], json.loads(told[1]["body"]), time.monotonic()


def machine() -> Any:
    return token(MACHINE, basic=world.basic_header("nightly-report", world.SECRET))


WHERE = {"dbname", "user", "password", "host", "port"}


@contextmanager
def another() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(**{k: v for k, v in connection.get_connection_params().items() if k in WHERE}) as made:
        yield made


def test_a_request_that_needs_a_locked_row_waits_in_a_thread_and_delays_no_other(committed_gatehouse: World) -> None:
    """Attack: one mass revocation, or one session of psql, stops all machine requests of a process."""
    refresh = {
        "grant_type": "refresh_token",
        "client_id": "desktop-app",
        "refresh_token": committed_gatehouse.signed_in_tokens()["refresh_token"],
    }

    async def both() -> list[tuple[int, dict[str, Any], float]]:
        return await asyncio.gather(token(refresh), machine())

    connection.close()
    with another() as holder:
        holder.execute("SELECT 1 FROM authz_authorization FOR UPDATE")
        released = time.monotonic() + 1.5
        threading.Timer(1.5, holder.rollback).start()
        waited, other = asyncio.run(both())
    assert other[0] == 200
    assert other[2] < released - 0.5
    assert waited[0] == 200
    assert waited[2] >= released - 0.1


def test_a_machine_request_survives_a_connection_that_was_cut(committed_gatehouse: World) -> None:
    """PostgreSQL was restarted, or failed over, between two requests."""
    assert asyncio.run(machine())[0] == 200
    cut()
    assert asyncio.run(machine())[0] == 200


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


def test_while_the_database_is_away_the_event_loop_thread_does_not_wait_for_it(
    committed_gatehouse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, tried = list[str](), DatabaseWrapper.__base__.get_new_connection  # type: ignore[union-attr]

    def away(self: Any, parameters: dict[str, Any]) -> Any:
        where.append("event loop" if concurrency.is_in_event_loop() else "thread")
        assert parameters["connect_timeout"] == 2
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(DatabaseWrapper.__base__, "get_new_connection", away)
    connection.close()
    for _ in range(3):
        status, body, _ = asyncio.run(machine())
        assert (status, body["error"]) == (503, "temporarily_unavailable")
    assert where.count("event loop") == 1
    assert where.count("thread") >= 3
    monkeypatch.setattr(DatabaseWrapper.__base__, "get_new_connection", tried)
    connection._away_until = 0.0
    assert asyncio.run(machine())[0] == 200
