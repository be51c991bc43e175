"""No network while a transaction is open, whichever code opened it (invariant 2)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from authz.database.transactions import unit_of_work
from authz.outbound import Role, deliver, errands, fetch, mail
from authz.outbound.errands import Pool

pytestmark = pytest.mark.django_db

EXCHANGES: dict[str, Callable[[], Any]] = {
    "a request": lambda: fetch(Role.CLIENT_METADATA_DOCUMENT, "https://client.example.com/client.json"),
    "a mail": lambda: mail("alice@example.com", "Hello", "Hello"),
    "a syslog message": lambda: deliver(Role.AUDIT_SYSLOG, "logs.example.com", 6514, b"<1>"),
    "an errand": lambda: errands.result(Pool.CLIENTS, "key", lambda: None),
}
TRANSACTIONS: dict[str, Callable[[], Any]] = {
    "a unit of work": unit_of_work,
    "Django's own transaction": transaction.atomic,
    "a savepoint's": lambda: transaction.atomic(savepoint=False),
}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr("socket.getaddrinfo", never)


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("opened", TRANSACTIONS)
def test_no_exchange_begins_in_an_open_transaction(exchange: str, opened: str) -> None:
    with pytest.raises(RuntimeError, match="invariant 2"), TRANSACTIONS[opened]():
        EXCHANGES[exchange]()


@pytest.mark.django_db(transaction=True)
def test_the_transaction_around_a_test_is_the_only_one_that_is_passed_over() -> None:
    assert connection.atomic_blocks == []
    with transaction.atomic(), pytest.raises(RuntimeError, match="invariant 2"):
        EXCHANGES["an errand"]()
    errands.result(Pool.CLIENTS, "key", lambda: None)
