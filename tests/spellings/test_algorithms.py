"""Each algorithm of foreign signatures, of every kind of token; and what no key of that type signs."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from authz.outbound import remote_keys
from authz.protocol import jwks, jwts
from tests.spellings.doors import signed_by_client
from tests.support import world
from tests.xaa.company import Company

KEYS: dict[str, Callable[[], Any]] = {
    "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}
# The algorithm of the signature, the key that makes it, and the algorithm that its owner publishes the key for.
SIGNED: list[tuple[str, str, str | None]] = [
    *((alg, "RSA", alg) for alg in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    ("RS384", "RSA", None), ("PS256", "RSA", None),
    ("ES256", "P-256", "ES256"), ("ES384", "P-384", "ES384"), ("ES512", "P-521", "ES512"), ("ES512", "P-521", None),
    # RFC 9864: one algorithm under two names.
    ("EdDSA", "Ed25519", "EdDSA"), ("Ed25519", "Ed25519", "Ed25519"), ("EdDSA", "Ed25519", "Ed25519"),
    ("Ed25519", "Ed25519", "EdDSA"), ("EdDSA", "Ed448", "EdDSA"), ("Ed448", "Ed448", "Ed448"),
    ("Ed25519", "Ed25519", None),
]  # fmt: skip
NOT_FOR_IT: list[tuple[str, str, str]] = [
    ("RS256", "RSA", "PS256"), ("PS256", "RSA", "RS256"), ("RS256", "RSA", "RS512"), ("RS512", "RSA", "RS256"),
    ("RS256", "RSA", "ES256"), ("RS256", "RSA", "EdDSA"), ("RS256", "RSA", "none"), ("RS256", "RSA", "HS256"),
    ("ES256", "P-256", "ES384"), ("Ed25519", "Ed25519", "Ed448"), ("EdDSA", "Ed448", "Ed25519"),
]  # fmt: skip


OTHER = jwks.public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), kid="other", alg="ES256")


@cache
def key_of(name: str) -> Any:
    return KEYS[name]()


def by_a_client(company: Company, alg: str, key: Any, published: str | None) -> Any:
    row = world.client("signing-agent")
    row.client_jwks = {"keys": [jwks.public_jwk(key.public_key(), kid="k", alg=published), OTHER]}
    row.save()
    said = world.claims(signed_by_client({})["client_assertion"])
    assertion = jwts.signer(key, kid="k", alg=alg, typ="JWT").sign(said)
    return company.token(grant_type="client_credentials", **signed_by_client({}) | {"client_assertion": assertion})


def by_an_issuer(company: Company, alg: str, key: Any, published: str | None) -> None:
    company.idp.rotate("k", key, alg)


def in_an_id_jag(company: Company, *given: Any) -> Any:
    by_an_issuer(company, *given)
    return company.redeem_assertion(company.idp.id_jag())


def of_a_workload(company: Company, *given: Any) -> Any:
    by_an_issuer(company, *given)
    return company.redeem_assertion(company.idp.workload(), basic=None)


def in_an_id_token(company: Company, *given: Any) -> Any:
    by_an_issuer(company, *given)
    return company.exchange(company.idp.id_token())


DOORS = [by_a_client, in_an_id_jag, of_a_workload, in_an_id_token]


@pytest.fixture(autouse=True)
def _published(company: Company, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The issuer publishes its key for the algorithm that the row names."""
    published = request.node.callspec.params["published"]

    def found(uri: str, role: Any, *, kid: str | None = None) -> Any:
        own = jwks.public_jwk(company.idp.key.public_key(), kid="k", alg=published)
        return jwts.keys_from_jwks({"keys": [own, OTHER]})

    monkeypatch.setattr(remote_keys, "keys", found)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("alg", "key", "published"), SIGNED)
def test_each_algorithm_is_verified_in_every_kind_of_token(
    company: Company, alg: str, key: str, published: str | None, door: Callable[..., Any]
) -> None:
    answer = door(company, alg, key_of(key), published)
    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("alg", "key", "published"), NOT_FOR_IT)
def test_a_key_signs_only_what_its_owner_published_it_for(
    company: Company, alg: str, key: str, published: str, door: Callable[..., Any]
) -> None:
    assert door(company, alg, key_of(key), published).status_code in {400, 401}
