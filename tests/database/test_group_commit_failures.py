"""Where a commit, a disk or a statement fails, exactly those are told who wrote in that group
(authz/database/sqlite3/group_commit.py).
"""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from authz.database import greenlets, replay
from authz.database.sqlite3 import log
from authz.database.sqlite3.group_commit import GroupCommit
from authz.database.sqlite3.group_transaction import GroupTransaction
from authz.database.transactions import unit_of_work
from tests.database.groups import (
    MANY,
    ask_together,
    commits,
    machine,
    numbers,
    patient,
    record,
    record_in_a_transaction,
    recorded,
)

__all__ = ["commits", "machine", "patient"]
pytestmark = [
    pytest.mark.skipif(not settings.IS_SQLITE, reason="PostgreSQL has its own group commit"),
    pytest.mark.django_db(transaction=True),
]


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


def test_a_statement_that_fails_is_its_own_failure(machine: Callable[[Any], None]) -> None:
    def view(name: str) -> None:
        record(name if name != "5" else object())  # type: ignore[arg-type]  # the driver refuses it

    machine(view)
    statuses = [status for status, _ in ask_together(*numbers())]
    assert statuses == [500 if name == "5" else 200 for name in numbers()]
    assert recorded() == sorted(set(numbers()) - {"5"})


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


def test_a_group_whose_requests_have_all_gone_holds_no_thread_up() -> None:
    ended = list[str]()
    others_write = SimpleNamespace(begin=lambda *, goes_on: False, end=lambda: ended.append("end"))
    later = list[Callable[[], None]]()
    loop = SimpleNamespace(call_later=lambda _, then: later.append(then))
    group = GroupCommit(others_write, loop)  # type: ignore[arg-type]  # what it needs of them
    group._waiting.append(SimpleNamespace(since=time.monotonic()))  # type: ignore[arg-type]  # a request that waits
    try:
        group._write()
    finally:
        asyncio._set_running_loop(None)  # it says that its own is running again
    assert not ended
    group._waiting.clear()
    later.pop()()
    assert ended == ["end"]
