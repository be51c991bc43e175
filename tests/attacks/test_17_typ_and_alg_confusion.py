"""Attack 17: a token that is taken for another kind, or that says itself how it is to be verified (CVE-2026-27962)."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz import keys
from authz.conf import conf
from authz.models import AuditEvent, SigningKey
from authz.protocol import jwks, jwts
from tests.support import world
from tests.support.assertions import client_assertion
from tests.support.world import NOTES, World, claims


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def compact(header: Any, payload: Any, signature: bytes = b"x" * 64) -> str:
    return f"{segment(header)}.{segment(payload)}.{segment(signature)}"


def hs256(header: dict[str, Any], payload: dict[str, Any], secret: bytes) -> str:
    import hmac

    signed = f"{segment(header)}.{segment(payload)}"
    return f"{signed}.{segment(hmac.digest(secret, signed.encode(), 'sha256'))}"


def public_pem(alg: str) -> bytes:
    """What an attacker has of our key: the public half."""
    key = keys.signing_key(alg, time.time()).private_key.public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class TestClientAssertions:
    @staticmethod
    def refuse(gatehouse: World, params: dict[str, str]) -> str:
        response = gatehouse.token(grant_type="client_credentials", **params)
        assert response.status_code == 401
        return AuditEvent.objects.filter(event="token:access:refused").order_by("-id")[0].reason

    @pytest.mark.parametrize(
        "typ",
        [
            "at+jwt",
            "application/at+jwt",
            "oauth-id-jag+jwt",
            "application/oauth-id-jag+jwt",
            "logout+jwt",
            "dpop+jwt",
            "secevent+jwt",
            "jwt\0",
            " JWT",
        ],
    )
    def test_another_kind_of_token_is_no_client_assertion(self, gatehouse: World, typ: str) -> None:
        assert self.refuse(gatehouse, client_assertion(headers={"typ": typ})).startswith("client_assertion_")

    @pytest.mark.parametrize("typ", [None, "JWT", "jwt", "client-authentication+jwt"])
    def test_its_own_kind_is(self, gatehouse: World, typ: str | None) -> None:
        params = client_assertion(headers={"typ": typ})
        assert gatehouse.token(grant_type="client_credentials", **params).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"jwk": {"kty": "EC"}},
            {"jwk": None},
            {"crit": ["exp"], "exp": 1},
            {"crit": []},
            {"crit": ["b64"], "b64": False},
            {"b64": False},
            {"zip": "DEF"},
            {"kid": 5},
            {"kid": ["a"]},
        ],
    )
    def test_a_header_that_says_how_to_believe_it_is_refused(self, gatehouse: World, headers: dict[str, Any]) -> None:
        genuine = client_assertion()["client_assertion"].split(".")
        payload = base64.urlsafe_b64decode(genuine[1] + "==")
        signer = jwts.signer(world.agent_key(), kid="x", alg="ES256", typ="JWT")
        forged = jwts.Signer("x", "ES256", segment({"alg": "ES256", "typ": "JWT"} | headers), signer.private_key)
        token = forged.sign(json.loads(payload))
        params = client_assertion() | {"client_assertion": token}
        assert self.refuse(gatehouse, params) == "client_assertion_malformed"

    @pytest.mark.parametrize(
        "headers",
        [{"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/cert"}, {"x5c": ["MIIB"]}, {"x5t": "AA"}],
    )
    def test_a_hint_where_a_key_might_be_is_never_followed(self, gatehouse: World, headers: dict[str, Any]) -> None:
        attacker = ec.generate_private_key(ec.SECP256R1())
        assert self.refuse(gatehouse, client_assertion(key=attacker, headers=headers)) == "client_assertion_signature"
        assert gatehouse.token(grant_type="client_credentials", **client_assertion(headers=headers)).status_code == 200

    def test_a_key_that_comes_with_the_token_vouches_for_nothing(self, gatehouse: World) -> None:
        attacker = ec.generate_private_key(ec.SECP256R1())
        jwk = jwks.public_jwk(attacker.public_key(), alg="ES256")
        params = client_assertion(key=attacker, headers={"jwk": jwk})
        assert self.refuse(gatehouse, params) == "client_assertion_malformed"

    @pytest.mark.parametrize("alg", ["none", "None", "nOnE", "HS256", "HS512", "ES256K", "PS1", "RS1", "", None, 5])
    def test_an_algorithm_that_does_not_exist_here_is_refused(self, gatehouse: World, alg: Any) -> None:
        payload = json.loads(base64.urlsafe_b64decode(client_assertion()["client_assertion"].split(".")[1] + "=="))
        for signature in (b"", b"x", b"x" * 64):
            token = compact({"alg": alg, "typ": "JWT"}, payload, signature)
            params = client_assertion() | {"client_assertion": token}
            assert self.refuse(gatehouse, params) == "client_assertion_malformed"

    def test_hs256_keyed_with_the_public_key_is_refused(self, gatehouse: World) -> None:
        public = world.agent_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        payload = json.loads(base64.urlsafe_b64decode(client_assertion()["client_assertion"].split(".")[1] + "=="))
        params = client_assertion() | {"client_assertion": hs256({"alg": "HS256", "typ": "JWT"}, payload, public)}
        assert self.refuse(gatehouse, params) == "client_assertion_malformed"

    def test_another_curve_is_refused(self, gatehouse: World) -> None:
        params = client_assertion(key=ec.generate_private_key(ec.SECP384R1()), alg="ES384")
        assert self.refuse(gatehouse, params) == "client_assertion_signature"

    def test_a_set_with_one_kid_for_two_keys_is_not_believed(self, gatehouse: World) -> None:
        row = world.client("signing-agent")
        theirs = jwks.public_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), kid="k")
        own = jwks.public_jwk(world.agent_key().public_key(), kid="k")
        row.client_jwks = {"keys": [own, theirs]}
        row.save()
        assert gatehouse.token(grant_type="client_credentials", **client_assertion()).status_code == 401

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c.d",
            "é.é.é",
            compact({"alg": "ES256"}, b"not json"),
            compact({"alg": "ES256"}, b'{"sub":"a","sub":"b"}'),
            compact({"alg": "ES256"}, b'{"sub":NaN}'),
            compact({"alg": "ES256"}, b"[" * 50_00),
            compact({"alg": "ES256"}, b'{"sub":"\\ud800"}'),
            compact({"alg": "ES256"}, b'{"sub":"\\u0000"}'),
            compact({"alg": "ES256"}, b"\xff\xfe"),
            compact(["alg"], {}),
            compact({"alg": "ES256"}, {"sub": ["signing-agent"]}),
            compact({"alg": "ES256"}, {"sub": {"a": 1}}),
            compact({"alg": "ES256"}, {"sub": "x" * 5000}),
            "A" * 40_000,
        ],
    )
    def test_what_is_not_a_well_formed_token_is_refused(self, gatehouse: World, token: str) -> None:
        params = client_assertion() | {"client_assertion": token}
        assert gatehouse.token(grant_type="client_credentials", **params).status_code == 401

    def test_our_own_access_token_is_no_client_assertion(self, gatehouse: World) -> None:
        token = gatehouse.machine_token()["access_token"]
        assert self.refuse(gatehouse, client_assertion() | {"client_assertion": token}).startswith("client_a")


class TestAccessTokens:
    """Introspection and revocation accept only `at+jwt` tokens that our own keys signed."""

    @staticmethod
    def forged(header: dict[str, Any], **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": conf.issuer,
            "aud": NOTES,
            "sub": "bob",
            "client_id": "desktop-app",
            "scope": "mcp:read mcp:write",
            "iat": now,
            "exp": now + 600,
            "jti": "forged",
            "authorization": "00000000-0000-0000-0000-000000000000",
        } | changes

    def test_none_and_hs256_are_inactive(self, gatehouse: World) -> None:
        kid = keys.signing_key("RS256", time.time()).kid
        live = claims(gatehouse.machine_token()["access_token"])
        header = {"typ": "at+jwt", "kid": kid}
        tokens = [
            compact(header | {"alg": "none"}, live, b""),
            f"{segment(header | {'alg': 'none'})}.{segment(live)}.",
            compact(header | {"alg": "RS256"}, live),
            hs256(header | {"alg": "HS256"}, live, public_pem("RS256")),
            hs256(header | {"alg": "HS256"}, live, b""),
        ]
        for token in tokens:
            assert gatehouse.introspect(token) == {"active": False}

    def test_a_key_of_the_attackers_is_inactive_whatever_kid_it_claims(self, gatehouse: World) -> None:
        live = claims(gatehouse.machine_token()["access_token"])
        attacker = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        jwk = jwks.public_jwk(attacker.public_key(), alg="RS256")
        for headers in (
            {"kid": keys.signing_key("RS256", time.time()).kid},
            {"kid": jwk["kid"]},
            {"jwk": jwk},
            {"jku": "https://evil.example/jwks"},
        ):
            token = jwt.encode(live, attacker, algorithm="RS256", headers={"typ": "at+jwt"} | headers)
            assert gatehouse.introspect(token) == {"active": False}

    @pytest.mark.parametrize("typ", ["JWT", "jwt", "oauth-id-jag+jwt", "application/jwt", "LOGOUT+JWT", "logout+jwt"])
    def test_another_kind_of_token_of_ours_is_no_access_token(self, gatehouse: World, typ: str) -> None:
        live = claims(gatehouse.machine_token()["access_token"])
        token = keys.sign(live, typ=typ, alg="RS256", now=time.time())
        assert gatehouse.introspect(token) == {"active": False}
        revocation = world.basic_header("nightly-report", world.SECRET)
        assert gatehouse.post("revoke", {"token": token}, authorization=revocation).status_code == 200
        assert gatehouse.machine_token()

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "https://elsewhere.example"},
            {"iss": f"{'http://127.0.0.1:8000/o'}/"},
            {"exp": 1},
            {"exp": None},
            {"aud": [NOTES]},
            {"aud": NOTES + "/"},
            {"client_id": "web-app"},
            {"client_id": "nobody"},
            {"authorization": "00000000-0000-0000-0000-000000000000"},
        ],
    )
    def test_a_signature_alone_does_not_make_a_token_active(self, gatehouse: World, changes: dict[str, Any]) -> None:
        # As if a key had leaked, or another part of this server had signed something similar.
        live = claims(gatehouse.machine_token()["access_token"])
        token = keys.sign(live | changes, typ="at+jwt", alg="RS256", now=time.time())
        assert gatehouse.introspect(token) == {"active": False}

    def test_a_row_swapped_in_the_key_table_does_not_decrypt(self, gatehouse: World) -> None:
        first, second = SigningKey.objects.filter(alg__in=["RS256", "ES256"])
        SigningKey.objects.filter(pk=first.pk).update(encrypted=second.encrypted)
        response = gatehouse.token(basic=("nightly-report", world.SECRET), grant_type="client_credentials")
        assert response.status_code >= 500
        assert "access_token" not in json.loads(response.content)
