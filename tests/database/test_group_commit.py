"""What requests of one loop write together is committed together, and each notices nothing of the others
(authz/database/sqlite3/group_commit.py).
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import connection, transaction

from authz.conf import conf
from authz.database.sqlite3 import group_commit
from authz.database.sqlite3.base import DatabaseWrapper
from authz.database.sqlite3.log import Log
from authz.database.transactions import unit_of_work
from authz.models import Authorization, Client, ProtectedResource, User
from authz.protocol.errors import OAuthError, Reason
from authz.tokens import refresh_tokens
from tests.database.groups import (
    MANY,
    ask,
    ask_together,
    commits,
    machine,
    numbers,
    other_connection,
    patient,
    record,
    record_in_a_transaction,
    recorded,
)
from tests.serving.test_asgi import ask as asgi_ask
from tests.serving.test_asgi import scope
from tests.support.world import NOTES, World

__all__ = ["commits", "machine", "patient"]
pytestmark = [
    pytest.mark.skipif(not settings.IS_SQLITE, reason="PostgreSQL has its own group commit"),
    pytest.mark.django_db(transaction=True),
]


@pytest.mark.parametrize("write", [record, record_in_a_transaction], ids=["a statement", "a transaction"])
def test_what_is_ready_together_is_one_commit(
    machine: Callable[[Any], None], commits: list[str], write: Callable[[str], None]
) -> None:
    machine(write)
    assert [status for status, _ in ask_together(*numbers())] == [200] * MANY
    assert recorded() == sorted(numbers())
    assert commits == ["commit"]


def test_a_group_has_an_end(
    machine: Callable[[Any], None], commits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other processes wait for the write lock meanwhile."""
    monkeypatch.setattr(group_commit, "MOST", 5)
    machine(record)
    assert [status for status, _ in ask_together(*numbers())] == [200] * MANY
    assert len(commits) == 3
    assert recorded() == sorted(numbers())


def test_who_writes_for_long_ends_the_group(
    machine: Callable[[Any], None], commits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "LONGEST", 0.01)

    def view(name: str) -> None:
        with unit_of_work():
            record(name)
            time.sleep(0.02)

    machine(view)
    assert [status for status, _ in ask_together("a", "b", "c")] == [200] * 3
    assert len(commits) == 3


def test_a_refusal_keeps_what_it_wrote(machine: Callable[[Any], None]) -> None:
    def view(name: str) -> None:
        with unit_of_work():
            record(name)
            raise OAuthError(Reason.REFRESH_TOKEN_REPLAYED)

    machine(view)
    assert {status for status, _ in ask_together(*numbers())} == {400}
    assert recorded() == sorted(numbers())


def test_a_savepoint_in_a_unit_is_as_anywhere(machine: Callable[[Any], None]) -> None:
    def view(name: str) -> None:
        with transaction.atomic():
            record(f"kept {name}")
            try:
                with transaction.atomic():
                    record(f"taken back {name}")
                    raise KeyError
            except KeyError:
                pass

    machine(view)
    assert {status for status, _ in ask_together(*numbers())} == {200}
    assert recorded() == sorted(f"kept {name}" for name in numbers())


def test_what_is_to_be_done_after_a_commit_is_done_after_the_groups(
    machine: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flush, done = Log.flush, list[str]()

    def watched(self: Log) -> None:
        done.append("flushed")
        flush(self)

    monkeypatch.setattr(Log, "flush", watched)

    def view(name: str) -> None:
        with transaction.atomic():
            record(name)
            if name == "2":
                transaction.on_commit(lambda: done.append(f"after {name}"))

    machine(view)
    ask_together("1", "2", "3")
    assert done == ["flushed", "after 2"]


def test_no_answer_leaves_before_the_disk_has_its_row_and_the_loop_goes_on(
    machine: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    flush = Log.flush

    def slow(self: Log) -> None:
        begun.set()
        assert may_end.wait(30)
        flush(self)

    monkeypatch.setattr(Log, "flush", slow)
    machine(record)

    async def watched() -> None:
        asked = [asyncio.ensure_future(ask(name)) for name in numbers()]
        while not begun.is_set():
            await asyncio.sleep(0.01)
        for _ in range(20):
            assert (await ask("", "/healthz"))[0] == 200
            await asyncio.sleep(0.005)
        assert not any(answer.done() for answer in asked)
        with other_connection() as other:  # nor does it hold the write lock meanwhile
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        may_end.set()
        assert [status for status, _ in await asyncio.gather(*asked)] == [200] * MANY

    asyncio.run(watched())


class TestAnotherProcessWrites:
    def test_it_is_waited_for_and_the_loop_goes_on(self, machine: Callable[[Any], None]) -> None:
        machine(record)

        async def watched() -> None:
            with other_connection() as other:
                other.execute("BEGIN IMMEDIATE")
                asked = [asyncio.ensure_future(ask(name)) for name in numbers()]
                for _ in range(20):
                    began = time.monotonic()
                    assert (await ask("", "/healthz"))[0] == 200
                    assert time.monotonic() - began < 1
                    await asyncio.sleep(0.01)
                assert not any(answer.done() for answer in asked)
                other.execute("ROLLBACK")
            assert [status for status, _ in await asyncio.gather(*asked)] == [200] * MANY

        asyncio.run(watched())
        assert recorded() == sorted(numbers())

    def test_who_waits_for_long_is_answered_503(
        self, machine: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(group_commit, "PATIENCE", 0.1)
        machine(record)
        with other_connection() as other:
            other.execute("BEGIN IMMEDIATE")
            assert {status for status, _ in ask_together(*numbers())} == {503}
            other.execute("ROLLBACK")
        assert recorded() == []
        assert {status for status, _ in ask_together(*numbers())} == {200}

    def test_a_client_that_goes_meanwhile_writes_nothing(self, machine: Callable[[Any], None]) -> None:
        machine(record)

        async def cancelled() -> None:
            with other_connection() as other:
                other.execute("BEGIN IMMEDIATE")
                asked = [asyncio.ensure_future(ask(name)) for name in numbers()]
                await asyncio.sleep(0.05)
                asked[3].cancel()
                await asyncio.sleep(0)
                other.execute("ROLLBACK")
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert isinstance(answers.pop(3), asyncio.CancelledError)
            assert {status for status, _ in answers} == {200}  # type: ignore[misc]

        asyncio.run(cancelled())
        assert recorded() == sorted(set(numbers()) - {"3"})


def test_what_is_not_in_a_group_waits_for_the_disk_by_itself(machine: Callable[[Any], None]) -> None:
    """`synchronous` is FULL (2), before a group and after one, in the loop and elsewhere."""
    seen: list[int] = []

    def view(name: str) -> None:
        seen.append(synchronous())
        record(name)
        seen.append(synchronous())

    machine(view)
    ask_together("a")
    assert [*seen, synchronous()] == [2, 2, 2]


def synchronous() -> int:
    with connection.cursor() as cursor:
        return int(cursor.execute("PRAGMA synchronous").fetchone()[0])


def test_a_log_is_closed_when_nothing_flushes_it_any_more() -> None:
    """Closed before, its number could be another file's, and that would be flushed instead."""
    record("a")
    made = Log(f"{connection.settings_dict['NAME']}-wal")
    descriptor = made._descriptor
    made.flush()
    del made
    with pytest.raises(OSError):
        os.fstat(descriptor)


def test_a_request_keeps_the_connection_that_the_last_one_had(
    committed_gatehouse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening one takes longer than all the rest of a request, so each grant is asked twice."""
    opened: list[str] = []
    get_new_connection = DatabaseWrapper.get_new_connection

    def watched(self: DatabaseWrapper, parameters: dict[str, Any]) -> Any:
        opened.append("opened")
        return get_new_connection(self, parameters)

    monkeypatch.setattr(DatabaseWrapper, "get_new_connection", watched)
    form = urlencode({"grant_type": "refresh_token", "client_id": "desktop-app", "refresh_token": family()}).encode()
    assert [ask_for_token(form) for _ in range(2)] == [200, 200]
    assert opened == []


def family() -> str:
    authorization = Authorization.objects.create(
        client=Client.objects.get(client_id="desktop-app"),
        user=User.objects.get(username="bob"),
        resource=ProtectedResource.objects.get(identifier=NOTES),
        grant_type="authorization_code",
        scopes=["mcp:read"],
        created=datetime.now(UTC),
        expires=datetime.now(UTC) + timedelta(days=1),
    )
    return refresh_tokens.write(authorization.pk, 0)


def ask_for_token(form: bytes) -> int:
    asked = scope(
        "POST", f"{conf.issuer_path}/token".encode(), ((b"content-type", b"application/x-www-form-urlencoded"),)
    )
    return asgi_ask(asked, form)[0]
