import pytest

from tests.delegation import chain
from tests.delegation.chain import Chains
from tests.xaa.conftest import _fresh_issuers

__all__ = ["_fresh_issuers"]


@pytest.fixture
def chains(db: None, monkeypatch: pytest.MonkeyPatch) -> Chains:
    """The servers that pass calls on (chain.py)."""
    return chain.build(monkeypatch)


@pytest.fixture
def committed_chains(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Chains:
    """The same, committed."""
    return chain.build(monkeypatch)
