"""Statements that PostgreSQL has prepared (authz/database/postgresql/prepared.py)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.conf import settings
from django.db import Error, connection, transaction

from authz.database import raw_sql
from authz.database.postgresql import prepared

pytestmark = [
    pytest.mark.skipif(settings.IS_SQLITE, reason="SQLite's driver keeps what it has prepared"),
    pytest.mark.django_db(transaction=True),
]
ONE = "SELECT name FROM test_prepared WHERE id = %s"
ADD = "INSERT INTO test_prepared (id, name) VALUES (%s, %s)"


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE test_prepared (id bigint, name text)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE test_prepared")


def statements() -> list[str]:
    """What this session has prepared."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE name LIKE 'gatehouse%%'", ())
        return [row[0] for row in cursor.fetchall()]


def test_a_statement_is_prepared_once_and_used_again() -> None:
    assert raw_sql.write(ADD, (1, "Ada")) == raw_sql.write(ADD, (2, None)) == 1
    assert [raw_sql.one(ONE, (number,)) for number in (1, 2, 3)] == [("Ada",), (None,), None]
    assert sorted(statements()) == [ADD.replace("%s", "$1", 1).replace("%s", "$2"), ONE.replace("%s", "$1")]


def test_values_come_back_as_they_went() -> None:
    values = (7, "it's", datetime(2026, 11, 30, 12, 0, 0, 5, tzinfo=UTC), UUID(int=5), 1.5, None)
    assert raw_sql.one("SELECT %s, %s::text, %s, %s, %s, %s::text", values) == values


@pytest.mark.parametrize("name", ["'; DROP TABLE test_prepared; --", "$1", "\\' OR 1=1 --", "%s", ""])
def test_a_value_is_never_a_part_of_its_statement(name: str) -> None:
    """Attack: SQL in a value."""
    raw_sql.write(ADD, (1, name))
    assert raw_sql.one(ONE, (1,)) == (name,)


def test_a_value_is_not_cut_off_at_nul() -> None:
    """Attack: a value that is judged as a whole, and found or kept as its first half."""
    raw_sql.write(ADD, (1, "admin"))
    with pytest.raises(Error, match="NUL"):
        raw_sql.one("SELECT id FROM test_prepared WHERE name = %s", ("admin\0istrator",))
    assert raw_sql.one(ONE, (1,)) == ("admin",)


def test_one_that_fails_leaves_the_connection_as_it_was() -> None:
    for _ in range(2):
        with pytest.raises(Error, match="nowhere"):
            raw_sql.one("SELECT 1 FROM nowhere WHERE 1 = %s", (1,))
    with pytest.raises(Error, match="division"):
        raw_sql.one("SELECT 1 / %s", (0,))
    assert raw_sql.one("SELECT 1 / %s", (1,)) == (1,)


def test_one_that_a_migration_has_outdated_fails_once() -> None:
    raw_sql.write(ADD, (1, "Ada"))
    assert raw_sql.one(ONE, (1,)) == ("Ada",)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE test_prepared ALTER name TYPE varchar(9)")
    with pytest.raises(Error, match="cached plan"):
        raw_sql.one(ONE, (1,))
    assert raw_sql.one(ONE, (1,)) == ("Ada",)


def test_one_that_the_session_has_lost_fails_once() -> None:
    raw_sql.one(ONE, (1,))
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    with pytest.raises(Error, match="does not exist"):
        raw_sql.one(ONE, (1,))
    assert raw_sql.one(ONE, (1,)) is None


def test_those_of_a_transaction_are_rolled_back_with_it() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        raw_sql.write(ADD, (1, "Ada"))
        raise RuntimeError
    assert raw_sql.one(ONE, (1,)) is None
    assert ADD.replace("%s", "$1", 1).replace("%s", "$2") not in statements()


def test_a_connection_prepares_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "MOST", 3)
    assert [raw_sql.one(f"SELECT {number}") for number in range(6)] == [(number,) for number in range(6)]
    assert len(statements()) == 3
