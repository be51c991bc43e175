"""What all tests share. Nobody reaches the network; the cast is Alice (administrator), Bob (allowed), Charlie
(never).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from authz import keys, rate_limits, refusals, snapshot, status_lists
from authz.models import triggers
from tests.support import databases, rows, world


def pytest_configure(config: pytest.Config) -> None:
    # Argon2 is slow on purpose; tests sign in hundreds of times.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Each client of a test would look through all static files anew.
    settings.WHITENOISE_AUTOREFRESH = True
    # Made here by the process that starts the others, so that all have the same.
    databases.directory()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Tests that share a server are run by one process (`--dist loadgroup`), so that it is started once."""
    for item in items:
        for name in item.fixturenames:
            for fixture in item._fixtureinfo.name2fixturedefs.get(name, ()):
                if fixture.scope in {"module", "session"} and fixture.baseid.startswith("tests/"):
                    item.add_marker(pytest.mark.xdist_group(fixture.baseid))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each process has a copy of the run's migrated database (tests/support/databases.py)."""
    migrated, default = databases.migrated(), settings.DATABASES["default"]
    test = default.setdefault("TEST", {})
    if migrated.startswith("postgres"):
        test["TEMPLATE"] = urlsplit(migrated).path[1:]
        return
    # A file, as in production: threads that share an in-memory database do not wait for each other's locks, they fail.
    file = tmp_path_factory.mktemp("database") / "test.sqlite3"
    databases.copy_file(migrated, file)
    test["NAME"] = str(file)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The copy is the tests' database. On PostgreSQL it is made from the template, so it is not there yet."""
    return settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> None:
    """The tests' database, without the triggers that would keep test tables from being emptied."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        drop_append_only_triggers()


def drop_append_only_triggers() -> None:
    with connection.cursor() as cursor:
        for table in ("authz_auditevent", "authz_auditsegment", "authz_auditarchive", "authz_rulechange"):
            if connection.vendor == "postgresql":
                for name in (f"{table}_append_only", f"{table}_append_only_delete"):
                    cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
            else:
                for operation in ("update", "delete"):
                    cursor.execute(f"DROP TRIGGER IF EXISTS {table}_append_only_{operation}")


@pytest.fixture(autouse=True)
def _fresh_process_state() -> Iterator[None]:
    """What a process remembers is forgotten between tests."""
    snapshot.forget()
    cache.clear()
    refusals.reset()
    rate_limits.reset()
    status_lists.forget()
    yield
    snapshot.forget()


@pytest.fixture(autouse=True)
def _tables_can_be_emptied(request: pytest.FixtureRequest) -> Iterator[None]:
    """Emptying the tables after a test that commits may run `post_migrate`, which installs the triggers again."""
    marker = request.node.get_closest_marker("django_db")
    commits = "transactional_db" in request.fixturenames or (marker is not None and marker.kwargs.get("transaction"))
    if commits:
        request.getfixturevalue("transactional_db")
    yield
    if commits:
        drop_append_only_triggers()


@pytest.fixture
def install_triggers(transactional_db: None) -> Iterator[None]:
    """The append-only triggers, for the tests that are about them."""
    triggers.install(using="default")
    yield
    drop_append_only_triggers()


@pytest.fixture
def gatehouse(db: None) -> world.World:
    """A server with signing keys, people, an MCP server, agents and rules (tests/support/world.py)."""
    return make_world()


@pytest.fixture
def committed_gatehouse(transactional_db: None) -> world.World:
    """The same, committed, so that other threads and processes see it."""
    triggers.install(using="default")
    drop_append_only_triggers()
    return make_world()


def make_world() -> world.World:
    """Built once a session by `keys ensure` and `apply`; from then on its rows are put back as they were."""
    rows.make(_build)
    return world.World()


def _build() -> None:
    keys.ensure(datetime.now(UTC))
    world.build()
