"""Attack 27: a code used twice, by another client, or without its verifier (CVE-2026-47386, CVE-2025-4144)."""

import json
import time
from typing import Any

import pytest
from django.http import HttpResponse

from authz.models import AuditEvent, Authorization, AuthorizationCode
from tests.support import world
from tests.support.processes import RunningGatehouse
from tests.support.races import at_once
from tests.support.world import (
    CHALLENGE,
    LOOPBACK_REDIRECT,
    NOTES,
    PAYROLL,
    SERVER_SECRET,
    VERIFIER,
    World,
    without_reference,
)

AT_ONCE = 8
RESOURCE_SERVER = ("notes-server", SERVER_SECRET)


def error(response: HttpResponse) -> str:
    code: str = json.loads(response.content)["error"]
    return code


class TestOnce:
    def test_of_many_redemptions_at_once_exactly_one_succeeds(self, committed_gatehouse: World) -> None:
        code = committed_gatehouse.authorize()["code"]
        answers = at_once([lambda: World().redeem(code) for _ in range(AT_ONCE)])
        assert sorted(answer.status_code for answer in answers) == [200] + [400] * (AT_ONCE - 1)
        assert {error(answer) for answer in answers if answer.status_code == 400} == {"invalid_grant"}
        assert Authorization.objects.count() == 1

    def test_of_many_redemptions_over_processes_exactly_one_succeeds(self, server: RunningGatehouse) -> None:
        code = server.code()
        answers = at_once([lambda: server.redeem(code) for _ in range(AT_ONCE)])
        assert sorted(answer.status_code for answer in answers) == [200] + [400] * (AT_ONCE - 1)
        (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
        # The second is a replay, so the first one's tokens are ended.
        assert server.introspect(winner["access_token"], RESOURCE_SERVER) == {"active": False}
        assert server.refresh(winner["refresh_token"]).status_code == 400

    def test_a_replay_revokes_the_tokens_of_the_code(self, gatehouse: World) -> None:
        code = gatehouse.authorize()["code"]
        tokens = json.loads(gatehouse.redeem(code).content)
        refreshed = json.loads(gatehouse.refresh(tokens["refresh_token"]).content)
        assert error(gatehouse.redeem(code)) == "invalid_grant"
        for token in (tokens, refreshed):
            assert gatehouse.introspect(token["access_token"]) == {"active": False}
            assert gatehouse.refresh(token["refresh_token"]).status_code == 400
        assert AuditEvent.objects.get(event="token:authorization:revoked").detail["because"] == "code_replayed"

    def test_a_replay_is_recognised_after_the_code_has_expired(
        self, gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = gatehouse.authorize()["code"]
        tokens = json.loads(gatehouse.redeem(code).content)
        monkeypatch.setattr("authz.endpoints.token.now", lambda: time.time() + 600)
        assert error(gatehouse.redeem(code)) == "invalid_grant"
        assert gatehouse.introspect(tokens["access_token"]) == {"active": False}

    def test_a_code_that_was_not_used_in_time_is_worth_nothing(
        self, gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = gatehouse.authorize()["code"]
        monkeypatch.setattr("authz.endpoints.token.now", lambda: time.time() + 61)
        assert error(gatehouse.redeem(code)) == "invalid_grant"

    def test_a_replay_says_no_more_than_an_unknown_code(self, gatehouse: World) -> None:
        code = gatehouse.authorize()["code"]
        gatehouse.redeem(code)
        assert without_reference(gatehouse.redeem(code)) == without_reference(gatehouse.redeem("nonsense"))

    def test_the_code_is_not_kept_in_the_clear(self, gatehouse: World) -> None:
        code = gatehouse.authorize()["code"]
        row = AuthorizationCode.objects.get()
        stored = [str(getattr(row, field.attname)) for field in row._meta.fields]
        assert not any(code in value for value in stored)
        events = json.dumps(list(AuditEvent.objects.values("detail", "reason", "client_id", "subject")))
        assert code not in events


class TestAnotherClientsCode:
    def test_another_client_cannot_use_a_code_and_does_not_burn_it(self, gatehouse: World) -> None:
        code = gatehouse.authorize()["code"]
        stolen = gatehouse.token(
            basic=("web-app", world.SECRET),
            grant_type="authorization_code",
            code=code,
            redirect_uri=world.REDIRECT,
            code_verifier=VERIFIER,
        )
        assert error(stolen) == "invalid_grant"
        assert gatehouse.redeem(code).status_code == 200

    def test_another_clients_replay_revokes_nothing(self, gatehouse: World) -> None:
        code = gatehouse.authorize()["code"]
        tokens = json.loads(gatehouse.redeem(code).content)
        gatehouse.token(
            basic=("web-app", world.SECRET), grant_type="authorization_code", code=code, code_verifier=VERIFIER
        )
        assert gatehouse.introspect(tokens["access_token"])["active"] is True

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"redirect_uri": LOOPBACK_REDIRECT}, "invalid_grant"),
            ({"redirect_uri": f"{world.REDIRECT}/"}, "invalid_grant"),
            ({"redirect_uri": world.REDIRECT.upper()}, "invalid_grant"),
            ({"code_verifier": None}, "invalid_request"),
            ({"code_verifier": VERIFIER[:-1] + "x"}, "invalid_grant"),
            ({"code_verifier": CHALLENGE}, "invalid_grant"),
            ({"code_verifier": VERIFIER[:42]}, "invalid_grant"),
            ({"code_verifier": VERIFIER * 3}, "invalid_grant"),
            ({"code_verifier": f"{VERIFIER}="}, "invalid_grant"),
            ({"code_verifier": "é" * 43}, "invalid_grant"),
            ({"resource": PAYROLL}, "invalid_target"),
            ({"resource": "https://unknown.example.com/"}, "invalid_target"),
            ({"resource": [NOTES, PAYROLL]}, "invalid_target"),
            ({"code": "x" * 300}, "invalid_grant"),
            ({"code": None}, "invalid_request"),
        ],
    )
    def test_a_wrong_verifier_gets_nothing_and_does_not_use_up_the_code(
        self, gatehouse: World, changes: dict[str, Any], expected: str
    ) -> None:
        code = gatehouse.authorize()["code"]
        assert error(gatehouse.redeem(**({"code": code} | changes))) == expected
        assert Authorization.objects.count() == 0
        assert gatehouse.redeem(code).status_code == 200

    def test_the_granted_resource_may_be_named_in_any_of_its_spellings(self, gatehouse: World) -> None:
        assert gatehouse.redeem(gatehouse.authorize()["code"], resource=NOTES).status_code == 200


class TestPkceDowngrade:
    @pytest.mark.parametrize(
        "changes",
        [
            {"code_challenge": None, "code_challenge_method": None},
            {"code_challenge": None},
            {"code_challenge": ""},
            {"code_challenge_method": None},
            {"code_challenge_method": ""},
            {"code_challenge_method": "plain"},
            {"code_challenge_method": "s256"},
            {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
            {"code_challenge": CHALLENGE[:-1]},
            {"code_challenge": f"{CHALLENGE}="},
            {"code_challenge": CHALLENGE.replace("-", "+")},
            {"code_challenge": "a" * 128},
        ],
    )
    @pytest.mark.parametrize("client_id", ["desktop-app", "web-app"])
    def test_a_request_without_s256_is_refused_before_the_sign_in(
        self, gatehouse: World, changes: dict[str, Any], client_id: str
    ) -> None:
        response = gatehouse.browser.get(gatehouse.authorize_url(client_id=client_id, **changes))
        assert response.status_code == 302
        answer = world.redirect_parameters(response)
        assert answer["error"] == "invalid_request"
        assert "code" not in answer

    def test_a_verifier_where_the_request_had_no_challenge_cannot_happen(self, gatehouse: World) -> None:
        # CVE-2025-4144: PKCE was skipped for a code that had no challenge. Here such a row redeems nothing.
        code = gatehouse.authorize()["code"]
        AuthorizationCode.objects.update(code_challenge="")
        assert gatehouse.redeem(code, code_verifier=None).status_code == 400
        assert error(gatehouse.redeem(code)) == "invalid_grant"
