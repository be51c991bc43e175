from collections.abc import Iterator

import pytest

from authz import remote_keys
from authz.outbound import Role
from authz.protocol.jwts import Key
from tests.support.world import World
from tests.xaa import company as organisation
from xaa import trusted_issuers


@pytest.fixture
def company(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> organisation.Company:
    """The cross-app side on top of the gatehouse; the IdP's keys are at hand, without a network."""
    return with_keys(organisation.build(), monkeypatch)


@pytest.fixture
def committed_company(committed_gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> organisation.Company:
    return with_keys(organisation.build(), monkeypatch)


def with_keys(company: organisation.Company, monkeypatch: pytest.MonkeyPatch) -> organisation.Company:
    def keys(jwks_uri: str, role: Role, *, kid: str | None = None) -> tuple[Key, ...]:
        if jwks_uri != organisation.IDP_JWKS:
            raise remote_keys.KeysUnavailableError("dns")
        return company.idp.keys

    monkeypatch.setattr(trusted_issuers.remote_keys, "keys", keys)
    return company


@pytest.fixture(autouse=True)
def _fresh_issuers() -> Iterator[None]:
    trusted_issuers._noted.clear()
    yield
