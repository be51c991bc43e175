"""The circuit breaker for a database that hangs, and the responses from memory meanwhile."""

import time

import psycopg
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection

from authz import settings as project_settings
from authz.database import concurrency, transactions
from authz.database.postgresql.availability import RETRY_SECONDS, Availability
from authz.endpoints.from_memory import LONGEST_SECONDS, Memory


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("happened", "later", "is_in_doubt", "may_ask"),
    [
        ([], 0.0, False, True),
        (["timed_out"], 0.0, True, False),
        (["timed_out"], RETRY_SECONDS - 0.1, True, False),
        (["timed_out"], RETRY_SECONDS, True, True),
        (["timed_out", "timed_out"], RETRY_SECONDS, True, True),
        (["timed_out", "answered"], 0.0, False, True),
        (["timed_out", "answered", "timed_out"], 0.0, True, False),
    ],
)
def test_after_a_deadline_no_statement_is_sent_for_a_second(
    happened: list[str], later: float, *, is_in_doubt: bool, may_ask: bool
) -> None:
    clock = Clock()
    availability = Availability(clock)
    for what in happened:
        getattr(availability, what)()
    clock.now += later
    assert availability.is_in_doubt is is_in_doubt
    assert availability.may_ask(2.5) is may_ask


@pytest.mark.any_database
def test_one_thread_tries_at_a_time_and_may_go_on_trying() -> None:
    from concurrent.futures import ThreadPoolExecutor

    clock = Clock()
    availability = Availability(clock)
    availability.timed_out()
    clock.now += RETRY_SECONDS
    with ThreadPoolExecutor(1) as another:
        assert availability.may_ask(2.5)
        assert not another.submit(availability.may_ask, 2.5).result()
        assert availability.may_ask(2.5)
        # The thread that tried has ended without an answer.
        clock.now += 2.5 + RETRY_SECONDS
        assert another.submit(availability.may_ask, 2.5).result()
        assert not availability.may_ask(2.5)


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("kept_for", "recalled"),
    [(None, None), (0.0, "b"), (60.0, "b"), (LONGEST_SECONDS, "b"), (LONGEST_SECONDS + 1, None), (86400.0, None)],
)
def test_a_remembered_response_is_given_for_some_minutes(kept_for: float | None, recalled: str | None) -> None:
    clock = Clock()
    memory: Memory[str] = Memory(clock)
    if kept_for is not None:
        memory.keep("a")
        clock.now += 5
        memory.keep("b")
        clock.now += kept_for
    assert memory.recall() == recalled


@pytest.mark.any_database
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "2s", "soon"])
def test_an_invalid_deadline_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GATEHOUSE_DATABASE_TIMEOUT", value)
    with pytest.raises(ImproperlyConfigured, match="GATEHOUSE_DATABASE_TIMEOUT"):
        project_settings.env_number("GATEHOUSE_DATABASE_TIMEOUT", 2, least=1)


postgresql = pytest.mark.skipif(settings.IS_SQLITE, reason="statements of SQLite are not waited for by a network")


@pytest.fixture
def own_connection(transactional_db: None) -> None:
    """One that is made within the test, and closed by it."""
    connection.close()
    yield
    connection.close()


@postgresql
@pytest.mark.usefixtures("own_connection")
def test_the_server_ends_what_takes_too_long_and_the_connection_stays() -> None:
    with concurrency.in_thread(), connection.cursor() as cursor:
        began = time.monotonic()
        with pytest.raises(OperationalError) as refused:
            cursor.execute("SELECT pg_sleep(30)")
        assert isinstance(refused.value.__cause__, psycopg.errors.QueryCanceled)
        assert time.monotonic() - began < 10
        cursor.execute("SELECT 1")


@postgresql
@pytest.mark.usefixtures("own_connection")
def test_an_administrators_change_of_many_rows_may_take_longer() -> None:
    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return str(cursor.fetchone()[0])

    with concurrency.in_thread():
        assert limit() == "2s"
        with pytest.raises(ZeroDivisionError), transactions.long_statements(), transactions.unit_of_work():
            assert limit() == "2min"
            raise ZeroDivisionError
        assert limit() == "2s"


@postgresql
@pytest.mark.usefixtures("own_connection")
def test_a_command_has_no_deadline() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "0"
        cursor.execute("SELECT pg_sleep(3.5)")
