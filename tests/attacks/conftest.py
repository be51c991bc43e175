"""Real servers for attacks that need several processes, a restart, or bytes on a wire."""

from collections.abc import Iterator

import pytest

from tests.attacks.cimd_server import attacked
from tests.support import databases, processes, world
from tests.support.processes import RunningGatehouse

# Its server serves several files.
__all__ = ["attacked"]


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of its own for the servers of this run, with the world of tests/support/world.py."""
    with databases.database(tmp_path_factory.mktemp("servers"), world.configuration()) as url:
        yield url


@pytest.fixture(scope="session")
def server(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGatehouse]:
    """Two worker processes, with a path in the issuer."""
    with processes.running(database_url, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def strict_server(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGatehouse]:
    """On the same database: an issuer without a path, and no forgiveness for a refresh token used twice."""
    directory = tmp_path_factory.mktemp("strict-server")
    with processes.running(database_url, directory, path="", GATEHOUSE_REFRESH_REUSE_WINDOW="0") as running:
        yield running
