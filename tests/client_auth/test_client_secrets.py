"""Client secrets: exactly one mechanism, and the registered one (RFC 6749 §2.3.1)."""

import base64
import time
from urllib.parse import quote_plus, unquote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authz.client_auth import client_secret_basic
from authz.models import AuditEvent, UsedAssertion
from authz.registry import Credentials
from tests.support import world
from tests.support.assertions import client_assertion
from tests.support.world import SECRET, World, basic_header

from .attempts import WRONG, ask, encoded, refused


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
