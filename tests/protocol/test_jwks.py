import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.protocol import jwks, jwts
from authz.protocol.jwks import KeySetError, Unusable

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
RSA_JWK = jwks.public_jwk(RSA_KEY.public_key(), kid="k1")
EC_JWK = jwks.public_jwk(EC_KEY.public_key(), kid="k2")
ED_JWK = jwks.public_jwk(ED_KEY.public_key(), kid="k3")
WEAK_JWK = jwks.public_jwk(rsa.generate_private_key(65537, 1024).public_key(), kid="weak")  # noqa: S505 made to be refused
OTHER_EC_JWK = jwks.public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), kid="k2")


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


# Attack 25: what makes a whole set unfit to be believed.
CONDEMNED: list[tuple[str, Any]] = [
    ("no keys member", {}),
    ("keys is null", {"keys": None}),
    ("keys is an object", {"keys": {}}),
    ("a symmetric key", {"keys": [RSA_JWK, {"kty": "oct", "k": "c2VjcmV0"}]}),
    ("a symmetric value under another type", {"keys": [RSA_JWK, {"kty": "RSA", "k": "c2VjcmV0"}]}),
    ("a private key", {"keys": [EC_JWK | {"d": "AAAA"}]}),
    ("a private RSA key", {"keys": [RSA_JWK | {"p": "AAAA"}]}),
    ("a private value that is a number", {"keys": [RSA_JWK | {"d": 5}]}),
    ("a private key for another use", {"keys": [RSA_JWK, EC_JWK | {"use": "enc", "d": "AAAA"}]}),
    ("a private key of a type of the future", {"keys": [RSA_JWK, {"kty": "AKP", "priv": "AAAA"}]}),
    ("other primes", {"keys": [RSA_JWK | {"oth": [{"r": "AAAA"}]}]}),
    ("too many keys", {"keys": [EC_JWK | {"kid": str(n)} for n in range(65)]}),
]


@pytest.mark.parametrize("document", [row[1] for row in CONDEMNED], ids=[row[0] for row in CONDEMNED])
def test_a_private_or_symmetric_key_condemns_the_set(document: Any) -> None:
    with pytest.raises(KeySetError):
        jwks.read(document)
    with pytest.raises(jwts.JwtError):
        jwts.keys_from_jwks(document)


# As Java's BigInteger writes it.
WITH_A_SIGN = encoded(b"\0" + RSA_KEY.public_key().public_numbers().n.to_bytes(256, "big"))
GIANT = encoded((2**16384 + 1).to_bytes(2049, "big"))
PASSED_OVER: list[tuple[str, Any, Unusable]] = [
    ("null", None, Unusable.NOT_A_KEY),
    ("a string", "k1", Unusable.NOT_A_KEY),
    ("a list", ["k1"], Unusable.NOT_A_KEY),
    ("no type", {"kid": "k1"}, Unusable.NOT_A_KEY),
    ("a type that is a list", {"kty": ["RSA"]}, Unusable.NOT_A_KEY),
    ("a kid that is a number", RSA_JWK | {"kid": 1}, Unusable.MEMBERS),
    ("key_ops that is a string", RSA_JWK | {"key_ops": "verify"}, Unusable.MEMBERS),
    ("a use that is a list", RSA_JWK | {"use": [None]}, Unusable.OTHER_USE),
    ("a key for encryption", RSA_JWK | {"use": "enc", "kid": "e"}, Unusable.OTHER_USE),
    ("an encryption key under a signing key's kid", RSA_JWK | {"use": "enc", "kid": "k2"}, Unusable.OTHER_USE),
    ("an X.509 identity of SPIFFE", EC_JWK | {"use": "x509-svid"}, Unusable.OTHER_USE),
    ("a key that may only sign", EC_JWK | {"key_ops": ["sign"], "kid": "s"}, Unusable.OTHER_USE),
    ("a symmetric type without a value", {"kty": "oct", "kid": "o"}, Unusable.OTHER_TYPE),
    ("X25519", ED_JWK | {"crv": "X25519", "kid": "x"}, Unusable.OTHER_TYPE),
    ("secp256k1", EC_JWK | {"crv": "secp256k1", "kid": "b"}, Unusable.OTHER_TYPE),
    ("a type of the future", {"kty": "AKP", "kid": "ml", "pub": "AAAA"}, Unusable.OTHER_TYPE),
    ("RSA-OAEP", RSA_JWK | {"alg": "RSA-OAEP", "kid": "o"}, Unusable.OTHER_ALGORITHM),
    ("an RSA key for ES256", RSA_JWK | {"alg": "ES256", "kid": "r"}, Unusable.OTHER_ALGORITHM),
    ("HS256", RSA_JWK | {"alg": "HS256", "kid": "h"}, Unusable.OTHER_ALGORITHM),
    ("a weak RSA key", WEAK_JWK, Unusable.WEAK),
    ("a giant RSA key", RSA_JWK | {"n": GIANT}, Unusable.OVERSIZE),
    ("a giant exponent", RSA_JWK | {"e": encoded(b"\x01" * 9)}, Unusable.OVERSIZE),
    ("an even exponent", RSA_JWK | {"e": "Ag"}, Unusable.UNREADABLE),
    ("a number as modulus", RSA_JWK | {"n": 5}, Unusable.UNREADABLE),
    ("no modulus", {"kty": "RSA", "e": "AQAB"}, Unusable.UNREADABLE),
    ("a modulus that is null", RSA_JWK | {"n": None}, Unusable.UNREADABLE),
    ("a point off the curve", EC_JWK | {"y": EC_JWK["x"], "kid": "p"}, Unusable.UNREADABLE),
    ("a short Ed25519 key", ED_JWK | {"x": "AAAA"}, Unusable.UNREADABLE),
]


@pytest.mark.parametrize(("jwk", "why"), [row[1:] for row in PASSED_OVER], ids=[row[0] for row in PASSED_OVER])
def test_what_cannot_be_used_is_passed_over_and_named(jwk: Any, why: Unusable) -> None:
    found = jwks.read({"keys": [jwk, EC_JWK]})
    assert [key.kid for key in found.keys] == ["k2"]
    assert [(entry.position, entry.why) for entry in found.passed_over] == [(0, why)]


# What serializers of other languages write for a member that has no value, and other forms of good keys.
ABSENT: list[tuple[str, dict[str, Any]]] = [
    ("alg is null", RSA_JWK | {"alg": None}),
    ("use is null", {name: value for name, value in RSA_JWK.items() if name != "use"} | {"use": None}),
    ("use is empty", RSA_JWK | {"use": ""}),
    ("key_ops is empty", RSA_JWK | {"key_ops": []}),
    ("key_ops is null", RSA_JWK | {"key_ops": None}),
    ("private members are null", RSA_JWK | {"d": None, "p": None, "q": None, "dp": None, "dq": None, "qi": None}),
    ("k is null", EC_JWK | {"k": None}),
    ("k is empty", EC_JWK | {"k": ""}),
    ("oth is empty", RSA_JWK | {"oth": []}),
    ("x5c is empty, x5t null", RSA_JWK | {"x5c": [], "x5t": None}),
    ("an RSA key with a curve of null", RSA_JWK | {"crv": None}),
    ("members of others", RSA_JWK | {"issuer": "https://login.example/{tenantid}/v2.0", "x5c": ["MIIB"]}),
    ("a SPIFFE key", EC_JWK | {"use": "jwt-svid"}),
    ("padding", RSA_JWK | {"e": "AQAB", "n": RSA_JWK["n"] + "="}),
    (
        "a leading zero byte, as Java writes it",
        RSA_JWK | {"n": encoded(b"\0" + RSA_KEY.public_key().public_numbers().n.to_bytes(256, "big"))},
    ),
]


@pytest.mark.parametrize("jwk", [row[1] for row in ABSENT], ids=[row[0] for row in ABSENT])
def test_a_member_without_a_value_is_absent(jwk: dict[str, Any]) -> None:
    found = jwks.read({"keys": [jwk]})
    assert [key.kid for key in found.keys] == [jwk["kid"]]
    assert found.passed_over == ()


def test_different_keys_of_one_type_under_one_kid_are_passed_over() -> None:
    found = jwks.read({"keys": [EC_JWK, RSA_JWK, OTHER_EC_JWK]})
    assert [key.kid for key in found.keys] == ["k1"]
    assert [(entry.position, entry.why) for entry in found.passed_over] == [
        (0, Unusable.AMBIGUOUS),
        (2, Unusable.AMBIGUOUS),
    ]


@pytest.mark.parametrize(
    "entries",
    [
        [RSA_JWK, EC_JWK | {"kid": "k1"}],  # > keys with different "kty" values may use the same "kid" (RFC 7517 §4.5)
        [RSA_JWK, RSA_JWK],
        [RSA_JWK | {"alg": "RS256"}, RSA_JWK | {"alg": "PS256"}],
    ],
    ids=["another type", "the same key twice", "the same key for two algorithms"],
)
def test_one_kid_may_stand_twice_where_no_doubt_arises(entries: list[Any]) -> None:
    found = jwks.read({"keys": entries})
    assert len(found.keys) == 2
    assert found.passed_over == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["RSA", "EC", "AQAB", "P-256"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["keys", "kty", "crv", "n", "e", "x", "y", "kid", "alg", "use", "key_ops", "d", "k"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(entries=st.lists(JSON, max_size=4))
def test_whatever_a_key_set_holds_it_answers(entries: list[Any]) -> None:
    try:
        found = jwks.read({"keys": [*entries, EC_JWK]})
    except KeySetError:
        return
    assert len(found.keys) + len(found.passed_over) == len(entries) + 1


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    # RFC 7638 §3.1
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhM"
        "stn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5"
        "hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert jwks.thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    "key", [RSA_KEY, EC_KEY, ED_KEY, Ed448PrivateKey.generate()], ids=["RSA", "EC", "OKP", "Ed448"]
)
def test_a_published_key_is_public_and_named_by_its_thumbprint(key: Any) -> None:
    jwk = jwks.public_jwk(key.public_key(), alg="x")
    assert jwk["kid"] == jwks.thumbprint(jwk)
    assert jwk["use"] == "sig"
    assert jwk["alg"] == "x"
    assert jwks._PRIVATE_MEMBERS.isdisjoint(jwk)


@pytest.mark.parametrize(("alg", "key"), [("RS256", EC_KEY), ("ES256", RSA_KEY), ("EdDSA", EC_KEY), ("HS256", RSA_KEY)])
def test_a_key_does_not_sign_with_an_algorithm_of_another_type(alg: str, key: jwks.PrivateKey) -> None:
    with pytest.raises(ValueError, match="does not sign"):
        jwts.signer(key, kid="k1", alg=alg, typ="JWT")


@pytest.mark.parametrize(("length", "is_read"), [(0, True), (43, True), (1024, True), (1025, False), (100_000, False)])
def test_a_kid_is_no_place_to_store_things(length: int, is_read: bool) -> None:
    jwk = jwks.public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()) | {"kid": "k" * length}
    keys, passed_over = jwks.read({"keys": [jwk]}).keys, jwks.read({"keys": [jwk]}).passed_over
    assert [len(key.kid or "") for key in keys] == ([length] if is_read else [])
    assert [entry.why for entry in passed_over] == ([] if is_read else [jwks.Unusable.LONG_KID])
