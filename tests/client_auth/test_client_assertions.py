"""Client assertions: `private_key_jwt` (RFC 7523 §2.2 and §3)."""

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from authz import registry
from authz.client_auth.private_key_jwt import ASSERTION_TYPE, BESIDE_A_SECRET
from authz.conf import conf
from authz.models import AuditEvent, UsedAssertion
from authz.outbound import remote_keys
from authz.outbound.remote_documents import DocumentOnItsWayError
from authz.protocol import jwks, jwts
from authz.protocol.errors import ONE_INVALID_CLIENT
from tests.support import world
from tests.support.assertions import client_assertion
from tests.support.races import at_once
from tests.support.world import World

from .attempts import ask, refused


class TestAssertion:
    def test_it_authenticates_the_holder_of_the_key(self, gatehouse: World) -> None:
        assert ask(gatehouse, **client_assertion()).status_code == 200
        assert ask(gatehouse, client_id="signing-agent", **client_assertion()).status_code == 200

    @pytest.mark.parametrize(
        ("claims", "expected"),
        [
            ({"aud": lambda: f"{conf.issuer}/"}, None),  # Python's SDK 1.x (interop 2)
            ({"aud": lambda: [conf.issuer]}, None),
            ({"aud": lambda: conf.endpoint("token")}, "client_assertion_audience"),
            ({"aud": lambda: conf.origin}, "client_assertion_audience"),
            ({"aud": lambda: [conf.issuer, conf.endpoint("token")]}, "client_assertion_audience"),
            ({"aud": lambda: [conf.issuer, "https://elsewhere.example"]}, "client_assertion_audience"),
            ({"aud": lambda: [conf.issuer, conf.issuer]}, "client_assertion_audience"),
            ({"aud": lambda: f"{conf.issuer.upper()}"}, "client_assertion_audience"),
            ({"aud": lambda: f"{conf.issuer}//"}, "client_assertion_audience"),
            ({"aud": list}, "client_assertion_audience"),
            ({"aud": lambda: {"issuer": conf.issuer}}, "client_assertion_audience"),
            ({"aud": ...}, "client_assertion_audience"),
            ({"aud": "https://elsewhere.example"}, "client_assertion_audience"),
            ({"aud": world.NOTES}, "client_assertion_audience"),
            ({"iss": "nightly-report"}, "client_assertion_issuer"),
            ({"iss": lambda: conf.issuer}, "client_assertion_issuer"),
            ({"iss": ...}, "client_assertion_issuer"),
            ({"sub": ...}, "client_assertion_issuer"),
            ({"sub": ""}, "client_assertion_issuer"),
            ({"exp": lambda: time.time() - 31}, "client_assertion_expired"),
            ({"exp": ...}, "client_assertion_expired"),
            ({"exp": "tomorrow"}, "client_assertion_expired"),
            ({"exp": True}, "client_assertion_expired"),
            ({"exp": lambda: time.time() + 3 * 3600}, "client_assertion_lifetime"),
            ({"exp": 2**52, "iat": ...}, "client_assertion_lifetime"),
            ({"iat": lambda: time.time() - 2 * 86400}, "client_assertion_lifetime"),
            ({"iat": lambda: time.time() + 600, "exp": lambda: time.time() + 900}, "client_assertion_not_yet_valid"),
            ({"nbf": lambda: time.time() + 600}, "client_assertion_not_yet_valid"),
            ({"iat": ...}, None),
            ({"jti": ...}, "client_assertion_jti_missing"),
            ({"jti": ""}, "client_assertion_jti_missing"),
            ({"jti": "x" * 513}, "client_assertion_jti_missing"),
        ],
    )
    def test_its_claims_are_judged(self, gatehouse: World, claims: dict[str, Any], expected: str | None) -> None:
        said = {name: value() if callable(value) else value for name, value in claims.items()}
        answer = ask(gatehouse, **client_assertion(**said))
        if expected is None:
            assert answer.status_code == 200
        else:
            assert refused(answer) == expected
            assert UsedAssertion.objects.count() == 0

    @pytest.mark.parametrize(
        ("claims", "told"),
        [
            ({"aud": lambda: conf.endpoint("token")}, "must be the issuer"),
            ({"aud": lambda: [conf.issuer, conf.endpoint("token")]}, "must be the issuer"),
            ({"aud": lambda: conf.origin}, "must be the issuer"),
            ({"exp": lambda: time.time() - 31}, "this server's time is"),
            ({"nbf": lambda: time.time() + 600}, "this server's time is"),
            ({"exp": lambda: time.time() + 3 * 3600}, "3600 seconds"),
            ({"jti": ...}, "needs a jti"),
            # For another server, too: who presents it may have it from there.
            ({"aud": lambda: [conf.issuer, "https://elsewhere.example"]}, ONE_INVALID_CLIENT),
            ({"aud": "https://elsewhere.example"}, ONE_INVALID_CLIENT),
            ({"aud": lambda: f"{conf.origin}.evil.example/"}, ONE_INVALID_CLIENT),
            ({"aud": ..., "jti": ...}, ONE_INVALID_CLIENT),
            ({"iss": "nightly-report"}, ONE_INVALID_CLIENT),
        ],
    )  # fmt: skip
    def test_who_signed_it_for_us_reads_what_to_change(
        self, gatehouse: World, claims: dict[str, Any], told: str
    ) -> None:
        said = {name: value() if callable(value) else value for name, value in claims.items()}
        body = ask(gatehouse, **client_assertion(**said)).json()
        assert body["error"] == "invalid_client"
        assert told in body["error_description"]

    def test_who_did_not_sign_it_reads_nothing(self, gatehouse: World) -> None:
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        now = int(time.time())
        claims = {"iss": "signing-agent", "sub": "signing-agent", "aud": conf.endpoint("token"), "exp": now - 600}
        forged = jwt.encode(claims, stranger, algorithm="RS256")
        body = ask(gatehouse, client_assertion_type=ASSERTION_TYPE, client_assertion=forged).json()
        assert body == {"error": "invalid_client", "error_description": ONE_INVALID_CLIENT}
        refusal = AuditEvent.objects.latest("id")
        assert refusal.detail["said"] == {"iss": "signing-agent", "sub": "signing-agent"}

    def test_a_second_use_is_told_to_who_signed_it(self, gatehouse: World) -> None:
        once = client_assertion()
        assert ask(gatehouse, **once).status_code == 200
        assert "was used before" in ask(gatehouse, **once).json()["error_description"]

    @pytest.mark.parametrize("grant_type", ["authorization_code", "refresh_token"])
    @pytest.mark.parametrize("shape", [lambda url: url, lambda url: [url]])
    def test_beside_a_code_or_a_refresh_token_it_may_name_the_token_endpoint(
        self, gatehouse: World, grant_type: str, shape: Callable[[str], Any]
    ) -> None:
        """As ChatGPT writes it. The agent is authenticated; what is refused is the grant that it has not."""
        answer = ask(gatehouse, grant_type=grant_type, **client_assertion(aud=shape(conf.endpoint("token"))))
        assert refused(answer, "unauthorized_client") == "grant_type_not_registered"

    @pytest.mark.parametrize(
        "audience",
        [
            lambda: f"{conf.endpoint('token')}/",
            lambda: conf.endpoint("revoke"),
            lambda: [conf.endpoint("token"), conf.issuer],
            lambda: [conf.endpoint("token"), "https://elsewhere.example/token"],
            lambda: "https://elsewhere.example/token",
        ],
    )
    def test_no_other_address_is_taken_for_it(self, gatehouse: World, audience: Callable[[], Any]) -> None:
        assertion = client_assertion(aud=audience())
        assert refused(ask(gatehouse, grant_type="authorization_code", **assertion)) == "client_assertion_audience"

    @pytest.mark.parametrize("grant_type", [*sorted(set(registry.grants()) - BESIDE_A_SECRET), "nonsense"])
    def test_where_it_alone_brings_a_token_it_must_name_the_issuer(self, gatehouse: World, grant_type: str) -> None:
        """Attack 16: a server that calls our token endpoint its own has collected it."""
        answer = ask(gatehouse, grant_type=grant_type, **client_assertion(aud=conf.endpoint("token")))
        assert refused(answer) == "client_assertion_audience"

    @pytest.mark.parametrize("endpoint", ["introspect", "revoke"])
    def test_no_grant_type_of_a_request_elsewhere_counts(self, gatehouse: World, endpoint: str) -> None:
        """Attack 16."""
        params = {"token": "any", "grant_type": "authorization_code"}
        answer = gatehouse.post(endpoint, params | client_assertion(aud=conf.endpoint("token")))
        assert answer.status_code == 401
        assert UsedAssertion.objects.count() == 0

    @pytest.mark.parametrize("jti", [5, None, ["a"], {"a": 1}])
    def test_a_jti_that_is_no_text_is_none(self, gatehouse: World, jti: Any) -> None:
        # PyJWT refuses to write such a jti, so the token is signed here.
        payload = {"iss": "signing-agent", "sub": "signing-agent", "aud": conf.issuer, "exp": time.time() + 60}
        token = jwt.api_jws.encode(json.dumps(payload | {"jti": jti}).encode(), world.agent_key(), algorithm="ES256")
        answer = ask(gatehouse, client_assertion=token, client_assertion_type=ASSERTION_TYPE)
        assert refused(answer) == "client_assertion_jti_missing"

    def test_it_is_used_once(self, gatehouse: World) -> None:
        assertion = client_assertion()
        assert ask(gatehouse, **assertion).status_code == 200
        assert refused(ask(gatehouse, **assertion)) == "client_assertion_replayed"

    def test_another_assertion_with_the_same_jti_is_a_replay(self, gatehouse: World) -> None:
        assert ask(gatehouse, **client_assertion(jti="one")).status_code == 200
        assert refused(ask(gatehouse, **client_assertion(jti="one", exp=time.time() + 90))) == (
            "client_assertion_replayed"
        )

    def test_it_is_used_once_over_all_endpoints(self, gatehouse: World) -> None:
        assertion = client_assertion()
        assert gatehouse.post("revoke", assertion | {"token": "nonsense"}).status_code == 200
        assert refused(ask(gatehouse, **assertion)) == "client_assertion_replayed"

    def test_two_clients_may_pick_the_same_jti(self, gatehouse: World) -> None:
        row = world.client("nightly-report")
        row.token_endpoint_auth_method = "private_key_jwt"
        row.client_jwks = world.client("signing-agent").client_jwks
        row.save()
        for client_id in ("signing-agent", "nightly-report"):
            assert ask(gatehouse, **client_assertion(client_id, jti="same")).status_code == 200

    def test_a_client_registered_to_reuse_assertions_may(self, gatehouse: World) -> None:
        row = world.client("signing-agent")
        row.reuse_assertions = True
        row.save()
        assertion = client_assertion()
        assert [ask(gatehouse, **assertion).status_code for _ in range(3)] == [200] * 3

    def test_of_many_at_once_exactly_one_counts(self, committed_gatehouse: World) -> None:
        assertion = client_assertion()
        answers = at_once([lambda: ask(World(), **assertion) for _ in range(8)])
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
        assert UsedAssertion.objects.count() == 1

    def test_a_wrong_signature_does_not_use_up_the_jti(self, gatehouse: World) -> None:
        forged = client_assertion(key=ec.generate_private_key(ec.SECP256R1()), jti="the victim's")
        assert refused(ask(gatehouse, **forged)) == "client_assertion_signature"
        assert ask(gatehouse, **client_assertion(jti="the victim's")).status_code == 200

    def test_the_type_of_assertion_must_be_said(self, gatehouse: World) -> None:
        assertion = client_assertion()
        for assertion_type in (None, "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "jwt-bearer"):
            params = assertion | {"client_assertion_type": assertion_type or ""}
            assert refused(ask(gatehouse, **params)) == "client_assertion_wrong_type"
        only_type = {"client_assertion_type": ASSERTION_TYPE}
        assert refused(ask(gatehouse, **only_type)) == "client_assertion_malformed"

    def test_the_body_may_not_name_another_client(self, gatehouse: World) -> None:
        assert refused(ask(gatehouse, client_id="nightly-report", **client_assertion())) == "client_id_mismatch"

    def test_a_client_of_another_method_cannot_sign_its_way_in(self, gatehouse: World) -> None:
        assert refused(ask(gatehouse, **client_assertion("nightly-report"))) == "client_authentication_wrong_method"


class TestAlgorithms:
    @staticmethod
    def register(key: Any, alg: str | None, **members: Any) -> None:
        row = world.client("signing-agent")
        row.client_jwks = {"keys": [jwks.public_jwk(key.public_key(), alg=alg) | members]}
        row.save()

    @pytest.mark.parametrize(
        ("alg", "make"),
        [
            ("RS256", lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)),
            ("PS256", lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)),
            ("ES256", lambda: ec.generate_private_key(ec.SECP256R1())),
            ("EdDSA", ed25519.Ed25519PrivateKey.generate),
        ],
    )
    def test_each_algorithm_works_with_and_without_a_kid(
        self, gatehouse: World, alg: str, make: Callable[[], Any]
    ) -> None:
        key = make()
        self.register(key, alg)
        kid = world.client("signing-agent").client_jwks["keys"][0]["kid"]
        assert ask(gatehouse, **client_assertion(key=key, alg=alg)).status_code == 200
        assert ask(gatehouse, **client_assertion(key=key, alg=alg, headers={"kid": kid})).status_code == 200
        other = ask(gatehouse, **client_assertion(key=key, alg=alg, headers={"kid": "another"}))
        assert refused(other) == "client_assertion_signature"

    def test_a_key_for_one_algorithm_signs_no_other(self, gatehouse: World) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.register(key, "RS256")
        assert refused(ask(gatehouse, **client_assertion(key=key, alg="PS256"))) == "client_assertion_signature"

    def test_the_metadata_names_them_all(self, gatehouse: World) -> None:
        document = gatehouse.browser.get("/.well-known/oauth-authorization-server/o").json()
        offered = document["token_endpoint_auth_signing_alg_values_supported"]
        assert {"RS256", "PS512", "ES384", "ES512", "EdDSA", "Ed25519"} <= set(offered)
        assert not {alg for alg in offered if alg.startswith("HS") or alg == "none"}


class TestJwksUri:
    """Keys by reference, with the door to the outside replaced (tests/outbound/test_remote_keys.py tests the door)."""

    URI = "https://agent.example.com/jwks"

    @pytest.fixture
    def asked(self, gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
        row = world.client("signing-agent")
        keys = jwts.keys_from_jwks(row.client_jwks)
        row.client_jwks, row.client_jwks_uri = None, self.URI
        row.save()
        asked: list[str | None] = []

        def fetched(uri: str, *, kid: str | None = None, **_: Any) -> tuple[jwks.Key, ...]:
            assert uri == self.URI
            asked.append(kid)
            return keys

        monkeypatch.setattr(remote_keys, "keys", fetched)
        return asked

    def test_they_are_fetched_and_believed(self, gatehouse: World, asked: list[str | None]) -> None:
        assert ask(gatehouse, **client_assertion()).status_code == 200
        assert asked == [None]

    def test_another_key_is_not(self, gatehouse: World, asked: list[str | None]) -> None:
        forged = client_assertion(key=ec.generate_private_key(ec.SECP256R1()))
        assert refused(ask(gatehouse, **forged)) == "client_assertion_signature"

    def test_nothing_is_fetched_for_a_client_of_another_method(self, gatehouse: World, asked: list[str | None]) -> None:
        ask(gatehouse, **client_assertion("nightly-report"))
        ask(gatehouse, **client_assertion("nobody"))
        assert asked == []

    def test_keys_that_cannot_be_had_are_a_refusal(self, gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
        # No private address is allowed here, so the fetch fails closed.
        row = world.client("signing-agent")
        row.client_jwks, row.client_jwks_uri = None, "https://127.0.0.1:1/jwks"
        row.save()
        assert refused(ask(gatehouse, **client_assertion())) == "client_keys_unavailable"

    @pytest.mark.parametrize("asked_for", ["keys", "renewed"])
    def test_keys_that_others_wait_for_are_no_fault_of_the_clients(
        self, gatehouse: World, asked: list[str | None], monkeypatch: pytest.MonkeyPatch, asked_for: str
    ) -> None:
        def on_their_way(*_: object, **__: object) -> None:
            raise DocumentOnItsWayError("busy")

        monkeypatch.setattr(remote_keys, asked_for, on_their_way)
        answer = ask(gatehouse, **client_assertion(key=ec.generate_private_key(ec.SECP256R1())))
        assert (answer.status_code, answer["Retry-After"]) == (503, "1")
        assert AuditEvent.objects.latest("id").reason == "client_keys_on_their_way"
