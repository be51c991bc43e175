"""Attack 30: one client revokes or introspects another client's tokens."""

import json
from datetime import UTC, datetime

import pytest
from django.http import HttpResponse

from authz import keys
from authz.authorizations import removal
from authz.models import AuditEvent
from tests.support import world
from tests.support.world import SECRET, SERVER_SECRET, World, basic_header, claims

RESOURCE_SERVER = basic_header("notes-server", SERVER_SECRET)


def error(response: HttpResponse) -> str:
    code: str = json.loads(response.content)["error"]
    return code


class TestRevocation:
    @pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
    def test_another_client_cannot_revoke(self, gatehouse: World, kind: str) -> None:
        tokens = gatehouse.signed_in_tokens()
        response = gatehouse.post("revoke", {"token": tokens[kind]}, authorization=basic_header("web-app", SECRET))
        assert response.status_code == 400
        assert error(response) == "invalid_grant"
        assert gatehouse.introspect(tokens["access_token"])["active"] is True
        assert AuditEvent.objects.get(event="token:revocation:refused").reason == "token_of_another_client"

    @pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
    def test_ones_own_token_ends_with_everything_under_it(self, gatehouse: World, kind: str) -> None:
        tokens = gatehouse.signed_in_tokens()
        assert gatehouse.post("revoke", {"token": tokens[kind], "client_id": "desktop-app"}).status_code == 200
        assert gatehouse.introspect(tokens["access_token"]) == {"active": False}
        assert gatehouse.refresh(tokens["refresh_token"]).status_code == 400

    def test_revoking_twice_is_no_error_and_recorded_once(self, gatehouse: World) -> None:
        tokens = gatehouse.signed_in_tokens()
        for _ in range(2):
            answer = gatehouse.post("revoke", {"token": tokens["refresh_token"], "client_id": "desktop-app"})
            assert answer.status_code == 200
        assert AuditEvent.objects.filter(event="token:authorization:revoked").count() == 1

    def test_a_confidential_client_must_prove_itself_to_revoke(self, gatehouse: World) -> None:
        token = gatehouse.machine_token()["access_token"]
        for params, headers in (
            ({"client_id": "nightly-report"}, {}),
            ({}, {}),
            ({}, {"authorization": basic_header("nightly-report", "wrong" * 10)}),
        ):
            assert gatehouse.post("revoke", {"token": token, **params}, **headers).status_code == 401
        assert gatehouse.introspect(token)["active"] is True

    @pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
    def test_a_lying_hint_changes_nothing(self, gatehouse: World, hint: str) -> None:
        tokens = gatehouse.signed_in_tokens()
        params = {"token": tokens["refresh_token"], "client_id": "desktop-app", "token_type_hint": hint}
        assert gatehouse.post("revoke", params).status_code == 200
        assert gatehouse.introspect(tokens["access_token"]) == {"active": False}

    @pytest.mark.parametrize("token", ["nonsense", "a.b.c", "..", "é", "x" * 5000, "eyJhbGciOiJub25lIn0.e30."])
    def test_an_unknown_token_is_no_error(self, gatehouse: World, token: str) -> None:
        assert gatehouse.post("revoke", {"token": token, "client_id": "desktop-app"}).status_code == 200

    def test_a_suspended_client_may_still_give_up_what_it_holds(self, gatehouse: World) -> None:
        token = gatehouse.machine_token()["access_token"]
        row = world.client("nightly-report")
        row.status = "suspended"
        row.save()
        answer = gatehouse.post("revoke", {"token": token}, authorization=basic_header("nightly-report", SECRET))
        assert answer.status_code == 200


class TestIntrospection:
    @pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch"])
    def test_only_post_is_answered_since_urls_end_up_in_logs(self, gatehouse: World, method: str) -> None:
        token = gatehouse.machine_token()["access_token"]
        ask = getattr(gatehouse.browser, method)
        response = ask(f"/o/introspect?token={token}", headers={"authorization": RESOURCE_SERVER})
        assert response.status_code == 405
        assert response["Allow"] == "POST, OPTIONS"
        assert b"active" not in response.content

    def test_a_token_in_the_url_is_not_read(self, gatehouse: World) -> None:
        token = gatehouse.machine_token()["access_token"]
        response = gatehouse.browser.post(
            f"/o/introspect?token={token}",
            "nothing=here",
            content_type="application/x-www-form-urlencoded",
            headers={"authorization": RESOURCE_SERVER},
        )
        assert response.status_code == 400

    def test_a_public_client_learns_nothing(self, gatehouse: World) -> None:
        tokens = gatehouse.signed_in_tokens()
        response = gatehouse.post("introspect", {"token": tokens["access_token"], "client_id": "desktop-app"})
        assert response.status_code == 401
        assert error(response) == "invalid_client"

    def test_a_public_client_learns_nothing_even_if_a_resource_names_it(self, gatehouse: World) -> None:
        from authz.models import ProtectedResource

        tokens = gatehouse.signed_in_tokens()
        resource = ProtectedResource.objects.get(identifier=world.NOTES)
        resource.introspection_clients.add(world.client("desktop-app"))
        response = gatehouse.post("introspect", {"token": tokens["access_token"], "client_id": "desktop-app"})
        assert response.status_code == 401

    @pytest.mark.parametrize("who", ["nightly-report", "web-app", "payroll-server", "pending-agent"])
    def test_only_the_named_server_learns_anything(self, gatehouse: World, who: str) -> None:
        token = gatehouse.signed_in_tokens()["access_token"]
        secret = SERVER_SECRET if who == "payroll-server" else SECRET
        response = gatehouse.post("introspect", {"token": token}, authorization=basic_header(who, secret))
        answer = json.loads(response.content)
        assert answer == {"active": False} or answer["error"] == "unauthorized_client"
        assert "sub" not in answer

    def test_not_even_the_client_that_holds_the_token(self, gatehouse: World) -> None:
        token = gatehouse.machine_token()["access_token"]
        assert gatehouse.introspect(token, ("nightly-report", SECRET)) == {"active": False}

    def test_a_refresh_token_concerns_no_resource_server(self, gatehouse: World) -> None:
        assert gatehouse.introspect(gatehouse.signed_in_tokens()["refresh_token"]) == {"active": False}

    def test_a_server_suspended_learns_nothing_more(self, gatehouse: World) -> None:
        token = gatehouse.machine_token()["access_token"]
        row = world.client("notes-server")
        row.status = "suspended"
        row.save()
        response = gatehouse.post("introspect", {"token": token}, authorization=RESOURCE_SERVER)
        assert error(response) == "unauthorized_client"

    def test_a_token_signed_by_a_compromised_key_is_dead_at_once(self, gatehouse: World) -> None:
        token = gatehouse.machine_token()["access_token"]
        kid = keys.signing_key("RS256", datetime.now(UTC).timestamp()).kid
        keys.rotate("RS256", now=datetime.now(UTC), at_once=True)
        assert gatehouse.introspect(token)["active"] is True  # a key that is merely retired still vouches
        keys.retire(kid, now=datetime.now(UTC), compromised=True)
        assert gatehouse.introspect(token) == {"active": False}
        assert gatehouse.introspect(gatehouse.machine_token()["access_token"])["active"] is True
        assert kid not in [jwk["kid"] for jwk in gatehouse.browser.get("/o/jwks").json()["keys"]]

    @pytest.mark.parametrize("change", ["client", "person", "resource", "rule", "server"])
    def test_a_withdrawn_token_is_inactive_at_once(self, gatehouse: World, change: str) -> None:
        from authz.models import ProtectedResource, Rule

        token = gatehouse.signed_in_tokens()["access_token"]
        assert gatehouse.introspect(token)["active"] is True
        if change == "client":
            removal.remove(world.client("desktop-app"))
        elif change == "person":
            person = world.person("bob")
            person.is_active = False
            person.save()
        elif change == "resource":
            ProtectedResource.objects.filter(identifier=world.NOTES).update(is_active=False)
        elif change == "rule":
            Rule.objects.filter(name__startswith="Engineers").update(enabled=False)
        else:
            ProtectedResource.objects.get(identifier=world.NOTES).introspection_clients.clear()
        assert gatehouse.introspect(token) == {"active": False}

    def test_every_answer_is_recorded_with_the_tokens_id_and_never_the_token(self, gatehouse: World) -> None:
        token = gatehouse.machine_token()["access_token"]
        gatehouse.introspect(token)
        event = AuditEvent.objects.get(event="token:access:introspected")
        assert event.client_id == "notes-server"
        assert event.detail == {"active": True, "jti": claims(token)["jti"]}
