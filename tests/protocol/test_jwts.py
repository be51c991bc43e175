import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.protocol import jwts
from authz.protocol.jwts import JwtError, JwtProblem

NOW = 1_800_000_000.0
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
PRIVATE_KEYS: dict[str, jwts.PrivateKey] = {"RS256": RSA_KEY, "PS256": RSA_KEY, "ES256": EC_KEY, "EdDSA": ED_KEY}
CLAIMS = {"iss": "https://issuer.example", "sub": "alice", "aud": "https://as.example/o", "exp": NOW + 300}


def encoded(value: Any) -> str:
    raw = (
        value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()
    )
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: Any, claims: Any = CLAIMS, *, alg: str = "RS256", key: Any = None) -> str:
    """A token as an attacker makes one: any header and any body, under a good signature."""
    signing_input = f"{encoded(header)}.{encoded(claims)}"
    signature = jwts._IMPLEMENTATIONS[alg].sign(signing_input.encode(), key or PRIVATE_KEYS[alg])
    return f"{signing_input}.{encoded(signature)}"


def public(alg: str, kid: str | None = "k1", *, bound: bool = True) -> jwts.Key:
    jwk = jwts.public_jwk(PRIVATE_KEYS[alg].public_key(), kid=kid or "x", alg=alg if bound else None)
    if kid is None:
        del jwk["kid"]
    return jwts.keys_from_jwks({"keys": [jwk]})[0]


def problem_of(call: Any) -> JwtProblem:
    with pytest.raises(JwtError) as caught:
        call()
    return caught.value.problem


@pytest.mark.parametrize("alg", sorted(jwts.ALGORITHMS))
def test_it_believes_what_it_signed_itself(alg: str) -> None:
    token = jwts.signer(PRIVATE_KEYS[alg], kid="k1", alg=alg, typ="at+jwt").sign(CLAIMS)
    verified = jwts.verify(token, [public(alg)], algorithms={alg}, typ={"at+jwt"})
    assert verified.claims == CLAIMS
    assert verified.header == {"alg": alg, "typ": "at+jwt", "kid": "k1"}


HEADER = {"alg": "RS256", "typ": "oauth-id-jag+jwt", "kid": "k1"}
PUBLIC_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def hmac_with_the_public_key() -> str:
    import hashlib
    import hmac

    signing_input = f"{encoded(HEADER | {'alg': 'HS256'})}.{encoded(CLAIMS)}"
    return f"{signing_input}.{encoded(hmac.digest(PUBLIC_PEM, signing_input.encode(), hashlib.sha256))}"


EMBEDDED = jwts.public_jwk(OTHER_RSA_KEY.public_key())
P384 = ec.generate_private_key(ec.SECP384R1())
# Attack 17: what a token may say of itself to be believed.
CONFUSIONS: list[tuple[str, str, JwtProblem]] = [
    ("typ missing", signed({"alg": "RS256", "kid": "k1"}), JwtProblem.TYP),
    ("typ of an ID token", signed(HEADER | {"typ": "JWT"}), JwtProblem.TYP),
    ("typ of an access token", signed(HEADER | {"typ": "at+jwt"}), JwtProblem.TYP),
    ("typ spelled as a media type", signed(HEADER | {"typ": "application/oauth-id-jag+jwt"}), JwtProblem.TYP),
    ("typ in another case", signed(HEADER | {"typ": "OAuth-ID-JAG+JWT"}), JwtProblem.TYP),
    ("typ is a list", signed(HEADER | {"typ": ["oauth-id-jag+jwt"]}), JwtProblem.MALFORMED),
    ("typ is null", signed(HEADER | {"typ": None}), JwtProblem.MALFORMED),
    ("alg none", f"{encoded(HEADER | {'alg': 'none'})}.{encoded(CLAIMS)}.", JwtProblem.ALGORITHM),
    ("alg none with a signature", signed(HEADER | {"alg": "none"}), JwtProblem.ALGORITHM),
    ("alg nOnE", signed(HEADER | {"alg": "nOnE"}), JwtProblem.ALGORITHM),
    ("alg missing", signed({"typ": HEADER["typ"], "kid": "k1"}), JwtProblem.ALGORITHM),
    ("alg is a list", signed(HEADER | {"alg": ["RS256"]}), JwtProblem.ALGORITHM),
    ("HS256 with the RSA public key", hmac_with_the_public_key(), JwtProblem.ALGORITHM),
    ("an algorithm we do not take", signed(HEADER | {"alg": "RS512"}), JwtProblem.ALGORITHM),
    ("an algorithm this caller does not take", signed(HEADER | {"alg": "EdDSA"}, alg="EdDSA"), JwtProblem.ALGORITHM),
    ("an algorithm of another type of key", signed(HEADER | {"alg": "ES256"}, alg="ES256"), JwtProblem.NO_KEY),
    ("an algorithm that the key is not for", signed(HEADER | {"alg": "PS256"}, alg="PS256"), JwtProblem.NO_KEY),
    ("its own jwk", signed(HEADER | {"jwk": EMBEDDED}, key=OTHER_RSA_KEY), JwtProblem.HEADER_REFUSED),
    ("a jku", signed(HEADER | {"jku": "https://evil.example/jwks"}, key=OTHER_RSA_KEY), JwtProblem.HEADER_REFUSED),
    ("an x5u", signed(HEADER | {"x5u": "https://evil.example/c.pem"}, key=OTHER_RSA_KEY), JwtProblem.HEADER_REFUSED),
    ("an x5c", signed(HEADER | {"x5c": ["MIIB"]}, key=OTHER_RSA_KEY), JwtProblem.HEADER_REFUSED),
    ("b64", signed(HEADER | {"b64": False}), JwtProblem.HEADER_REFUSED),
    ("zip", signed(HEADER | {"zip": "DEF"}), JwtProblem.HEADER_REFUSED),
    ("an unknown crit", signed(HEADER | {"crit": ["exp"], "exp": 1}), JwtProblem.CRITICAL),
    ("an empty crit", signed(HEADER | {"crit": []}), JwtProblem.CRITICAL),
    ("an unknown kid", signed(HEADER | {"kid": "k2"}), JwtProblem.NO_KEY),
    ("a kid that is a path", signed(HEADER | {"kid": "../../dev/null"}), JwtProblem.NO_KEY),
    ("a kid that is a number", signed(HEADER | {"kid": 1}), JwtProblem.MALFORMED),
    ("another's signature", signed(HEADER, key=OTHER_RSA_KEY), JwtProblem.SIGNATURE),
]


@pytest.mark.parametrize(("token", "problem"), [row[1:] for row in CONFUSIONS], ids=[row[0] for row in CONFUSIONS])
def test_it_is_not_confused_about_typ_and_alg(token: str, problem: JwtProblem) -> None:
    keys = [public("RS256")]
    algorithms = {"RS256", "PS256", "ES256"}
    assert problem_of(lambda: jwts.verify(token, keys, algorithms=algorithms, typ={"oauth-id-jag+jwt"})) is problem
    assert jwts.verify(signed(HEADER), keys, algorithms=algorithms, typ={"oauth-id-jag+jwt"}).claims == CLAIMS


def test_es256_is_only_for_its_own_curve() -> None:
    jwk = json.loads(jwts.ECAlgorithm.to_jwk(P384.public_key()))
    assert jwts.keys_from_jwks({"keys": [jwk | {"kid": "k1", "alg": "ES256"}]}) == ()
    with pytest.raises(ValueError, match="curve"):
        jwts.signer(P384, kid="k1", alg="ES256", typ="JWT")


GOOD = signed(HEADER)
MALFORMED: list[tuple[str, str, JwtProblem]] = [
    ("empty", "", JwtProblem.MALFORMED),
    ("two segments", "e30.e30", JwtProblem.MALFORMED),
    ("five segments (JWE)", "e30.e30.e30.e30.e30", JwtProblem.MALFORMED),
    ("empty signature", GOOD.rpartition(".")[0] + ".", JwtProblem.MALFORMED),
    ("padding", GOOD + "==", JwtProblem.MALFORMED),
    ("white space at the end", GOOD + "\n", JwtProblem.MALFORMED),
    ("white space within", GOOD[:10] + " " + GOOD[10:], JwtProblem.MALFORMED),
    ("the other alphabet", GOOD[:-3] + "+/A", JwtProblem.MALFORMED),
    ("letters beyond ASCII", GOOD[:-1] + "Ａ", JwtProblem.MALFORMED),
    ("an impossible length", GOOD.rpartition(".")[0] + ".AAAAA", JwtProblem.MALFORMED),
    ("header is a list", f"{encoded([])}.{encoded(CLAIMS)}.AAAA", JwtProblem.MALFORMED),
    ("claims are a list", signed(HEADER, [CLAIMS]), JwtProblem.MALFORMED),
    ("claims are not JSON", signed(HEADER, b"{'sub': 1}"), JwtProblem.MALFORMED),
    ("claims are not UTF-8", signed(HEADER, b'{"sub": "\xff"}'), JwtProblem.MALFORMED),
    ("claims begin with a byte order mark", signed(HEADER, b'\xef\xbb\xbf{"sub": "a"}'), JwtProblem.MALFORMED),
    ("two subs", signed(HEADER, '{"sub": "alice", "sub": "charlie"}'), JwtProblem.MALFORMED),
    ("two subs further down", signed(HEADER, '{"act": {"sub": "a", "sub": "b"}}'), JwtProblem.MALFORMED),
    ("two algs", signed('{"alg": "none", "alg": "RS256", "typ": "JWT"}'), JwtProblem.MALFORMED),
    ("not a number", signed(HEADER, '{"exp": NaN}'), JwtProblem.MALFORMED),
    ("infinity", signed(HEADER, '{"exp": Infinity}'), JwtProblem.MALFORMED),
    ("a number beyond all", signed(HEADER, '{"exp": 1e999}'), JwtProblem.MALFORMED),
    ("a number of five thousand digits", signed(HEADER, '{"exp": ' + "9" * 5000 + "}"), JwtProblem.MALFORMED),
    ("deep nesting", signed(HEADER, '{"a": ' + "[" * 20 + "]" * 20 + "}"), JwtProblem.MALFORMED),
    ("nesting as deep as it goes", signed(HEADER, '{"a": ' + "[" * 5000 + "]" * 5000 + "}"), JwtProblem.MALFORMED),
    ("a NUL, which PostgreSQL does not keep", signed(HEADER, '{"sub": "a\\u0000"}'), JwtProblem.MALFORMED),
    ("half a surrogate pair, which is no UTF-8", signed(HEADER, '{"sub": "\\ud800"}'), JwtProblem.MALFORMED),
    ("16 KiB and more", signed(HEADER, {"sub": "a" * 16_384}), JwtProblem.TOO_LARGE),
]


@pytest.mark.parametrize(("token", "problem"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_it_reads_strictly(token: str, problem: JwtProblem) -> None:
    assert problem_of(lambda: jwts.parse(token)) is problem


@pytest.mark.parametrize("alg", sorted(jwts.ALGORITHMS))
def test_a_signature_has_one_spelling(alg: str) -> None:
    token = jwts.signer(PRIVATE_KEYS[alg], kid="k1", alg=alg, typ="JWT").sign(CLAIMS)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    believed = []
    for letter in alphabet:
        with suppress(JwtError):
            jwts.verify(token[:-1] + letter, [public(alg)], typ=None)
            believed.append(letter)
    assert believed == [token[-1]]


TOKENS = {
    alg: jwts.signer(key, kid="k1", alg=alg, typ="oauth-id-jag+jwt").sign(CLAIMS) for alg, key in PRIVATE_KEYS.items()
}
KEYS = [public("RS256", "k1"), public("ES256", "k2"), public("EdDSA", "k3")]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    alg=st.sampled_from(sorted(TOKENS)),
    position=st.integers(min_value=0),
    letter=st.characters(min_codepoint=32, max_codepoint=126),
    kind=st.sampled_from(["replace", "insert", "delete", "truncate", "swap"]),
)
def test_no_mutation_of_a_token_is_believed(alg: str, position: int, letter: str, kind: str) -> None:
    token = TOKENS[alg]
    at = position % len(token)
    mutated = {
        "replace": token[:at] + letter + token[at + 1 :],
        "insert": token[:at] + letter + token[at:],
        "delete": token[:at] + token[at + 1 :],
        "truncate": token[:at],
        "swap": token[:at] + token[at : at + 2][::-1] + token[at + 2 :],
    }[kind]
    if mutated != token:
        with pytest.raises(JwtError):
            jwts.verify(mutated, [public(alg)], typ={"oauth-id-jag+jwt"})


def test_without_a_kid_each_key_of_the_right_type_is_tried() -> None:
    keys = [public("EdDSA", "other"), public("RS256", "k1", bound=False), public("ES256", "k2")]
    for alg in ("RS256", "PS256", "ES256"):
        token = signed({"alg": alg, "typ": "JWT"}, alg=alg)
        assert jwts.verify(token, keys, typ={"JWT"}).key.kty == ("EC" if alg == "ES256" else "RSA")


def test_no_keys_believe_nothing() -> None:
    assert problem_of(lambda: jwts.verify(GOOD, [], typ=None)) is JwtProblem.NO_KEY


def test_an_absent_typ_will_do_only_where_the_caller_says_so() -> None:
    token = signed({"alg": "RS256"})
    assert jwts.verify(token, KEYS, typ={None, "JWT"}).claims == CLAIMS
    assert problem_of(lambda: jwts.verify(token, KEYS, typ={"JWT"})) is JwtProblem.TYP


# --- Keys ----------------------------------------------------------------------------------------------------------

RSA_JWK = jwts.public_jwk(RSA_KEY.public_key(), kid="k1")
EC_JWK = jwts.public_jwk(EC_KEY.public_key(), kid="k2")
ED_JWK = jwts.public_jwk(ED_KEY.public_key(), kid="k3")
WEAK_JWK = jwts.public_jwk(rsa.generate_private_key(65537, 1024).public_key(), kid="weak")  # noqa: S505 made to be refused
GIANT = encoded((2**16384 + 1).to_bytes(2049, "big"))
# Attack 25: what a hostile or careless issuer may publish.
SPOILT: list[tuple[str, Any]] = [
    ("no keys member", {}),
    ("keys is an object", {"keys": {}}),
    ("a key is a string", {"keys": ["k1"]}),
    ("a key without a type", {"keys": [{"kid": "k1"}]}),
    ("a type that is a list", {"keys": [{"kty": ["RSA"]}]}),
    ("a symmetric key", {"keys": [RSA_JWK, {"kty": "oct", "k": "c2VjcmV0"}]}),
    ("a private key", {"keys": [EC_JWK | {"d": "AAAA"}]}),
    ("a private RSA key", {"keys": [RSA_JWK | {"p": "AAAA"}]}),
    ("a private key for another use", {"keys": [RSA_JWK, EC_JWK | {"use": "enc", "d": "AAAA"}]}),
    ("a weak RSA key", {"keys": [WEAK_JWK]}),
    ("a giant RSA key", {"keys": [RSA_JWK | {"n": GIANT}]}),
    ("a giant exponent", {"keys": [RSA_JWK | {"e": encoded(b"\x01" * 9)}]}),
    ("an even exponent", {"keys": [RSA_JWK | {"e": "Ag"}]}),
    ("a number as modulus", {"keys": [RSA_JWK | {"n": 5}]}),
    ("no modulus", {"keys": [{"kty": "RSA", "e": "AQAB"}]}),
    ("a point off the curve", {"keys": [EC_JWK | {"y": EC_JWK["x"]}]}),
    ("a short Ed25519 key", {"keys": [ED_JWK | {"x": "AAAA"}]}),
    ("one kid for two keys", {"keys": [RSA_JWK, EC_JWK | {"kid": "k1"}]}),
    ("one key twice", {"keys": [RSA_JWK, RSA_JWK]}),
    ("a kid that is a number", {"keys": [RSA_JWK | {"kid": 1}]}),
    ("key_ops that is a string", {"keys": [RSA_JWK | {"key_ops": "verify"}]}),
    ("too many keys", {"keys": [EC_JWK | {"kid": str(n)} for n in range(65)]}),
]


@pytest.mark.parametrize("document", [row[1] for row in SPOILT], ids=[row[0] for row in SPOILT])
def test_it_refuses_a_spoilt_key_set(document: Any) -> None:
    assert problem_of(lambda: jwts.keys_from_jwks(document)) is JwtProblem.KEY_SET


PASSED_OVER: list[tuple[str, dict[str, Any]]] = [
    ("a key for encryption", RSA_JWK | {"use": "enc", "kid": "e"}),
    ("an encryption key under a signing key's kid", RSA_JWK | {"use": "enc", "kid": "k2"}),
    ("a key that may only sign", EC_JWK | {"key_ops": ["sign"], "kid": "s"}),
    ("a key for RSA-OAEP", RSA_JWK | {"alg": "RSA-OAEP", "kid": "o"}),
    ("a key for RS512", RSA_JWK | {"alg": "RS512", "kid": "r"}),
    ("an RSA key for ES256", RSA_JWK | {"alg": "ES256", "kid": "r"}),
    ("another curve", EC_JWK | {"crv": "P-521", "kid": "p"}),
    ("X25519", ED_JWK | {"crv": "X25519", "kid": "x"}),
    ("a type of the future", {"kty": "AKP", "kid": "ml"}),
    ("an RSA key with a curve", RSA_JWK | {"crv": "P-256", "kid": "rc"}),
]


@pytest.mark.parametrize("jwk", [row[1] for row in PASSED_OVER], ids=[row[0] for row in PASSED_OVER])
def test_it_passes_over_keys_that_it_has_no_use_for(jwk: dict[str, Any]) -> None:
    assert [key.kid for key in jwts.keys_from_jwks({"keys": [jwk, EC_JWK]})] == ["k2"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["RSA", "EC", "AQAB", "P-256"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["keys", "kty", "crv", "n", "e", "x", "y", "kid", "alg", "use", "key_ops"]),
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
        assert all(isinstance(key, jwts.Key) for key in jwts.keys_from_jwks({"keys": entries}))
    except JwtError as error:
        assert error.problem is JwtProblem.KEY_SET


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    # RFC 7638 §3.1
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhM"
        "stn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5"
        "hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert jwts.thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("alg", sorted(jwts.ALGORITHMS))
def test_a_published_key_is_public_and_named_by_its_thumbprint(alg: str) -> None:
    jwk = jwts.public_jwk(PRIVATE_KEYS[alg].public_key(), alg=alg)
    assert jwk["kid"] == jwts.thumbprint(jwk)
    assert jwk["use"] == "sig"
    assert jwk["alg"] == alg
    assert jwts._PRIVATE_MEMBERS.isdisjoint(jwk)


@pytest.mark.parametrize(("alg", "key"), [("RS256", EC_KEY), ("ES256", RSA_KEY), ("EdDSA", EC_KEY), ("HS256", RSA_KEY)])
def test_a_key_does_not_sign_with_an_algorithm_of_another_type(alg: str, key: jwts.PrivateKey) -> None:
    with pytest.raises(ValueError, match="does not sign"):
        jwts.signer(key, kid="k1", alg=alg, typ="JWT")


# --- Times ---------------------------------------------------------------------------------------------------------

TIMES: list[tuple[str, dict[str, Any], JwtProblem | None]] = [
    ("in time", {"exp": NOW + 60, "iat": NOW}, None),
    ("without iat", {"exp": NOW + 60}, None),
    ("expired within the leeway", {"exp": NOW - 29}, None),
    ("expired at the leeway's end", {"exp": NOW - 30}, JwtProblem.EXPIRED),
    ("long expired", {"exp": 1}, JwtProblem.EXPIRED),
    ("nbf within the leeway", {"exp": NOW + 60, "nbf": NOW + 30}, None),
    ("nbf beyond it", {"exp": NOW + 60, "nbf": NOW + 31}, JwtProblem.NOT_YET_VALID),
    ("iat within the leeway", {"exp": NOW + 60, "iat": NOW + 30}, None),
    ("iat beyond it", {"exp": NOW + 600, "iat": NOW + 31}, JwtProblem.NOT_YET_VALID),
    ("exp before iat", {"exp": NOW - 10, "iat": NOW - 5}, JwtProblem.LIFETIME),
    ("as long as it may be", {"exp": NOW + 3600, "iat": NOW}, None),
    ("longer", {"exp": NOW + 3601, "iat": NOW}, JwtProblem.LIFETIME),
    ("longer, and begun long ago", {"exp": NOW + 60, "iat": NOW - 86_400}, JwtProblem.LIFETIME),
    ("longer, and silent about its beginning", {"exp": NOW + 3631}, JwtProblem.LIFETIME),
    ("no exp", {"iat": NOW}, JwtProblem.TIME_MISSING),
    ("exp is null", {"exp": None}, JwtProblem.TIME_MISSING),
    ("exp is a string", {"exp": str(NOW + 60)}, JwtProblem.TIME_MALFORMED),
    ("exp is true", {"exp": True}, JwtProblem.TIME_MALFORMED),
    ("exp is beyond all time", {"exp": 2**53}, JwtProblem.TIME_MALFORMED),
    ("iat is negative", {"exp": NOW + 60, "iat": -1}, JwtProblem.TIME_MALFORMED),
    ("nbf is a list", {"exp": NOW + 60, "nbf": []}, JwtProblem.TIME_MALFORMED),
]


@pytest.mark.parametrize(("claims", "problem"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES])
def test_it_judges_times(claims: dict[str, Any], problem: JwtProblem | None) -> None:
    def judge() -> None:
        jwts.check_times(claims, NOW, leeway=30, max_lifetime=3600)

    if problem is None:
        judge()
    else:
        assert problem_of(judge) is problem


def test_it_asks_for_the_times_that_the_caller_needs() -> None:
    assert (
        problem_of(lambda: jwts.check_times({"exp": NOW + 1}, NOW, leeway=0, require=("exp", "iat")))
        is JwtProblem.TIME_MISSING
    )


def test_a_refusal_never_carries_the_token() -> None:
    with pytest.raises(JwtError) as caught:
        jwts.verify(GOOD[:-4] + "AAAA", KEYS, typ=None)
    assert str(caught.value) == "signature"
