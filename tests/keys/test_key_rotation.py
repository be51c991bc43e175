"""Signing keys change while tokens are issued and verified: each token can be verified, also with a cached JWKS."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from authz import keys
from authz.database import configuration_cache
from tests.support import databases, processes
from tests.support.world import NOTES, SECRET, configuration

HOUR = 3600.0
STEP = 600.0
START = datetime(2026, 7, 28, 12, tzinfo=UTC)


@dataclass(slots=True)
class Verifier:
    """A resource server that asks for our JWKS once an hour and never in between, the laziest there is (fastmcp)."""

    next_look: float
    keys: dict[str, Any] = field(default_factory=dict)

    def at(self, now: float) -> None:
        if not self.keys or now >= self.next_look:
            self.next_look += HOUR
            found = jwt.PyJWKSet.from_dict({"keys": [dict(jwk) for jwk in keys.published(now)]})
            self.keys = {str(key.key_id): key for key in found.keys}


def tokens_over(days: float, events: dict[float, Callable[[datetime], object]]) -> int:
    """Issue a token of a day and one of ten minutes every step, and hold every live one against every verifier."""
    verifiers = [Verifier(START.timestamp() + phase) for phase in (0, 700, 1500, 2300, 3599)]
    live: list[tuple[str, float]] = []
    issued, now, end = 0, START.timestamp(), START.timestamp() + days * 24 * HOUR
    due = dict(events)
    configuration_cache.forget()
    while now < end:
        for at in [at for at in due if START.timestamp() + at * HOUR <= now]:
            due.pop(at)(datetime.fromtimestamp(now, UTC))
            configuration_cache.forget()
        for verifier in verifiers:
            verifier.at(now)
        for lifetime in (600.0, 24 * HOUR):
            token = keys.sign({"sub": "bob", "exp": now + lifetime}, typ="at+jwt", alg="ES256", now=now)
            kid = jwt.get_unverified_header(token)["kid"]
            live.append((kid, now + lifetime))
            for verifier in verifiers:
                jwt.decode(token, verifier.keys[kid], algorithms=["ES256"], options={"verify_exp": False})
            issued += 1
        live = [(kid, expires) for kid, expires in live if expires > now]
        for verifier in verifiers:
            missing = {kid for kid, _ in live} - set(verifier.keys)
            assert not missing, f"at {(now - START.timestamp()) / HOUR:.2f} h"
        now += STEP
    return issued


@pytest.mark.any_database
@pytest.mark.django_db
@pytest.mark.parametrize(
    "at", [(3.0,), (3.0, 3.5), (3.0, 5.0, 7.0), (3.0, 27.0)], ids=["once", "twice at once", "thrice", "a day later"]
)
def test_every_token_is_verifiable_at_every_moment_of_its_life(at: tuple[float, ...]) -> None:
    keys.ensure(START - timedelta(days=30))
    rotations = {hour: lambda now: keys.rotate("ES256", now=now) for hour in at}
    assert tokens_over(2.3, rotations) > 600


@pytest.mark.any_database
@pytest.mark.django_db
def test_the_proof_would_notice() -> None:
    """A successor that signs at once is one that lazy verifiers have not seen: that is what `--now` says."""
    keys.ensure(START - timedelta(days=30))
    assert tokens_over(0.1, {})
    with pytest.raises(KeyError):
        tokens_over(0.5, {3.0: lambda now: keys.rotate("ES256", now=now, at_once=True)})


def test_under_load_a_verifier_that_asks_again_for_an_unknown_key_verifies_every_token(tmp_path: Path) -> None:
    """Even with `--now`, on a server with several processes: no worker shows an older JWKS than another signs with."""
    over, verified, failed = threading.Event(), [0], list[str]()

    def client(gatehouse: processes.RunningGatehouse) -> None:
        verifier = jwt.PyJWKClient(gatehouse.url("jwks"), cache_jwk_set=True, lifespan=3600, cooldown_duration=0)
        while not over.is_set():
            answer = gatehouse.token(auth=("nightly-report", SECRET), grant_type="client_credentials")
            token = answer.json()["access_token"]
            try:
                key = verifier.get_signing_key_from_jwt(token)
                jwt.decode(token, key, algorithms=["RS256"], audience=NOTES)
                verified[0] += 1
            except jwt.PyJWTError as error:
                failed.append(str(error))

    with (
        databases.database(tmp_path, configuration()) as url,
        processes.running(url, tmp_path, workers=2) as gatehouse,
    ):
        clients = [threading.Thread(target=client, args=(gatehouse,)) for _ in range(3)]
        for thread in clients:
            thread.start()
        try:
            for _ in range(2):
                gatehouse.manage("keys", "rotate", "RS256", "--now")
        finally:
            over.set()
            for thread in clients:
                thread.join(timeout=60)
    assert failed == []
    assert verified[0] > 20
