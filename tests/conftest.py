"""What all tests share. No test reaches the network; the cast is Alice (administrator), Bob (allowed), Charlie
(never).
"""

import gc
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from hypothesis import HealthCheck

from authz import audit, keys
from authz.authorizations import status_lists
from authz.database.postgresql.pool import pool
from authz.decisions import usage
from authz.limits import rate_limits, refusal_sampling
from tests.support import append_only, databases, loaded, rows, scheduling, scratch, selection, world
from tests.support.clock import Clock
from tests.support.processor_time import ProcessorTime


def pytest_configure(config: pytest.Config) -> None:
    scratch.in_memory()
    config.pluginmanager.register(ProcessorTime())
    # Until all tests are collected: nothing of them is garbage.
    gc.disable()
    # Argon2 is slow on purpose; tests sign in hundreds of times.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # By default an example may take 0.2 seconds, which is longer on a machine that others use, too.
    hypothesis.settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    hypothesis.settings.load_profile("shared")
    # Each client of a test would look through all static files again.
    settings.WHITENOISE_AUTOREFRESH = True
    # Made here by the process that starts the others, so that all have the same.
    databases.directory()
    if own := getattr(config, "workerinput", None):
        scheduling.give_way(own["workerid"], own["workercount"])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """`None`: the variable says it."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else scheduling.processes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.Scheduling | None:
    return scheduling.Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that do not depend on the database run on SQLite only."""
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        return
    same = selection.same_on_each_database(items)
    config.hook.pytest_deselected(items=list(same))
    items[:] = [item for item in items if item not in same]


def pytest_collection_finish() -> None:
    """The collector need not look through some thousand tests again and again: an eighth of the time of a run."""
    gc.enable()
    gc.collect()
    gc.freeze()
    # A test makes some thousand objects, few of them in circles.
    gc.set_threshold(20_000, 20, 50)


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
    """The tests' database, with all triggers that the product has (tests/support/append_only.py)."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        connection.ops.sql_flush = append_only.emptied_without(connection.ops.sql_flush)  # type: ignore[method-assign]
        if connection.vendor == "postgresql":
            databases.need_not_survive(connection.settings_dict["NAME"])
            connection.close()


@pytest.fixture(autouse=True)
def _fresh_process_state() -> Iterator[None]:
    """What a process remembers is forgotten between tests."""
    loaded.forget()
    cache.clear()
    refusal_sampling.reset()
    rate_limits.reset()
    status_lists.forget()
    usage.forget()
    audit._failed = None
    yield
    loaded.forget()
    if not settings.IS_SQLITE:
        pool.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What a test moves instead of waiting."""
    moved = Clock()
    monkeypatch.setattr(time, "time", moved)
    return moved


@pytest.fixture
def gatehouse(db: None) -> world.World:
    """A server with signing keys, people, an MCP server, agents and rules (tests/support/world.py)."""
    return make_world()


@pytest.fixture
def committed_gatehouse(transactional_db: None) -> world.World:
    """The same, committed, so that other threads and processes see it."""
    return make_world()


def make_world() -> world.World:
    """Built once a session by `keys ensure` and `apply`; from then on its rows are put back as they were."""
    rows.make(_build)
    return world.World()


def _build() -> None:
    keys.ensure(datetime.now(UTC))
    world.build()
