import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.protocol import jwks, jwts
from authz.protocol.jose_algorithms import ALGORITHMS
from authz.protocol.jwts import JwtError, JwtProblem

NOW = 1_800_000_000.0
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
P384, P521, ED448 = (
    ec.generate_private_key(ec.SECP384R1()),
    ec.generate_private_key(ec.SECP521R1()),
    Ed448PrivateKey.generate(),
)
PRIVATE_KEYS: dict[str, Any] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA_KEY),
    "ES256": EC_KEY,
    "ES384": P384,
    "ES512": P521,
    "EdDSA": ED_KEY,
    "Ed25519": ED_KEY,
    "Ed448": ED448,
}
CLAIMS = {"iss": "https://issuer.example", "sub": "alice", "aud": "https://as.example/o", "exp": NOW + 300}


def encoded(value: Any) -> str:
    raw = (
        value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()
    )
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: Any, claims: Any = CLAIMS, *, alg: str = "RS256", key: Any = None) -> str:
    """A token as an attacker makes one: any header and any body, under a good signature."""
    signing_input = f"{encoded(header)}.{encoded(claims)}"
    signature = ALGORITHMS[alg].implementation.sign(signing_input.encode(), key or PRIVATE_KEYS[alg])
    return f"{signing_input}.{encoded(signature)}"


def public(alg: str, kid: str | None = "k1", *, bound: bool = True) -> jwks.Key:
    jwk = jwks.public_jwk(PRIVATE_KEYS[alg].public_key(), kid=kid or "x", alg=alg if bound else None)
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


EMBEDDED = jwks.public_jwk(OTHER_RSA_KEY.public_key())
# Attack 17: what a token may say of itself to be believed.
CONFUSIONS: list[tuple[str, str, JwtProblem]] = [
    ("typ missing", signed({"alg": "RS256", "kid": "k1"}), JwtProblem.TYP),
    ("typ of an ID token", signed(HEADER | {"typ": "JWT"}), JwtProblem.TYP),
    ("typ of an access token", signed(HEADER | {"typ": "at+jwt"}), JwtProblem.TYP),
    ("typ of another kind as a media type", signed(HEADER | {"typ": "application/at+jwt"}), JwtProblem.TYP),
    ("typ of another kind in another case", signed(HEADER | {"typ": "AT+JWT"}), JwtProblem.TYP),
    ("typ of another tree", signed(HEADER | {"typ": "text/oauth-id-jag+jwt"}), JwtProblem.TYP),
    ("typ with application/ twice", signed(HEADER | {"typ": "application/application/jwt"}), JwtProblem.TYP),
    ("typ with a parameter", signed(HEADER | {"typ": "oauth-id-jag+jwt; charset=utf-8"}), JwtProblem.TYP),
    ("typ is a list", signed(HEADER | {"typ": ["oauth-id-jag+jwt"]}), JwtProblem.MALFORMED),
    ("typ is null", signed(HEADER | {"typ": None}), JwtProblem.MALFORMED),
    ("alg none", f"{encoded(HEADER | {'alg': 'none'})}.{encoded(CLAIMS)}.", JwtProblem.ALGORITHM),
    ("alg none with a signature", signed(HEADER | {"alg": "none"}), JwtProblem.ALGORITHM),
    ("alg nOnE", signed(HEADER | {"alg": "nOnE"}), JwtProblem.ALGORITHM),
    ("alg missing", signed({"typ": HEADER["typ"], "kid": "k1"}), JwtProblem.ALGORITHM),
    ("alg is a list", signed(HEADER | {"alg": ["RS256"]}), JwtProblem.ALGORITHM),
    ("HS256 with the RSA public key", hmac_with_the_public_key(), JwtProblem.ALGORITHM),
    ("an algorithm we do not take", signed(HEADER | {"alg": "ES256K"}), JwtProblem.ALGORITHM),
    ("an algorithm this caller does not take", signed(HEADER | {"alg": "EdDSA"}, alg="EdDSA"), JwtProblem.ALGORITHM),
    ("an algorithm of another type of key", signed(HEADER | {"alg": "ES256"}, alg="ES256"), JwtProblem.NO_KEY),
    ("an algorithm that the key is not for", signed(HEADER | {"alg": "PS256"}, alg="PS256"), JwtProblem.NO_KEY),
    ("its own jwk", signed(HEADER | {"jwk": EMBEDDED}, key=OTHER_RSA_KEY), JwtProblem.HEADER_REFUSED),
    ("a jwk that is null", signed(HEADER | {"jwk": None}), JwtProblem.HEADER_REFUSED),
    ("a jku", signed(HEADER | {"jku": "https://evil.example/jwks"}, key=OTHER_RSA_KEY), JwtProblem.SIGNATURE),
    ("an x5u", signed(HEADER | {"x5u": "https://evil.example/c.pem"}, key=OTHER_RSA_KEY), JwtProblem.SIGNATURE),
    ("an x5c", signed(HEADER | {"x5c": ["MIIB"]}, key=OTHER_RSA_KEY), JwtProblem.SIGNATURE),
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
    algorithms = jwts.ALGORITHMS - {"EdDSA"}
    assert problem_of(lambda: jwts.verify(token, keys, algorithms=algorithms, typ={"oauth-id-jag+jwt"})) is problem
    assert jwts.verify(signed(HEADER), keys, algorithms=algorithms, typ={"oauth-id-jag+jwt"}).claims == CLAIMS


# Senders' spellings of one media type (RFC 7515 §4.1.9), and hints that are ignored.
TOLERATED: list[tuple[str, dict[str, Any]]] = [
    ("as registered", {}),
    ("application/ before it", {"typ": "application/oauth-id-jag+jwt"}),
    ("capital letters", {"typ": "OAuth-ID-JAG+JWT"}),
    ("both", {"typ": "Application/OAUTH-ID-JAG+JWT"}),
    ("a jku", {"jku": "https://issuer.example/jwks"}),
    ("an x5u", {"x5u": "https://issuer.example/c.pem"}),
    ("an x5c", {"x5c": ["MIIB"]}),
    ("an x5t, as Entra writes it", {"x5t": "1LTMzakihiRla_8z2BEJVXeWMqo"}),
    ("an x5t#S256", {"x5t#S256": "1LTMzakihiRla_8z2BEJVXeWMqo"}),
    ("a nonce", {"nonce": "n"}),
    ("a cty", {"cty": "JWT"}),
    ("a kid that is null", {"kid": None}),
]


@pytest.mark.parametrize("members", [row[1] for row in TOLERATED], ids=[row[0] for row in TOLERATED])
def test_only_the_lexical_form_differs(members: dict[str, Any]) -> None:
    token = signed(HEADER | members)
    assert jwts.verify(token, [public("RS256")], typ={"oauth-id-jag+jwt"}).claims == CLAIMS


@pytest.mark.parametrize(("alg", "key"), [("ES256", P384), ("ES384", EC_KEY), ("ES512", P384), ("Ed448", ED_KEY)])
def test_a_curve_has_its_own_algorithm(alg: str, key: Any) -> None:
    named = {"keys": [jwks.public_jwk(key.public_key(), kid="k1", alg=alg)]}
    assert [entry.why for entry in jwks.read(named).passed_over] == [jwks.Unusable.OTHER_ALGORITHM]
    unnamed = jwts.keys_from_jwks({"keys": [jwks.public_jwk(key.public_key(), kid="k1")]})
    token = signed(HEADER | {"alg": alg}, alg=alg)
    assert problem_of(lambda: jwts.verify(token, unnamed, typ=None)) is JwtProblem.NO_KEY
    with pytest.raises(ValueError, match="curve"):
        jwts.signer(key, kid="k1", alg=alg, typ="JWT")


@pytest.mark.parametrize(("named", "alg"), [("EdDSA", "Ed25519"), ("Ed25519", "EdDSA"), ("EdDSA", "EdDSA")])
def test_both_names_of_one_algorithm_are_one(named: str, alg: str) -> None:
    keys = jwts.keys_from_jwks({"keys": [jwks.public_jwk(ED_KEY.public_key(), kid="k1", alg=named)]})
    token = signed(HEADER | {"alg": alg}, alg=alg)
    assert jwts.verify(token, keys, typ={"oauth-id-jag+jwt"}).claims == CLAIMS


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
