"""The organisation with its cross-app side, and a host of documents."""

import pytest

from tests.cimd.conftest import documents
from tests.support.world import World
from tests.xaa import company as organisation
from tests.xaa.company import Company

__all__ = ["documents"]


@pytest.fixture
def company(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> Company:
    """Its IdP's keys are at hand."""
    return organisation.with_keys(organisation.build(), monkeypatch)
