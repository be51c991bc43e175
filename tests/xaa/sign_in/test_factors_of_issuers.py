"""Second factors of people that an issuer signs in: it vouches for them, and its people have no way around it."""

import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth import SESSION_KEY

from authz.configuration import apply
from tests.sign_in.test_second_factors import alone, enrol, passkey, sees
from tests.support.world import person
from tests.xaa.upstream import Upstream, configuration, upstream

__all__ = ["upstream"]


@pytest.fixture(autouse=True)
def _demanded(settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "SECOND_FACTOR_ROLES": ["administrator", "approver"]}


@pytest.mark.parametrize(
    ("vouches", "said", "is_in"),
    [
        (["mfa"], {"amr": ["pwd", "mfa"], "acr": "1"}, True),
        (["phr"], {"amr": ["pwd"], "acr": "phr"}, True),
        (["mfa"], {"amr": ["pwd"], "acr": "1"}, False),
        ([], {"amr": ["mfa"], "acr": "mfa"}, False),
        (["mfa"], {"amr": "mfa", "acr": None}, False),
    ],
)
def test_an_issuer_vouches_by_what_is_named(
    upstream: Upstream, vouches: list[str], said: dict[str, Any], is_in: bool
) -> None:
    apply(configuration(sign_in={"client_id": "gatehouse-at-idp", "vouches": vouches}))
    bob = person("bob")
    bob.role = "approver"
    bob.save()
    upstream.claims = said
    upstream.sign_in()
    assert sees(upstream.browser) is is_in
    apply(configuration(sign_in={"client_id": "gatehouse-at-idp", "vouches": []}))
    assert not sees(upstream.browser), "what no longer counts counts no longer for sessions that are there"


def test_it_does_not_outlive_the_issuer(upstream: Upstream) -> None:
    """People of an issuer sign in there; a passkey is a second factor, and no way around it."""
    upstream.claims = {"auth_time": int(time.time())}
    upstream.sign_in()
    key = passkey()
    enrol(upstream.browser, key)
    assert Authenticator.objects.filter(user=person("bob"), type="webauthn").exists()
    assert SESSION_KEY not in alone(key, "bob").session
