"""Issuing ID-JAGs at the token endpoint, end to end."""

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from authz import keys
from authz.authorizations import cut_off
from authz.conf import conf
from authz.models import AuditEvent, Authorization, Client, Rule
from authz.protocol import jwts
from tests.support.world import claims, person
from tests.xaa.company import (
    AGENT,
    CHARLIES_AGENT,
    CHAT,
    CHAT_MCP,
    REFRESH_TOKEN_TYPE,
    Company,
    Idp,
    refused,
)
from xaa import id_jag
from xaa.models import ResourceAuthorizationServer, TrustedIssuer


def granted(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.content
    body: dict[str, Any] = json.loads(response.content)
    return body


def test_an_id_token_of_ours_becomes_an_id_jag(company: Company) -> None:
    body = granted(company.exchange(company.login()["id_token"]))
    assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:id-jag"
    assert body["token_type"] == "N_A"
    assert body["scope"] == "chat.read"
    assert body["expires_in"] == 300
    assert "refresh_token" not in body
    verified = jwts.verify(body["access_token"], keys.verification_keys(time.time()), typ={id_jag.TYP})
    assert verified.header["alg"] == "RS256"
    issued = verified.claims
    bob = person("bob")
    assert issued["iss"] == conf.issuer
    assert issued["aud"] == CHAT
    assert issued["sub"] == str(bob.subject)
    assert issued["client_id"] == "agent-at-chat"
    assert issued["resource"] == CHAT_MCP
    assert issued["scope"] == "chat.read"
    assert issued["exp"] - issued["iat"] == 300
    assert issued["email"] == "bob@example.com"
    assert issued["email_verified"] is True
    assert issued["amr"] == ["pwd"]
    assert time.time() - issued["auth_time"] < 60
    assert re.fullmatch("[0-9a-f]{32}", issued["jti"])


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_an_id_jag_is_signed_as_its_server_is_configured(company: Company, alg: str) -> None:
    ResourceAuthorizationServer.objects.filter(issuer=CHAT).update(id_jag_signing_alg=alg)
    body = granted(company.exchange(company.login()["id_token"]))
    verified = jwts.verify(body["access_token"], keys.verification_keys(time.time()), typ={id_jag.TYP})
    assert verified.header["alg"] == alg


def test_issuing_is_audited_with_its_lineage(company: Company) -> None:
    tokens = company.login()
    issued = claims(granted(company.exchange(tokens["id_token"]))["access_token"])
    event = AuditEvent.objects.get(event="token:id_jag:issued")
    assert event.detail["jti"] == issued["jti"]
    assert event.detail["audience"] == CHAT
    assert event.detail["rules"] == ["Engineers reach Chat"]
    assert event.detail["lineage"]["session"] == claims(tokens["id_token"])["sid"]
    assert event.authorization == claims(tokens["id_token"])["authorization"]
    assert tokens["id_token"] not in json.dumps(event.detail)


def test_a_refresh_token_becomes_an_id_jag_and_is_not_used_up(company: Company) -> None:
    tokens = company.login()
    for _ in range(2):
        body = granted(company.exchange(tokens["refresh_token"], subject_token_type=REFRESH_TOKEN_TYPE))
        assert claims(body["access_token"])["sub"] == str(person("bob").subject)
    rotated = company.token(basic=AGENT, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert rotated.status_code == 200
    answer = company.exchange(tokens["refresh_token"], subject_token_type=REFRESH_TOKEN_TYPE)
    assert refused(answer) == (400, "invalid_grant")


def test_an_id_token_of_a_trusted_issuer_becomes_an_id_jag(company: Company) -> None:
    body = granted(company.exchange(company.idp.id_token(acr="mfa")))
    issued = claims(body["access_token"])
    assert issued["sub"] == str(person("bob").subject)
    assert issued["acr"] == "mfa"


def test_without_a_scope_all_that_policy_allows_is_granted(company: Company) -> None:
    assert granted(company.exchange(company.login()["id_token"], scope=None))["scope"] == "chat.read chat.history"


def test_a_scope_that_the_target_does_not_have_is_left_out(company: Company) -> None:
    assert granted(company.exchange(company.login()["id_token"], scope="chat.read chat.write"))["scope"] == "chat.read"


def test_a_metadata_documents_url_is_its_own_client_id_there(company: Company) -> None:
    token = company.login()["id_token"]
    ResourceAuthorizationServer.objects.update(client_ids={})
    assert refused(company.exchange(token)) == (400, "unauthorized_client")
    client = Client.objects.get(client_id=AGENT[0])
    client.registration_source = Client.RegistrationSource.CIMD
    client.save()
    assert claims(granted(company.exchange(token))["access_token"])["client_id"] == AGENT[0]


NOW = int(time.time())


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"requested_token_type": None}, (400, "invalid_request")),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:access_token"}, (400, "invalid_request")),
        ({"subject_token_type": None}, (400, "invalid_request")),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, (400, "invalid_request")),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}, (400, "invalid_request")),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, (400, "invalid_request")),
        ({"subject_token_type": REFRESH_TOKEN_TYPE}, (400, "invalid_grant")),  # it is an ID token
        ({"actor_token": "x", "actor_token_type": "y"}, (400, "invalid_request")),
        ({"actor_token_type": "y"}, (400, "invalid_request")),
        ({"authorization_details": "[]"}, (400, "invalid_authorization_details")),
        ({"audience": None}, (400, "invalid_request")),
        ({"audience": "https://auth.chat.example"}, (400, "invalid_target")),  # without its slash
        ({"audience": "https://AUTH.chat.example/"}, (400, "invalid_target")),
        ({"audience": "https://auth.chat.example:443/"}, (400, "invalid_target")),
        ({"audience": "https://unknown.example/"}, (400, "invalid_target")),
        ({"audience": [CHAT, "https://other.example/"]}, (400, "invalid_target")),
        ({"resource": "https://mcp.other.example/"}, (400, "invalid_target")),
        ({"resource": [CHAT_MCP, "https://mcp.other.example/"]}, (400, "invalid_target")),
        ({"scope": "chat.admin"}, (400, "invalid_scope")),
    ],
)
def test_an_exchange_is_refused_clearly(company: Company, changes: dict[str, Any], answer: tuple[int, str]) -> None:
    assert refused(company.exchange(company.login()["id_token"], **changes)) == answer


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "charlies-agent-at-idp"},
        {"aud": AGENT[0]},  # what stands for the agent is named in the configuration, and not its own name
        {"aud": ["agent-at-idp", "other"]},
        {"aud": ["agent-at-idp"], "azp": "other"},
        {"aud": None},
        {"exp": NOW - 100, "iat": NOW - 400},
        {"exp": NOW + 90_000},
        {"iat": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": "nobody", "email": None},
        {"sub": "nobody", "email_verified": False},
        {"sub": "nobody", "email_verified": "yes"},
        {"typ": "at+jwt"},
        {"typ": "oauth-id-jag+jwt"},
        {"typ": "logout+jwt"},
        {"cnf": {"jkt": "x"}},
    ],
)
def test_a_foreign_id_token_is_believed_only_as_configured(company: Company, changes: dict[str, Any]) -> None:
    assert refused(company.exchange(company.idp.id_token(**changes))) == (400, "invalid_grant")
    assert company.exchange(company.idp.id_token()).status_code == 200


def test_a_foreign_id_token_needs_the_issuer_to_be_trusted_for_it(company: Company) -> None:
    issuer = TrustedIssuer.objects.get()
    issuer.accepts = ["id-jag", "workload"]
    issuer.save()
    assert refused(company.exchange(company.idp.id_token())) == (400, "invalid_grant")


def test_a_foreign_issuer_cannot_speak_for_us(company: Company) -> None:
    """A token with our issuer is verified by our keys only."""
    assert refused(company.exchange(Idp(conf.issuer).id_token(aud=AGENT[0]))) == (400, "invalid_grant")


def test_only_the_client_that_a_token_was_issued_to_may_exchange_it(company: Company) -> None:
    tokens = company.login()
    assert refused(company.exchange(tokens["id_token"], CHARLIES_AGENT)) == (400, "invalid_grant")
    answer = company.exchange(tokens["refresh_token"], CHARLIES_AGENT, subject_token_type=REFRESH_TOKEN_TYPE)
    assert refused(answer) == (400, "invalid_grant")
    assert refused(company.exchange(company.idp.id_token(), CHARLIES_AGENT)) == (400, "invalid_grant")


def test_an_access_token_is_no_identity_assertion(company: Company) -> None:
    assert refused(company.exchange(company.login()["access_token"])) == (400, "invalid_grant")


def test_an_id_jag_is_no_identity_assertion(company: Company) -> None:
    body = granted(company.exchange(company.login()["id_token"]))
    assert refused(company.exchange(body["access_token"])) == (400, "invalid_grant")


def test_a_public_client_gets_none(company: Company) -> None:
    answer = company.exchange(company.idp.id_token(), None, client_id="public-agent")
    assert refused(answer) == (400, "unauthorized_client")


def test_a_refresh_token_that_is_no_sign_in_gets_none(company: Company) -> None:
    tokens = company.signed_in_tokens()  # for Notes, without openid
    client = Client.objects.get(client_id=AGENT[0])
    Authorization.objects.update(client=client, client_digest=client.consent_digest)
    answer = company.exchange(tokens["refresh_token"], subject_token_type=REFRESH_TOKEN_TYPE)
    assert refused(answer) == (400, "invalid_grant")
    assert AuditEvent.objects.filter(reason="subject_token_without_sign_in").exists()


# --- What ends it --------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_power_to_mint(company: Company) -> None:
    tokens = company.login()
    company.browser.post("/accounts/logout/")
    assert refused(company.exchange(tokens["id_token"])) == (400, "invalid_grant")
    answer = company.exchange(tokens["refresh_token"], subject_token_type=REFRESH_TOKEN_TYPE)
    assert refused(answer) == (400, "invalid_grant")


def test_a_session_that_is_gone_mints_nothing(company: Company) -> None:
    tokens = company.login()
    company.browser.session.flush()
    assert refused(company.exchange(tokens["id_token"])) == (400, "invalid_grant")
    assert AuditEvent.objects.filter(reason="session_ended").exists()


def test_offline_access_outlives_the_session_until_it_is_revoked(company: Company) -> None:
    tokens = company.login(scope="openid offline_access")
    company.browser.post("/accounts/logout/")
    answer = company.exchange(tokens["refresh_token"], subject_token_type=REFRESH_TOKEN_TYPE)
    assert answer.status_code == 200, answer.content
    company.post("revoke", {"token": tokens["refresh_token"]}, authorization=basic())
    answer = company.exchange(tokens["refresh_token"], subject_token_type=REFRESH_TOKEN_TYPE)
    assert refused(answer) == (400, "invalid_grant")


def basic() -> str:
    from tests.support.world import basic_header

    return basic_header(*AGENT)


def test_revoking_the_sign_in_ends_its_id_tokens(company: Company) -> None:
    tokens = company.login()
    company.post("revoke", {"token": tokens["refresh_token"]}, authorization=basic())
    assert refused(company.exchange(tokens["id_token"])) == (400, "invalid_grant")


def test_an_administrator_ends_a_session_with_everything_given_in_it(company: Company) -> None:
    tokens = company.login(scope="openid offline_access")
    for_notes = company.signed_in_tokens()
    digests = {row.session_digest for row in Authorization.objects.all()}
    for digest in filter(None, digests):
        found = cut_off.target("session", digest)
        cut_off.cut_off(found, kind="session", identifier=digest, reason="", by="alice", now=datetime.now(UTC))
    assert company.introspect(for_notes["access_token"]) == {"active": False}
    answer = company.exchange(tokens["refresh_token"], subject_token_type=REFRESH_TOKEN_TYPE)
    assert refused(answer) == (400, "invalid_grant")


def test_leaving_the_group_ends_it(company: Company) -> None:
    token = company.login()["id_token"]
    assert company.exchange(token).status_code == 200
    person("bob").groups.clear()
    assert refused(company.exchange(token)) == (400, "invalid_grant")


def test_deactivating_the_person_ends_it(company: Company) -> None:
    tokens = company.login()
    bob = person("bob")
    bob.is_active = False
    bob.save()
    for token, kind in ((tokens["id_token"], None), (tokens["refresh_token"], REFRESH_TOKEN_TYPE)):
        changes = {"subject_token_type": kind} if kind else {}
        assert refused(company.exchange(token, **changes)) == (400, "invalid_grant")
    assert refused(company.exchange(company.idp.id_token())) == (400, "invalid_grant")


def test_a_deny_rule_ends_it(company: Company) -> None:
    Rule.objects.create(
        name="No access to Chat",
        effect="deny",
        definition={
            "clients": ["*"],
            "groups": ["*"],
            "grant_types": ["*"],
            "resources": [CHAT_MCP],
            "scopes": ["*"],
        },
    )
    assert refused(company.exchange(company.idp.id_token())) == (400, "invalid_grant")


def test_switching_the_target_off_ends_it(company: Company) -> None:
    ResourceAuthorizationServer.objects.update(enabled=False)
    assert refused(company.exchange(company.idp.id_token())) == (400, "invalid_target")


def test_a_sign_in_that_is_too_old_is_told_what_is_needed(company: Company) -> None:
    rule = Rule.objects.get(name="Engineers reach Chat")
    rule.definition = {**rule.definition, "conditions": {"max_auth_age": 30, "acr": ["mfa"]}}
    rule.save()
    answer = company.exchange(company.idp.id_token())
    assert refused(answer) == (400, "insufficient_user_authentication")
    body = json.loads(answer.content)
    assert body["max_age"] == 30
    assert body["acr_values"] == "mfa"
    stepped_up = company.idp.id_token(auth_time=int(time.time()), acr="mfa")
    assert company.exchange(stepped_up).status_code == 200


def test_a_rule_that_ends_soon_shortens_the_id_jag(company: Company) -> None:
    rule = Rule.objects.get(name="Engineers reach Chat")
    rule.definition = {**rule.definition, "max_lifetime": 60}
    rule.save()
    body = granted(company.exchange(company.idp.id_token()))
    issued = claims(body["access_token"])
    assert issued["exp"] - issued["iat"] == body["expires_in"] == 60


# --- Both halves ---------------------------------------------------------------------------------------------------


def test_our_own_id_jag_is_never_redeemed_here(company: Company) -> None:
    ResourceAuthorizationServer.objects.filter(issuer=CHAT).update(issuer=conf.issuer)
    body = granted(company.exchange(company.login()["id_token"], audience=conf.issuer))
    assert refused(company.redeem_assertion(body["access_token"])) == (400, "invalid_grant")
    # Not even if this server is listed among the trusted issuers.
    TrustedIssuer.objects.create(issuer=conf.issuer, name="Ourselves", accepts=["id-jag"], create=True)
    assert refused(company.redeem_assertion(body["access_token"])) == (400, "invalid_grant")
    assert AuditEvent.objects.filter(reason="issuer_is_ourselves").count() == 2
