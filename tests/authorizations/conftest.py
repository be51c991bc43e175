"""Notes wants a status in its tokens."""

import pytest

from authz.authorizations import status_lists
from authz.decisions import status_review
from authz.models import ProtectedResource
from tests.support.world import NOTES, World


@pytest.fixture
def notes(gatehouse: World) -> World:
    """Notes wants a status in its tokens."""
    ProtectedResource.objects.filter(identifier=NOTES).update(status_list=True)
    return gatehouse


@pytest.fixture
def committed_notes(committed_gatehouse: World) -> World:
    ProtectedResource.objects.filter(identifier=NOTES).update(status_list=True)
    return committed_gatehouse


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_lists, "LOOK_INTERVAL", 0.0)
    status_review.forget()
