"""The grants, end to end through the server's own addresses."""

import json
import re
import time
from uuid import UUID

import jwt
import pytest

from authz.conf import conf
from authz.configuration import apply
from authz.models import AuditEvent, Authorization
from authz.protocol import jwts
from tests.support import world
from tests.support.world import NOTES, SECRET, World, claims


def test_a_machine_gets_an_rfc_9068_token_for_itself(gatehouse: World) -> None:
    response = gatehouse.machine_token(scope="mcp:read", resource=NOTES)

    assert response["token_type"] == "Bearer"
    assert response["scope"] == "mcp:read"
    assert "refresh_token" not in response
    header = jwt.get_unverified_header(response["access_token"])
    token = claims(response["access_token"])
    assert header["typ"] == "at+jwt"
    assert header["alg"] == "RS256"
    assert token["iss"] == conf.issuer
    assert token["aud"] == NOTES
    assert token["sub"] == token["client_id"] == "nightly-report"
    assert token["scope"] == "mcp:read"
    assert token["exp"] - token["iat"] == response["expires_in"] == 300  # the rule's cap, below the resource's 600
    # 128 bits, and an argument of any command: never a dash in front.
    assert re.fullmatch("[0-9a-f]{32}", token["jti"])


def test_it_verifies_with_the_published_keys(gatehouse: World) -> None:
    token = gatehouse.machine_token()["access_token"]
    jwks = gatehouse.browser.get("/o/jwks").json()
    verified = jwts.verify(token, jwts.keys_from_jwks(jwks), typ={"at+jwt"})
    assert verified.claims["client_id"] == "nightly-report"


def test_a_request_without_resource_and_scope_gets_the_default_narrowed_to_what_rules_allow(gatehouse: World) -> None:
    response = gatehouse.machine_token()
    assert response["scope"] == "mcp:read"
    assert claims(response["access_token"])["aud"] == NOTES


def test_too_much_scope_is_narrowed_rather_than_refused(gatehouse: World) -> None:
    assert gatehouse.machine_token(scope="mcp:read mcp:write nonsense")["scope"] == "mcp:read"


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"scope": "mcp:write"}, "invalid_scope"),
        ({"scope": 'mcp:read "'}, "invalid_scope"),
        ({"resource": "https://unknown.example.com/mcp"}, "invalid_target"),
        ({"resource": "https://payroll.example.com/mcp"}, "unauthorized_client"),
        ({"resource": f"{NOTES}#fragment"}, "invalid_target"),
        ({"resource": [NOTES, "https://payroll.example.com/mcp"]}, "invalid_target"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "unauthorized_client"),
    ],
)
def test_what_a_machine_may_not_have(gatehouse: World, params: dict[str, str], error: str) -> None:
    response = gatehouse.token(basic=("nightly-report", SECRET), **({"grant_type": "client_credentials"} | params))
    assert response.status_code == 400
    assert json.loads(response.content)["error"] == error
    assert response["Cache-Control"] == "no-store"


def test_a_pending_agent_gets_nothing(gatehouse: World) -> None:
    response = gatehouse.token(basic=("pending-agent", SECRET), grant_type="client_credentials")
    assert response.status_code == 400
    assert json.loads(response.content)["error"] == "unauthorized_client"


def test_no_rule_no_token(gatehouse: World) -> None:
    from authz.models import Rule

    Rule.objects.all().delete()
    response = gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials")
    assert json.loads(response.content)["error"] == "unauthorized_client"


def test_every_token_has_its_audit_record(gatehouse: World) -> None:
    token = claims(gatehouse.machine_token()["access_token"])
    event = AuditEvent.objects.get(event="token:access:issued")
    assert event.detail["jti"] == token["jti"]
    assert event.detail["rules"] == ["Agents read notes"]
    assert event.authorization == token["authorization"]
    assert event.client_id == "nightly-report"


def test_machine_tokens_stand_under_one_authorization(gatehouse: World) -> None:
    first = claims(gatehouse.machine_token()["access_token"])["authorization"]
    assert claims(gatehouse.machine_token()["access_token"])["authorization"] == first
    assert Authorization.objects.count() == 1


def test_a_person_signs_in_consents_and_the_client_gets_tokens(gatehouse: World) -> None:
    answer = gatehouse.authorize()
    assert answer["iss"] == conf.issuer
    assert answer["state"] == "xyz"
    response = json.loads(gatehouse.redeem(answer["code"]).content)
    token = claims(response["access_token"])
    assert token["sub"] == str(world.person("bob").subject)
    assert UUID(token["sub"]).version == 4
    assert token["client_id"] == "desktop-app"
    assert token["scope"] == "mcp:read"
    assert token["auth_time"] <= time.time()
    assert response["refresh_token"]


def test_consent_is_remembered_for_what_was_shown(gatehouse: World) -> None:
    gatehouse.authorize()
    assert gatehouse.browser.get(gatehouse.authorize_url()).status_code == 302
    # More scopes, another redirect host, or a client that insists: the person is asked again.
    for changes in (
        {"scope": "mcp:read mcp:write"},
        {"redirect_uri": "http://127.0.0.1:7777/callback"},
        {"prompt": "consent"},
    ):
        assert gatehouse.browser.get(gatehouse.authorize_url(**changes)).status_code == 200


def test_the_token_request_may_leave_out_the_redirect_uri_as_oauth_2_1_does(gatehouse: World) -> None:
    assert gatehouse.redeem(gatehouse.authorize()["code"], redirect_uri=None).status_code == 200


def test_charlie_is_refused_by_policy_after_signing_in(gatehouse: World) -> None:
    answer = gatehouse.authorize(username="charlie")
    assert answer["error"] == "access_denied"
    assert answer["iss"] == conf.issuer
    assert answer["state"] == "xyz"


def test_a_refresh_rotates_and_keeps_the_grant(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens(scope="mcp:read mcp:write")
    response = json.loads(gatehouse.refresh(tokens["refresh_token"]).content)
    assert response["refresh_token"] != tokens["refresh_token"]
    assert response["scope"] == "mcp:read mcp:write"
    assert claims(response["access_token"])["authorization"] == claims(tokens["access_token"])["authorization"]


def test_a_refresh_may_narrow_but_not_widen(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens(scope="mcp:read")
    wider = gatehouse.refresh(tokens["refresh_token"], scope="mcp:read mcp:write")
    assert json.loads(wider.content)["error"] == "invalid_scope"
    narrower = gatehouse.refresh(tokens["refresh_token"], scope="mcp:read")
    assert narrower.status_code == 200


def test_a_refresh_follows_the_rules_as_they_are_now(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens()
    world.person("bob").groups.clear()
    assert json.loads(gatehouse.refresh(tokens["refresh_token"]).content)["error"] == "invalid_grant"


def test_introspection_answers_the_named_server_only(gatehouse: World) -> None:
    token = gatehouse.signed_in_tokens()["access_token"]
    answer = gatehouse.introspect(token)
    assert answer["active"] is True
    assert answer["username"] == "bob"
    assert answer["aud"] == NOTES
    assert gatehouse.introspect(token, ("payroll-server", world.SERVER_SECRET)) == {"active": False}
    assert gatehouse.introspect("nonsense") == {"active": False}


def test_revoking_is_visible_in_introspection_at_once(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens()
    assert gatehouse.introspect(tokens["access_token"])["active"] is True
    assert gatehouse.post("revoke", {"token": tokens["refresh_token"], "client_id": "desktop-app"}).status_code == 200
    assert gatehouse.introspect(tokens["access_token"]) == {"active": False}
    assert gatehouse.refresh(tokens["refresh_token"]).status_code == 400


def test_a_person_who_leaves_the_group_is_inactive_at_once(gatehouse: World) -> None:
    token = gatehouse.signed_in_tokens()["access_token"]
    world.person("bob").groups.clear()
    assert gatehouse.introspect(token) == {"active": False}


def test_a_later_deny_of_openid_takes_it_out_of_the_refresh(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens(scope="openid mcp:read")
    assert "id_token" in tokens
    apply(
        """
rules:
  - name: No one signs in any more
    effect: deny
    clients: ["*"]
    groups: ["*"]
    resources: ["*"]
    scopes: [openid]
"""
    )
    response = json.loads(gatehouse.refresh(tokens["refresh_token"]).content)
    assert response["scope"] == "mcp:read"
    assert "id_token" not in response


def test_a_rule_ends_at_the_moment_it_names_quoted_or_not(gatehouse: World) -> None:
    rule = {"effect": "deny", "clients": ["*"], "resources": [NOTES], "scopes": ["*"]}
    for number, end in enumerate(("2020-01-01", "2020-01-01T00:00:00Z", "'2020-01-01T00:00:00Z'")):
        lines = "".join(f"    {name}: {json.dumps(value)}\n" for name, value in rule.items())
        apply(f"rules:\n  - name: Long over {number}\n{lines}    conditions: {{not_after: {end}}}\n")
    assert gatehouse.machine_token()["scope"] == "mcp:read"
