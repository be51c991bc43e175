"""The database is full, read-only or gone under a running server: nothing is issued, each request is answered 503, and
it recovers by itself.
"""

import json
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import connection

from authz.operations import readiness
from tests.support import commands, databases, processes, world
from tests.support.processes import RunningGatehouse

NIGHTLY = ("nightly-report", world.SECRET)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGatehouse]:
    directory = tmp_path_factory.mktemp("faults")
    with (
        databases.database(directory, world.configuration()) as url,
        processes.running(url, directory) as running,
    ):
        yield running


# --- What breaks it -------------------------------------------------------------------------------------------------


@contextmanager
def full(server: RunningGatehouse) -> Iterator[None]:
    """SQLite's files may not grow: what a full disk does to them. PostgreSQL would be full on another machine."""
    workers = _workers(server)
    size = max(file.stat().st_size for file in Path(urlsplit(server.database_url).path).parent.glob("*.sqlite3*"))
    kept = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in workers}
    for pid in workers:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (min(size, 4096), kept[pid][1]))
    try:
        yield
    finally:
        for pid, limits in kept.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


@contextmanager
def moved(server: RunningGatehouse) -> Iterator[None]:
    """SQLite's files are elsewhere for a while."""
    files = list(Path(urlsplit(server.database_url).path).parent.glob("*.sqlite3*"))
    elsewhere = files[0].parent / "elsewhere"
    elsewhere.mkdir()
    for file in files:
        file.rename(elsewhere / file.name)
    try:
        yield
        assert not any(file.exists() for file in files), "no process creates an empty database in its place"
    finally:
        for file in elsewhere.iterdir():
            file.rename(files[0].parent / file.name)
        elsewhere.rmdir()


@contextmanager
def read_only(server: RunningGatehouse) -> Iterator[None]:
    """After a failover to a standby, connections see a read-only database."""
    name = urlsplit(server.database_url).path[1:]
    _as_admin(server, f"ALTER DATABASE {name} SET default_transaction_read_only = on", _DISCONNECT.format(name))
    try:
        yield
    finally:
        _as_admin(server, f"ALTER DATABASE {name} RESET default_transaction_read_only", _DISCONNECT.format(name))


@contextmanager
def gone(server: RunningGatehouse) -> Iterator[None]:
    """Every connection is cut in the middle, and no new one is let in."""
    name = urlsplit(server.database_url).path[1:]
    _as_admin(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", _DISCONNECT.format(name))
    try:
        yield
    finally:
        _as_admin(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


_DISCONNECT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"


def _as_admin(server: RunningGatehouse, *statements: str) -> None:
    url = urlunsplit(urlsplit(server.database_url)._replace(path="/postgres"))
    with psycopg.connect(url, autocommit=True) as admin:
        for statement in statements:
            admin.execute(statement)  # type: ignore[arg-type]  # the name is ours


def _workers(server: RunningGatehouse) -> list[int]:
    assert server.server.process is not None
    parent = server.server.process.pid
    children = [file.read_text() for file in Path(f"/proc/{parent}/task").glob("*/children")]
    return [int(pid) for text in children for pid in text.split()]


FAULTS: dict[str, Callable[[RunningGatehouse], object]] = {
    "sqlite:full": full,
    "sqlite:gone": moved,
    "postgresql:read-only": read_only,
    "postgresql:gone": gone,
}


def faults() -> list[str]:
    vendor = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2].removesuffix("3")
    return [name for name in FAULTS if name.startswith(vendor)]


# --- What is told, and that it goes on ------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", faults())
def test_nothing_is_issued_each_request_is_answered_and_it_recovers(server: RunningGatehouse, fault: str) -> None:
    code = server.code()
    tokens = server.redeem(server.code()).json()
    before = issued(server)
    with FAULTS[fault](server):
        for _ in range(4):  # of each worker at least one
            is_told(server.token(grant_type="client_credentials", auth=NIGHTLY))
        is_told(server.redeem(code))
        is_told(server.refresh(tokens["refresh_token"]))
        is_told(server.ask("POST", server.url("revoke"), data={"token": "x", "client_id": "desktop-app"}), also=(200,))
        ready = eventually(lambda: server.ask("GET", f"{server.origin}/readyz"), 503)
        assert ready.json()["status"] == "not_ready"
        assert server.ask("GET", f"{server.origin}/healthz").status_code == 200
        page = server.ask("POST", f"{server.origin}/accounts/login/", data={"login": "bob", "password": "bob-password"})
        assert page.status_code in {403, 503}  # without a form's token nothing is asked of the database
        secrets = (code, tokens["refresh_token"], tokens["access_token"], world.SECRET, commands.SECRET_KEY)
        for answer in (ready, page):
            assert not any(secret in answer.text for secret in secrets)
    eventually(lambda: server.token(grant_type="client_credentials", auth=NIGHTLY), 200)
    eventually(lambda: server.ask("GET", f"{server.origin}/readyz"), 200)
    assert issued(server) - before <= 15
    # What was refused meanwhile was not burnt.
    assert server.refresh(tokens["refresh_token"]).status_code == 200


def is_told(answer: requests.Response, also: tuple[int, ...] = ()) -> None:
    assert answer.status_code in {503, *also}, (answer.status_code, answer.text)
    if answer.status_code == 503:
        assert answer.json()["error"] == "temporarily_unavailable"
        assert int(answer.headers["Retry-After"]) > 0
    assert "access_token" not in answer.text


def eventually(ask: Callable[[], requests.Response], status: int) -> requests.Response:
    """Within a few seconds, from every worker: eight times in a row."""
    deadline, in_a_row = time.monotonic() + 30, 0
    while True:
        answer = ask()
        in_a_row = in_a_row + 1 if answer.status_code == status else 0
        if in_a_row == 8:
            return answer
        assert time.monotonic() < deadline, (answer.status_code, answer.text)
        time.sleep(0.05 if in_a_row else 0.2)


def issued(server: RunningGatehouse) -> int:
    return server.recorded("token:access:issued")


@pytest.mark.parametrize("endpoint", ["token", "introspect"])
def test_nothing_is_issued_where_nothing_can_be_written(read_only_connection: world.World, endpoint: str) -> None:
    headers = {"authorization": world.basic_header("notes-server", world.SERVER_SECRET)}
    answer = read_only_connection.post(endpoint, {"grant_type": "client_credentials", "token": "x"}, **headers)
    assert answer.status_code == 503
    assert json.loads(answer.content)["error"] == "temporarily_unavailable"
    assert answer["Retry-After"]


def test_people_get_a_page_that_says_so(read_only_connection: world.World) -> None:
    browser = read_only_connection.browser
    browser.raise_request_exception = False
    page = browser.post("/accounts/login/", {"login": "bob", "password": "bob-password"})
    assert page.status_code == 503
    assert page["Retry-After"]
    assert page["X-Request-Id"] in page.content.decode()
    assert "Back in a moment" in page.content.decode()


def test_not_ready_is_said_where_nothing_can_be_written(read_only_connection: world.World) -> None:
    readiness.forget()
    reasons = read_only_connection.browser.get("/readyz").json()["reasons"]
    assert reasons == ["database_unwritable", "audit_unwritable"]


@pytest.fixture
def read_only_connection(committed_gatehouse: world.World) -> Iterator[world.World]:
    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on" if is_postgresql else "PRAGMA query_only = ON")
    try:
        yield committed_gatehouse
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off" if is_postgresql else "PRAGMA query_only = OFF")
