"""Statements that go straight to the driver behave as Django's do: errors, transactions, and whoever watches."""

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.utils import OperationalError
from django.test.utils import CaptureQueriesContext

from authz import statements

INSERT = "INSERT INTO authz_usedassertion (digest, expires) VALUES (%s, '2026-01-01')"
COUNT = "SELECT COUNT(*) FROM authz_usedassertion"


@pytest.mark.django_db
def test_rows_and_counts() -> None:
    assert statements.write(INSERT, ("a",)) == 1
    assert statements.one("SELECT digest FROM authz_usedassertion") == ("a",)
    assert statements.every(COUNT) == [(1,)]
    assert statements.one("SELECT digest FROM authz_usedassertion WHERE digest = %s", ("b",)) is None


@pytest.mark.django_db(transaction=True)
def test_errors_are_djangos() -> None:
    statements.write(INSERT, ("a",))
    with pytest.raises(IntegrityError):
        statements.write(INSERT, ("a",))
    with pytest.raises((OperationalError, ProgrammingError)):
        statements.write("INSERT INTO nowhere VALUES (1)")


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_gone() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        statements.write(INSERT, ("a",))
        raise RuntimeError
    assert statements.one(COUNT) == (0,)


@pytest.mark.django_db
def test_whoever_watches_sees_them() -> None:
    with CaptureQueriesContext(connection) as seen:
        statements.one(COUNT)
    assert [query["sql"] for query in seen] == [COUNT]
