"""Machine endpoints of a test's own, and requests that one loop serves together."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db import connection

from authz import audit
from authz.database.sqlite3 import group_commit
from authz.database.sqlite3.group_transaction import GroupTransaction
from authz.database.sqlite3.log import Log
from authz.database.transactions import unit_of_work
from authz.endpoints.machine import json_response, machine_endpoint
from authz.models import AuditEvent
from authz.serving import asgi, wsgi
from tests.serving.test_asgi import scope

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

        monkeypatch.setitem(wsgi.MACHINES, PATH, machine_endpoint("GET")(answer).answer)

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


@contextmanager
def other_connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, timeout=5)) as other:
        yield other
