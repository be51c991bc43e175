from collections.abc import Iterator

import pytest

from tests.cimd.conftest import documents
from tests.support.world import World
from tests.xaa import company as organisation
from xaa import trusted_issuers
from xaa.trusted_issuers import discovery

__all__ = ["documents"]


@pytest.fixture
def company(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> organisation.Company:
    """The cross-app side on top of the gatehouse."""
    return organisation.with_keys(organisation.build(), monkeypatch)


@pytest.fixture(autouse=True)
def _fresh_issuers() -> Iterator[None]:
    trusted_issuers._noted.clear()
    trusted_issuers._looked.clear()
    discovery._CACHE.entries.clear()
    yield
