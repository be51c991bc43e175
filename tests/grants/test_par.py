"""Pushed authorization requests (RFC 9126): authenticated, judged ahead, short-lived, and finished once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.http import HttpResponse
from pytest_django import Settings

from authz.conf import conf
from authz.models import AuditEvent, AuthorizationCode, Client, PushedRequest
from authz.operations import housekeeping
from authz.tokens import pushed_requests
from tests.support.dpop import DpopKey
from tests.support.races import at_once
from tests.support.world import CHALLENGE, NOTES, REDIRECT, SECRET, VERIFIER, World, basic_header, redirect_parameters

WEB = basic_header("web-app", SECRET)
REQUEST = {
    "response_type": "code",
    "redirect_uri": REDIRECT,
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "scope": "mcp:read",
    "state": "xyz",
    "resource": NOTES,
}


def pushed(headers: dict[str, str] | None = None, **changes: Any) -> HttpResponse:
    params = {name: value for name, value in (REQUEST | changes).items() if value is not None}
    given = {"authorization": WEB} if headers is None else headers
    return World().post("par", params, **given)


def body(response: HttpResponse) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(response.content)
    return decoded


def url(request_uri: str, client_id: str = "web-app", **more: str) -> str:
    query = urlencode({"client_id": client_id, "request_uri": request_uri, **more})
    return f"{urlsplit(conf.endpoint('authorize')).path}?{query}"


def allowed(world: World, address: str) -> dict[str, str]:
    answer = world.press(address, allow="true")
    assert answer.status_code == 302, answer.content
    return redirect_parameters(answer)


def test_the_whole_way(gatehouse: World) -> None:
    answer = pushed()
    assert (answer.status_code, body(answer)["expires_in"]) == (201, 90)
    assert answer["Cache-Control"] == "no-store"
    address = url(body(answer)["request_uri"])
    # Through the sign-in and back, and shown again as often as the person likes.
    first = gatehouse.browser.get(address)
    assert first.status_code == 302 and "request_uri" in first["Location"]
    gatehouse.sign_in("bob")
    assert [gatehouse.browser.get(address).status_code for _ in range(2)] == [200, 200]
    given = allowed(gatehouse, address)
    assert given["state"] == "xyz" and given["iss"] == conf.issuer
    form = {"grant_type": "authorization_code", "code": given["code"], "code_verifier": VERIFIER}
    assert gatehouse.post("token", form, authorization=WEB).status_code == 200
    # > SHOULD treat request_uri values as one-time use (§4)
    again = gatehouse.browser.get(address)
    assert again.status_code == 400 and "begin again" in again.content.decode()
    assert AuditEvent.objects.filter(event="authorize:request:pushed", client_id="web-app").count() == 1


def test_what_is_in_the_address_beside_it_does_not_count(gatehouse: World) -> None:
    """Attack: parameters in the browser's address that add to, or replace, what was pushed (RFC 9101 §6.3)."""
    gatehouse.sign_in("bob")
    address = url(body(pushed())["request_uri"], scope="mcp:write", redirect_uri="https://evil.example", state="other")
    assert allowed(gatehouse, address)["state"] == "xyz"
    assert AuthorizationCode.objects.get().scopes == ["mcp:read"]


@pytest.mark.parametrize(
    ("headers", "changes", "status", "error"),
    [
        ({}, {"client_id": "web-app"}, 401, "invalid_client"),
        ({"authorization": basic_header("web-app", "wrong-0123456789")}, {}, 401, "invalid_client"),
        ({"authorization": basic_header("nightly-report", SECRET)}, {}, 400, "invalid_request"),
        (None, {"client_id": "desktop-app"}, 401, "invalid_client"),
        (None, {"request_uri": "urn:ietf:params:oauth:request_uri:x"}, 400, "invalid_request"),
        (None, {"request": "eyJ"}, 400, "request_not_supported"),
        (None, {"redirect_uri": "https://evil.example/"}, 400, "invalid_request"),
        (None, {"response_type": "token"}, 400, "unsupported_response_type"),
        (None, {"code_challenge": None}, 400, "invalid_request"),
        (None, {"code_challenge_method": "plain"}, 400, "invalid_request"),
        (None, {"resource": "https://unknown.example/"}, 400, "invalid_target"),
        (None, {"dpop_jkt": "short"}, 400, "invalid_request"),
    ],
)
def test_it_is_judged_before_a_browser_comes(
    gatehouse: World, headers: dict[str, str] | None, changes: dict[str, Any], status: int, error: str
) -> None:
    answer = pushed(headers, **changes)
    assert (answer.status_code, body(answer)["error"]) == (status, error), answer.content
    assert not PushedRequest.objects.exists()
    assert AuditEvent.objects.filter(event="authorize:request:push_refused").exists()


def test_methods_and_media_types(gatehouse: World) -> None:
    assert gatehouse.browser.get("/o/par").status_code == 405
    sent = gatehouse.browser.post("/o/par", "{}", content_type="application/json", headers={"authorization": WEB})
    assert body(sent)["error"] == "invalid_request"


class TestReferences:
    def test_another_clients(self, gatehouse: World) -> None:
        """> The request_uri MUST be bound to the client that posted the authorization request. (§2.2)"""
        answer = gatehouse.browser.get(url(body(pushed())["request_uri"], "desktop-app"))
        assert answer.status_code == 400

    @pytest.mark.parametrize("reference", ["x", "a" * 400, "ä"])
    def test_an_invented_one(self, gatehouse: World, reference: str) -> None:
        assert gatehouse.browser.get(url(f"{pushed_requests.PREFIX}{reference}")).status_code == 400

    def test_one_that_is_too_old_to_begin(self, gatehouse: World) -> None:
        """> An expired request_uri MUST be rejected as invalid. (§4)"""
        address = url(body(pushed())["request_uri"])
        PushedRequest.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
        assert gatehouse.browser.get(address).status_code == 400

    def test_one_that_was_begun_in_time_may_take_long(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        address = url(body(pushed())["request_uri"])
        gatehouse.browser.get(address)
        left = PushedRequest.objects.get().expires - datetime.now(UTC)
        assert timedelta(hours=23) < left <= timedelta(days=1)
        assert "code" in allowed(gatehouse, address)

    def test_an_answer_with_an_error_uses_it_up(self, gatehouse: World) -> None:
        gatehouse.sign_in("bob")
        address = url(body(pushed(prompt="none"))["request_uri"])
        assert redirect_parameters(gatehouse.browser.get(address))["error"] == "consent_required"
        assert gatehouse.browser.get(address).status_code == 400

    def test_old_ones_are_removed(self, gatehouse: World) -> None:
        pushed()
        PushedRequest.objects.update(expires=datetime.now(UTC) - timedelta(hours=1))
        housekeeping.remove(housekeeping.over(datetime.now(UTC)).values())
        assert not PushedRequest.objects.exists()


def test_of_many_answers_at_once_one_has_a_code(committed_gatehouse: World) -> None:
    """Invariant 3: the form of two tabs is sent twice."""
    address = url(body(pushed())["request_uri"])
    worlds = [World() for _ in range(4)]
    for one in worlds:
        one.sign_in("bob")
    pages = [one.browser.get(address) for one in worlds]
    answers = at_once(
        [
            lambda one=one, page=page: one.press(address, page, allow="true")
            for one, page in zip(worlds, pages, strict=True)
        ]
    )
    assert AuthorizationCode.objects.count() == 1
    assert sum("code=" in answer.get("Location", "") for answer in answers) == 1


class TestDemands:
    def test_of_the_client(self, gatehouse: World) -> None:
        Client.objects.filter(client_id="web-app").update(require_pushed_authorization_requests=True)
        gatehouse.sign_in("bob")
        plain = gatehouse.browser.get(gatehouse.authorize_url(client_id="web-app"))
        assert redirect_parameters(plain)["error"] == "invalid_request"
        assert "code" in allowed(gatehouse, url(body(pushed())["request_uri"]))

    def test_of_the_server(self, gatehouse: World, settings: Settings) -> None:
        settings.GATEHOUSE = settings.GATEHOUSE | {"REQUIRE_PAR": True}
        gatehouse.sign_in("bob")
        plain = gatehouse.browser.get(gatehouse.authorize_url())
        assert redirect_parameters(plain)["error"] == "invalid_request"
        public = pushed({}, client_id="desktop-app")
        assert "code" in allowed(gatehouse, url(body(public)["request_uri"], "desktop-app"))


class TestKeys:
    """> Clients can […] use the DPoP header in the PAR request (RFC 9449 §10.1)"""

    def test_the_code_is_bound_to_the_key_of_the_proof(self, gatehouse: World) -> None:
        key = DpopKey()
        gatehouse.sign_in("bob")
        answer = pushed({"authorization": WEB, "dpop": key.proof(conf.endpoint("par"))})
        code = allowed(gatehouse, url(body(answer)["request_uri"]))["code"]
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        thief = gatehouse.post("token", form, authorization=WEB, dpop=DpopKey().proof())
        assert body(thief)["error"] == "invalid_grant"
        assert gatehouse.post("token", form, authorization=WEB, dpop=key.proof()).status_code == 200

    def test_two_keys_are_none(self, gatehouse: World) -> None:
        proof = DpopKey().proof(conf.endpoint("par"))
        answer = pushed({"authorization": WEB, "dpop": proof}, dpop_jkt=DpopKey().jkt)
        assert (answer.status_code, body(answer)["error"]) == (400, "invalid_request")

    def test_a_proof_for_the_token_endpoint_or_one_that_was_used(self, gatehouse: World) -> None:
        key = DpopKey()
        proofs = [key.proof(), *[key.proof(conf.endpoint("par"))] * 2]
        found = [pushed({"authorization": WEB, "dpop": proof}) for proof in proofs]
        assert [answer.status_code for answer in found] == [400, 201, 400]


def test_the_metadata(gatehouse: World) -> None:
    found = gatehouse.browser.get("/.well-known/oauth-authorization-server/o").json()
    assert found["pushed_authorization_request_endpoint"] == conf.endpoint("par")
    assert found["require_pushed_authorization_requests"] is False
