"""Statements that go straight to the driver behave as through Django's cursor: errors, transactions, and observers."""

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.utils import OperationalError
from django.test.utils import CaptureQueriesContext

from authz.database import raw_sql

INSERT = "INSERT INTO authz_usedassertion (digest, expires) VALUES (%s, '2026-01-01')"
COUNT = "SELECT COUNT(*) FROM authz_usedassertion"


@pytest.mark.django_db
def test_rows_and_counts() -> None:
    assert raw_sql.write(INSERT, ("a",)) == 1
    assert raw_sql.one("SELECT digest FROM authz_usedassertion") == ("a",)
    assert raw_sql.every(COUNT) == [(1,)]
    assert raw_sql.one("SELECT digest FROM authz_usedassertion WHERE digest = %s", ("b",)) is None


@pytest.mark.django_db(transaction=True)
def test_errors_are_djangos() -> None:
    raw_sql.write(INSERT, ("a",))
    with pytest.raises(IntegrityError):
        raw_sql.write(INSERT, ("a",))
    with pytest.raises((OperationalError, ProgrammingError)):
        raw_sql.write("INSERT INTO nowhere VALUES (1)")


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_gone() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        raw_sql.write(INSERT, ("a",))
        raise RuntimeError
    assert raw_sql.one(COUNT) == (0,)


@pytest.mark.django_db
def test_statements_that_are_observed_go_through_django() -> None:
    with CaptureQueriesContext(connection) as seen:
        raw_sql.one(COUNT)
    assert [query["sql"] for query in seen] == [COUNT]
