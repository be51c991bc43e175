"""Proofs of possession, judged by RFC 9449 §4.3, row by row."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from authz.protocol import dpop_proofs
from authz.protocol.dpop_proofs import ALGORITHMS, WINDOW, Asked
from authz.protocol.errors import OAuthError, Reason
from tests.support.dpop import DpopKey

ADDRESS = "https://auth.example.com/o/token"
TOKEN = "an.access.token"
NOW = time.time()
KEY, OTHER = DpopKey(), DpopKey()


def made(key: DpopKey = KEY, **changes: Any) -> str:
    return key.proof(**({"address": ADDRESS, "iat": int(NOW)} | changes))


def private_jwk() -> dict[str, Any]:
    numbers = KEY.key.private_numbers().private_value
    return KEY.jwk | {"d": base64.urlsafe_b64encode(numbers.to_bytes(32, "big")).rstrip(b"=").decode()}


def unsigned() -> str:
    return jwt.encode({"jti": "a", "htm": "POST", "htu": ADDRESS, "iat": int(NOW)}, None, "none", {"typ": "dpop+jwt"})


def by_hmac() -> str:
    """Signed with the public key as the secret of an HMAC, which an old library would verify."""
    parts = [{"typ": "dpop+jwt", "alg": "HS256", "jwk": KEY.jwk}, {"jti": "a", "htm": "POST", "htu": ADDRESS}]
    signing = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    mac = hmac.digest(json.dumps(KEY.jwk).encode(), signing.encode(), hashlib.sha256)
    return f"{signing}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


SMALL_RSA = {"kty": "RSA", "e": "AQAB", "n": base64.urlsafe_b64encode(b"\xff" * 128).rstrip(b"=").decode()}
Made = Callable[[], str]
REFUSED: list[tuple[str, Made, Reason]] = [
    ("two headers, as the server joins them", lambda: f"{made()}, {made()}", Reason.DPOP_PROOF_SEVERAL),
    ("empty", lambda: "", Reason.DPOP_PROOF_MALFORMED),
    ("no JWT", lambda: "proof", Reason.DPOP_PROOF_MALFORMED),
    ("endless", lambda: made(more="x" * 8000), Reason.DPOP_PROOF_MALFORMED),
    ("typ of an access token", lambda: made(header={"typ": "at+jwt"}), Reason.DPOP_PROOF_TYP),
    ("without typ", lambda: made(header={"typ": None}), Reason.DPOP_PROOF_TYP),
    ("alg none", unsigned, Reason.DPOP_PROOF_ALGORITHM),
    ("symmetric alg", by_hmac, Reason.DPOP_PROOF_ALGORITHM),
    ("crit", lambda: made(header={"crit": ["b64"], "b64": False}), Reason.DPOP_PROOF_MALFORMED),
    ("without jwk", lambda: made(header={"jwk": None}), Reason.DPOP_PROOF_KEY),
    ("jwk that is none", lambda: made(header={"jwk": [KEY.jwk]}), Reason.DPOP_PROOF_KEY),
    ("private jwk", lambda: made(header={"jwk": private_jwk()}), Reason.DPOP_PROOF_KEY),
    ("symmetric jwk", lambda: made(header={"jwk": {"kty": "oct", "k": "AAAA"}}), Reason.DPOP_PROOF_KEY),
    ("small jwk", lambda: made(header={"jwk": SMALL_RSA}), Reason.DPOP_PROOF_KEY),
    ("point off the curve", lambda: made(header={"jwk": KEY.jwk | {"x": OTHER.jwk["x"]}}), Reason.DPOP_PROOF_KEY),
    ("jwk for encryption", lambda: made(header={"jwk": KEY.jwk | {"use": "enc"}}), Reason.DPOP_PROOF_KEY),
    ("signed by another key", lambda: made(key=KEY, header={"jwk": OTHER.jwk}), Reason.DPOP_PROOF_SIGNATURE),
    ("without jti", lambda: made(jti=None), Reason.DPOP_PROOF_MALFORMED),
    ("empty jti", lambda: made(jti=""), Reason.DPOP_PROOF_MALFORMED),
    ("endless jti", lambda: made(jti="j" * 257), Reason.DPOP_PROOF_MALFORMED),
    ("jti that is a number", lambda: made(jti=5), Reason.DPOP_PROOF_MALFORMED),
    ("nonce that is a list", lambda: made(nonce=["n"]), Reason.DPOP_PROOF_MALFORMED),
    ("another method", lambda: made(method="GET"), Reason.DPOP_PROOF_METHOD),
    ("small letters", lambda: made(method="post"), Reason.DPOP_PROOF_METHOD),
    ("without htm", lambda: made(htm=None), Reason.DPOP_PROOF_METHOD),
    ("another address", lambda: made(address="https://evil.example/o/token"), Reason.DPOP_PROOF_ADDRESS),
    ("another endpoint", lambda: made(address="https://auth.example.com/o/par"), Reason.DPOP_PROOF_ADDRESS),
    ("without htu", lambda: made(htu=None), Reason.DPOP_PROOF_ADDRESS),
    ("htu that is a list", lambda: made(htu=[ADDRESS]), Reason.DPOP_PROOF_ADDRESS),
    ("too old", lambda: made(iat=NOW - WINDOW - 1), Reason.DPOP_PROOF_TIME),
    ("of the future", lambda: made(iat=NOW + WINDOW + 1), Reason.DPOP_PROOF_TIME),
    ("without iat", lambda: made(iat=None), Reason.DPOP_PROOF_TIME),
    ("iat in words", lambda: made(iat=True, jti="b"), Reason.DPOP_PROOF_TIME),
    ("expired by its own exp", lambda: made(exp=int(NOW) - WINDOW - 1), Reason.DPOP_PROOF_TIME),
]


@pytest.mark.parametrize(("made_proof", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_it_is_refused(made_proof: Made, reason: Reason) -> None:
    with pytest.raises(OAuthError) as refused:
        dpop_proofs.check(made_proof(), Asked(method="POST", address=ADDRESS, now=NOW))
    assert refused.value.reason is reason


@pytest.mark.parametrize("ath", [None, "", "another", "A" * 43])
def test_beside_a_token_it_names_the_token(ath: str | None) -> None:
    with pytest.raises(OAuthError) as refused:
        dpop_proofs.check(made(ath=ath), Asked(method="POST", address=ADDRESS, now=NOW, token=TOKEN))
    assert refused.value.reason is Reason.DPOP_PROOF_TOKEN


GOOD: list[tuple[str, Made]] = [
    ("plain", made),
    ("four minutes old", lambda: made(iat=NOW - 240)),
    ("four minutes ahead", lambda: made(iat=NOW + 240)),
    ("a fraction of a second", lambda: made(iat=NOW - 0.5)),
    ("for its token", lambda: made(token=TOKEN)),
    ("typ in capitals", lambda: made(header={"typ": "application/DPOP+JWT"})),
    ("with a kid", lambda: made(header={"kid": "mine"})),
    ("jwk with its alg and use", lambda: made(header={"jwk": KEY.jwk | {"alg": "ES256", "use": "sig", "kid": "a"}})),
    ("another spelling of the address", lambda: made(address="HTTPS://Auth.example.com:443/o/token?x=y")),
]


@pytest.mark.parametrize("made_proof", [row[1] for row in GOOD], ids=[row[0] for row in GOOD])
def test_it_holds(made_proof: Made) -> None:
    proof = dpop_proofs.check(made_proof(), Asked(method="POST", address=ADDRESS, now=NOW))
    assert proof.jkt == KEY.jkt


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (rsa.generate_private_key(65537, 2048), "RS256"),
        (rsa.generate_private_key(65537, 2048), "PS256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
    ids=["RS256", "PS256", "ES384", "EdDSA"],
)
def test_each_kind_of_key_has_its_thumbprint(key: Any, alg: str) -> None:
    assert alg in ALGORITHMS
    holder = DpopKey(key, alg)
    proof = dpop_proofs.check(made(holder), Asked(method="POST", address=ADDRESS, now=NOW))
    assert proof.jkt == holder.jkt
    assert dpop_proofs.is_thumbprint(proof.jkt)


def test_only_asymmetric_algorithms_are_announced() -> None:
    """> Only asymmetric signature algorithms are permitted; the `none` algorithm MUST NOT be included (SEP-1932)"""
    assert not [alg for alg in ALGORITHMS if alg == "none" or alg.startswith("HS")]
