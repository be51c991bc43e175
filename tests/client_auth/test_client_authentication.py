"""Client authentication: exactly one mechanism, and the registered one (RFC 6749 §2.3, RFC 7523)."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, unquote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from authz.client_auth import client_secret_basic
from authz.client_auth.private_key_jwt import ASSERTION_TYPE
from authz.conf import conf
from authz.models import AuditEvent, UsedAssertion
from authz.outbound import remote_keys
from authz.outbound.remote_documents import DocumentOnItsWayError
from authz.protocol import jwks, jwts
from authz.registry import Credentials
from tests.support import world
from tests.support.assertions import client_assertion
from tests.support.races import at_once
from tests.support.world import SECRET, World, basic_header

WRONG = "a-wrong-secret-0123456789-0123456789-0123456789"


def ask(gatehouse: World, authorization: str = "", **params: Any) -> HttpResponse:
    headers = {"authorization": authorization} if authorization else {}
    return gatehouse.post("token", {"grant_type": "client_credentials"} | params, **headers)


def reason() -> str:
    """Why the last request was refused, as the operator reads it."""
    event = AuditEvent.objects.filter(event="token:access:refused").order_by("id").last()
    assert event is not None
    return event.reason


def refused(response: HttpResponse, code: str = "invalid_client") -> str:
    assert json.loads(response.content)["error"] == code
    assert response.status_code == (401 if code == "invalid_client" else 400)
    if response.status_code == 401:
        assert response["WWW-Authenticate"].startswith("Basic ")
    return reason()


def encoded(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


class TestSecret:
    def test_basic_and_post_each_work_for_the_client_registered_for_them(self, gatehouse: World) -> None:
        assert ask(gatehouse, basic_header("nightly-report", SECRET)).status_code == 200
        assert ask(gatehouse, client_id="posting-agent", client_secret=SECRET).status_code == 200

    def test_neither_works_for_the_other_one(self, gatehouse: World) -> None:
        assert refused(ask(gatehouse, basic_header("posting-agent", SECRET))) == "client_authentication_wrong_method"
        post = ask(gatehouse, client_id="nightly-report", client_secret=SECRET)
        assert refused(post) == "client_authentication_wrong_method"

    def test_basic_with_the_same_client_id_in_the_body_is_one_mechanism(self, gatehouse: World) -> None:
        assert ask(gatehouse, basic_header("nightly-report", SECRET), client_id="nightly-report").status_code == 200

    def test_basic_with_another_client_id_in_the_body_is_refused(self, gatehouse: World) -> None:
        answer = ask(gatehouse, basic_header("nightly-report", SECRET), client_id="posting-agent")
        assert refused(answer) == "client_id_mismatch"

    @pytest.mark.parametrize("secret", [SECRET, WRONG])
    def test_a_wrong_basic_is_not_mended_by_a_right_body(self, gatehouse: World, secret: str) -> None:
        answer = ask(gatehouse, basic_header("posting-agent", secret), client_id="posting-agent", client_secret=SECRET)
        assert refused(answer, "invalid_request") == "client_authentication_mixed"

    def test_every_pair_of_mechanisms_is_refused(self, gatehouse: World) -> None:
        assertion = client_assertion()
        post = {"client_id": "signing-agent", "client_secret": SECRET}
        basic = basic_header("signing-agent", SECRET)
        for authorization, params in (
            (basic, post),
            (basic, assertion),
            ("", post | assertion),
            (basic, post | assertion),
        ):
            answer = ask(gatehouse, authorization, **params)
            assert refused(answer, "invalid_request") == "client_authentication_mixed"
        assert UsedAssertion.objects.count() == 0

    @pytest.mark.parametrize("spelling", ["raw", "encoded", "lower-case scheme", "padded"])
    def test_a_secret_of_odd_characters_may_be_percent_encoded_or_raw(self, gatehouse: World, spelling: str) -> None:
        secret = "p+ss w%rd:/=&é-0123456789-0123456789-0123456789"
        row = world.client("nightly-report")
        row.set_secret(secret)
        row.save()
        headers = {
            "raw": encoded(f"nightly-report:{secret}"),
            "encoded": encoded(f"nightly-report:{quote_plus(secret)}"),
            "lower-case scheme": "basic" + encoded(f"nightly-report:{quote_plus(secret)}")[5:],
            "padded": encoded(f"nightly-report:{secret}").replace("Basic ", "Basic   "),
        }
        assert ask(gatehouse, headers[spelling]).status_code == 200

    @pytest.mark.parametrize(
        "authorization",
        [
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic é",
            "Basic bm8tY29sb24=",
            encoded(":"),
            encoded(f":{SECRET}"),
            "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
            "Basic " + "A" * 10_000,
            "Bearer token",
            "Digest username=x",
            "DPoP token",
            "Basic\tbm86bm8=",
            SECRET,
        ],
    )
    def test_a_header_that_cannot_be_read_is_not_no_authentication(self, gatehouse: World, authorization: str) -> None:
        for params in ({}, {"client_id": "desktop-app"}, {"client_id": "nightly-report"}):
            assert refused(ask(gatehouse, authorization, **params)).startswith("client_authentication_ma")

    @pytest.mark.parametrize(
        "client_id", ["nightly-report\0", "nightly-report ", "NIGHTLY-REPORT", "nightly-report%00", "' OR 1=1 --"]
    )
    def test_a_client_id_is_compared_as_it_is(self, gatehouse: World, client_id: str) -> None:
        assert refused(ask(gatehouse, encoded(f"{client_id}:{SECRET}"))) == "client_unknown"

    def test_a_confidential_client_cannot_be_played_by_who_only_knows_its_id(self, gatehouse: World) -> None:
        for client_id in ("nightly-report", "posting-agent", "signing-agent", "web-app"):
            assert refused(ask(gatehouse, client_id=client_id)) == "client_authentication_wrong_method"

    def test_a_public_client_cannot_dress_up_with_a_secret(self, gatehouse: World) -> None:
        for answer in (
            ask(gatehouse, client_id="desktop-app", client_secret=SECRET),
            ask(gatehouse, basic_header("desktop-app", SECRET)),
        ):
            assert refused(answer) == "client_authentication_wrong_method"

    @pytest.mark.parametrize(
        ("authorization", "params", "reason"),
        [
            (encoded("desktop-app:"), {}, ""),
            (encoded("desktop-app:"), {"client_id": "desktop-app"}, ""),
            (encoded("desktop%2Dapp:"), {}, ""),
            (encoded("desktop-app:").replace("Basic ", "bAsIc   "), {}, ""),
            (encoded("desktop-app:"), {"client_secret": ""}, ""),
            (encoded("desktop-app:"), {"client_id": "web-app"}, "client_id_mismatch"),
            (
                encoded("desktop-app:"),
                {"client_id": "desktop-app", "client_secret": SECRET},
                "client_authentication_mixed",
            ),
            (encoded("desktop-app"), {}, "client_authentication_malformed"),
            (encoded("desktop-app: "), {}, "client_authentication_wrong_method"),
            (encoded("desktop-app:x"), {}, "client_authentication_wrong_method"),
            (encoded("web-app:"), {}, "client_authentication_wrong_method"),
            (encoded("web-app:"), {"client_id": "web-app"}, "client_authentication_wrong_method"),
            (encoded("nightly-report:"), {}, "client_authentication_wrong_method"),
            (encoded("posting-agent:"), {}, "client_authentication_wrong_method"),
            (encoded("signing-agent:"), {}, "client_authentication_wrong_method"),
            (encoded("nobody:"), {}, "client_unknown"),
            (encoded(":"), {}, "client_authentication_malformed"),
        ],
    )
    def test_basic_with_an_empty_password_is_none_for_public_clients_alone(
        self, gatehouse: World, authorization: str, params: dict[str, str], reason: str
    ) -> None:
        code = gatehouse.authorize()["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": world.REDIRECT}
        answer = gatehouse.post("token", form | {"code_verifier": world.VERIFIER} | params, authorization=authorization)
        if not reason:
            assert answer.status_code == 200, answer.content
            return
        assert answer.status_code in {400, 401}
        assert AuditEvent.objects.filter(event="token:access:refused").latest("id").reason == reason

    def test_the_address_of_a_document_may_stand_before_the_empty_password(self) -> None:
        for name in (
            "https://app.example.com/client.json",
            "http://localhost:9443/client.json",
            "https%3A%2F%2Fapp.example",
        ):
            credentials = Credentials(authorization=encoded(f"{name}:"), params={}, now=0.0)
            assert client_secret_basic.client_id(credentials) == unquote(name)
            assert client_secret_basic.names_public_client(credentials)

    def test_no_credentials_at_all_are_refused(self, gatehouse: World) -> None:
        assert refused(ask(gatehouse)) == "client_authentication_missing"

    def test_a_client_without_a_secret_accepts_none(self, gatehouse: World) -> None:
        row = world.client("nightly-report")
        row.secret_digest = ""
        row.save()
        for secret in (SECRET, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"):
            assert ask(gatehouse, basic_header("nightly-report", secret)).status_code == 401

    def test_the_stored_digest_is_not_a_secret(self, gatehouse: World) -> None:
        stored = world.client("nightly-report").secret_digest
        assert SECRET not in stored
        assert refused(ask(gatehouse, basic_header("nightly-report", stored))) == "client_secret_wrong"

    def test_a_secret_in_the_query_is_not_read(self, gatehouse: World) -> None:
        url = f"/o/token?client_id=posting-agent&client_secret={SECRET}"
        response = gatehouse.browser.post(
            url, "grant_type=client_credentials", content_type="application/x-www-form-urlencoded"
        )
        assert response.status_code == 401

    def test_the_wire_tells_no_refusal_from_another(self, gatehouse: World) -> None:
        answers = [
            ask(gatehouse, basic_header("nobody", SECRET)),
            ask(gatehouse, basic_header("nightly-report", WRONG)),
            ask(gatehouse, basic_header("posting-agent", WRONG)),
            ask(gatehouse, basic_header("pending-agent", WRONG)),
            ask(gatehouse, client_id="signing-agent"),
            ask(gatehouse, **client_assertion("nobody")),
            ask(gatehouse, **client_assertion(aud="https://elsewhere.example")),
        ]
        assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}

    def test_a_wrong_secret_costs_the_database_no_more_than_an_unknown_id(self, gatehouse: World) -> None:
        ask(gatehouse, basic_header("nightly-report", SECRET))
        with CaptureQueriesContext(connection) as unknown:
            ask(gatehouse, basic_header("nobody", WRONG))
        with CaptureQueriesContext(connection) as wrong:
            ask(gatehouse, basic_header("nightly-report", WRONG))
        assert len(wrong) <= len(unknown) <= 4

    def test_a_wrong_secret_costs_the_cpu_no_more_than_a_right_one(self, gatehouse: World) -> None:
        row = world.client("nightly-report")
        started = time.process_time()
        for _ in range(200):
            row.has_secret(WRONG)
        # A password hash takes milliseconds on purpose; this must stay four orders of magnitude below a request.
        assert (time.process_time() - started) / 200 < 0.001


class TestAssertion:
    def test_it_authenticates_whoever_holds_the_key(self, gatehouse: World) -> None:
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

    def test_whoever_cannot_sign_burns_no_jti(self, gatehouse: World) -> None:
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
        # Nobody is allowed outside here, so the door itself refuses: closed, not open.
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
