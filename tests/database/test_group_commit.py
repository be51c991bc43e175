"""What requests of one loop write together is committed together, and each notices nothing of the others
(authz/database/sqlite3/group_commit.py).
"""

import asyncio
import json
import os
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction

from authz import audit
from authz.conf import conf
from authz.database import greenlets, replay
from authz.database.sqlite3 import group_commit, log
from authz.database.sqlite3.base import DatabaseWrapper
from authz.database.sqlite3.group_transaction import GroupTransaction
from authz.database.sqlite3.log import Log
from authz.database.transactions import unit_of_work
from authz.endpoints.machine import json_response, machine_endpoint
from authz.models import AuditEvent, Authorization, Client, ProtectedResource, User
from authz.protocol.errors import OAuthError, Reason
from authz.serving import asgi
from authz.tokens import refresh_tokens
from tests.serving.test_asgi import ask as asgi_ask
from tests.serving.test_asgi import scope
from tests.support.world import NOTES, World

pytestmark = [
    pytest.mark.skipif(not settings.IS_SQLITE, reason="PostgreSQL has its own group commit"),
    pytest.mark.django_db(transaction=True),
]
PATH = "/group-test"
MANY = 12
Ask = Callable[[str], Awaitable[int]]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes longer for a group than the time that one has."""
    monkeypatch.setattr(group_commit, "LONGEST", 60.0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Put a machine endpoint of the test's own in place. It is given the query string."""

    def plug(view: Callable[[str], Any]) -> None:
        def answer(request: Any) -> Any:
            return json_response({"gave": view(request.META["QUERY_STRING"])})

        monkeypatch.setitem(asgi.MACHINES, PATH, machine_endpoint("GET")(answer).answer)

    return plug


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A commit each time that a group has been committed."""
    commit, made = GroupTransaction.commit, list[str]()

    def counted(self: GroupTransaction) -> Log:
        made.append("commit")
        return commit(self)

    monkeypatch.setattr(GroupTransaction, "commit", counted)
    return made


async def ask(query: str, path: str = PATH) -> tuple[int, Any]:
    told: list[dict[str, Any]] = []
    incoming = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (message := next(incoming, None)) is None:
            await asyncio.sleep(60)  # a client that stays
        return message or {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    await asgi.application(scope(target=f"{path}?{query}".encode()), receive, send)
    body = told[1]["body"]
    return told[0]["status"], json.loads(body) if body.startswith(b"{") else body


def ask_together(*queries: str) -> list[tuple[int, Any]]:
    async def together() -> list[tuple[int, Any]]:
        return list(await asyncio.gather(*(ask(query) for query in queries)))

    return asyncio.run(together())


def numbers() -> list[str]:
    return [str(number) for number in range(MANY)]


def record(name: str) -> None:
    audit.record(audit.Event.TOKEN_ISSUED, client_id=name)


def recorded() -> list[str]:
    return sorted(AuditEvent.objects.values_list("client_id", flat=True))


def record_in_a_transaction(name: str) -> None:
    with unit_of_work():
        record(name)


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


def test_a_crash_takes_back_what_it_wrote_and_nothing_else(machine: Callable[[Any], None], commits: list[str]) -> None:
    def view(name: str) -> None:
        with unit_of_work():
            record(name)
            if name in {"3", "7"}:
                raise ValueError(name)

    machine(view)
    answers = dict(zip(numbers(), ask_together(*numbers()), strict=True))
    assert {name for name, (status, _) in answers.items() if status == 500} == {"3", "7"}
    assert recorded() == sorted(set(numbers()) - {"3", "7"})
    assert commits == ["commit"]


def test_a_refusal_keeps_what_it_wrote(machine: Callable[[Any], None]) -> None:
    def view(name: str) -> None:
        with unit_of_work():
            record(name)
            raise OAuthError(Reason.REFRESH_TOKEN_REPLAYED)

    machine(view)
    assert {status for status, _ in ask_together(*numbers())} == {400}
    assert recorded() == sorted(numbers())


def test_a_statement_that_fails_is_its_own_failure(machine: Callable[[Any], None]) -> None:
    def view(name: str) -> None:
        record(name if name != "5" else object())  # type: ignore[arg-type]  # the driver refuses it

    machine(view)
    statuses = [status for status, _ in ask_together(*numbers())]
    assert statuses == [500 if name == "5" else 200 for name in numbers()]
    assert recorded() == sorted(set(numbers()) - {"5"})


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


def broken_commit(_: GroupTransaction) -> None:
    raise OperationalError("disk I/O error")


def test_where_the_commit_fails_every_answer_is_503_and_nothing_is_left(
    machine: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(record_in_a_transaction)
    with monkeypatch.context() as patch:
        patch.setattr(GroupTransaction, "commit", broken_commit)
        assert {status for status, _ in ask_together(*numbers())} == {503}
    assert recorded() == []
    assert {status for status, _ in ask_together(*numbers())} == {200}
    assert recorded() == sorted(numbers())


def test_what_was_claimed_in_a_group_that_failed_is_not_claimed(
    machine: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(lambda jti: replay.claim("client:agent", jti, time.time() + 60))
    with monkeypatch.context() as patch:
        patch.setattr(GroupTransaction, "commit", broken_commit)
        assert {status for status, _ in ask_together("once", "twice")} == {503}
    assert ask_together("once") == [(200, {"gave": True})]


def test_of_many_in_one_group_one_claims(machine: Callable[[Any], None], commits: list[str]) -> None:
    """Attack: one assertion presented many times at the same moment."""
    machine(lambda jti: replay.claim("client:agent", jti, time.time() + 60))
    gave = [answer["gave"] for _, answer in ask_together(*["once"] * MANY)]
    assert sorted(gave) == [False] * (MANY - 1) + [True]
    assert commits == ["commit"]


def test_where_the_disk_does_not_take_the_log_every_answer_is_503(
    machine: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    machine(record)
    monkeypatch.setattr(log, "_flush", broken)
    assert {status for status, _ in ask_together(*numbers())} == {503}


def test_a_transaction_that_is_lost_fails_those_who_wrote_in_it(machine: Callable[[Any], None]) -> None:
    """SQLite rolls all of it back where the disk is full, for example."""

    def view(name: str) -> None:
        with unit_of_work():
            record(name)
            if name == "b":
                connection.connection.execute("ROLLBACK")

    machine(view)
    statuses = [status for status, _ in ask_together("a", "b", "c")]
    assert statuses[:2] == [503, 503]
    # The third had not written yet: it is in the next group.
    assert statuses[2] == 200
    assert recorded() == ["c"]


def test_one_that_waits_for_something_else_in_its_transaction_fails_its_group(machine: Callable[[Any], None]) -> None:
    """The next would write behind its savepoint, and be rolled back with it."""

    def view(name: str) -> None:
        request = greenlets.current()
        assert request is not None
        with unit_of_work():
            record(name)
            if name == "b":
                request.pause(time.monotonic() + 0.05)

    machine(view)
    assert [status for status, _ in ask_together("a", "b", "c")] == [503, 503, 200]
    assert recorded() == ["c"]


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


@contextmanager
def other_connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, timeout=5)) as other:
        yield other


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
