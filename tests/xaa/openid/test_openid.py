"""OpenID Connect for clients: ID tokens, /userinfo and RP-initiated logout."""

import json
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authz import keys
from authz.conf import conf
from authz.models import Authorization, Client
from authz.protocol import jwts
from tests.support.clock import Clock
from tests.support.world import NOTES, claims, person, redirect_parameters
from tests.xaa.company import AGENT, Company, left_half, refused
from xaa.models import Session

BYE = "https://app.example.com/bye"


def test_an_id_token_says_who_signed_in_and_how(company: Company) -> None:
    tokens = company.login(scope="openid email profile groups")
    verified = jwts.verify(tokens["id_token"], keys.verification_keys(time.time()), typ={"JWT"})
    assert verified.header["alg"] == "RS256"
    token = verified.claims
    assert token["iss"] == conf.issuer
    assert token["aud"] == AGENT[0]
    assert token["sub"] == str(person("bob").subject)
    assert token["nonce"] == "n-0S6"
    assert token["amr"] == ["pwd"]
    assert 0 <= time.time() - token["auth_time"] < 60
    assert token["at_hash"] == left_half(tokens["access_token"])
    assert re.fullmatch("[0-9a-f]{32}", token["jti"])
    assert token["email"] == "bob@example.com"
    assert token["email_verified"] is True
    assert token["groups"] == ["engineering"]
    assert token["preferred_username"] == "bob"
    assert Session.objects.get(digest=token["sid"]).user == person("bob")


def test_it_says_no_more_than_was_asked_for(company: Company) -> None:
    token = claims(company.login(scope="openid")["id_token"])
    assert {"email", "groups", "name", "preferred_username"}.isdisjoint(token)


def test_there_is_no_id_token_without_openid(company: Company) -> None:
    assert "id_token" not in company.signed_in_tokens()


def test_a_refresh_brings_a_new_id_token_of_the_same_sign_in(company: Company) -> None:
    tokens = company.login()
    response = company.token(basic=AGENT, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    before, after = claims(tokens["id_token"]), claims(json.loads(response.content)["id_token"])
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert before[name] == after[name]
    assert "nonce" not in after


def test_an_address_that_the_person_entered_themselves_is_not_called_verified(company: Company) -> None:
    from allauth.account.models import EmailAddress

    EmailAddress.objects.filter(user=person("bob")).delete()
    EmailAddress.objects.create(user=person("bob"), email="bob@example.com", verified=False)
    tokens = company.login()
    assert claims(tokens["id_token"])["email_verified"] is False
    issued = json.loads(company.exchange(tokens["id_token"]).content)["access_token"]
    assert "email" not in claims(issued)


def test_prompt_none_does_not_show_a_page(company: Company) -> None:
    answer = company.browser.get(
        company.authorize_url(client_id=AGENT[0], scope="openid", resource=None, prompt="none")
    )
    assert redirect_parameters(answer)["error"] == "login_required"
    company.login()
    answer = company.browser.get(
        company.authorize_url(client_id=AGENT[0], scope="openid", resource=None, prompt="none")
    )
    assert "code" in redirect_parameters(answer)


def test_max_age_asks_for_a_new_sign_in(company: Company, clock: Clock) -> None:
    company.login()
    fresh = company.authorize_url(client_id=AGENT[0], scope="openid", resource=None, max_age="3600")
    assert "code" in redirect_parameters(company.browser.get(fresh))
    clock.ahead += 1.1
    stale = company.authorize_url(client_id=AGENT[0], scope="openid", resource=None, max_age="1")
    assert "/accounts/" in company.browser.get(stale)["Location"]


# --- /userinfo -----------------------------------------------------------------------------------------------------


def userinfo(company: Company, token: str | None) -> Any:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return company.browser.get("/o/userinfo", headers=headers)


def test_userinfo_answers_the_token_of_a_sign_in(company: Company) -> None:
    tokens = company.login(scope="openid email")
    response = userinfo(company, tokens["access_token"])
    assert json.loads(response.content) == {
        "sub": str(person("bob").subject),
        "email": "bob@example.com",
        "email_verified": True,
    }
    posted = company.post("userinfo", {"access_token": tokens["access_token"]})
    assert posted.content == response.content


def test_userinfo_refuses_every_other_token(company: Company) -> None:
    for_notes = company.signed_in_tokens(scope="openid mcp:read", resource=NOTES)
    tokens = company.login()
    for token in (for_notes["access_token"], tokens["id_token"], company.machine_token()["access_token"], "x.y.z", "x"):
        response = userinfo(company, token)
        assert response.status_code == 401
        assert 'error="invalid_token"' in response["WWW-Authenticate"]
    assert userinfo(company, None).status_code == 401
    assert "error" not in userinfo(company, None)["WWW-Authenticate"]


@pytest.mark.parametrize("what", ["authorization", "person", "client"])
def test_userinfo_sees_at_once_what_was_ended(company: Company, what: str) -> None:
    token = company.login()["access_token"]
    if what == "authorization":
        Authorization.objects.update(revoked="2026-01-01T00:00:00Z")
    elif what == "person":
        bob = person("bob")
        bob.is_active = False
        bob.save()
    else:
        client = Client.objects.get(client_id=AGENT[0])
        client.status = "suspended"
        client.save()
    assert userinfo(company, token).status_code == 401


# --- Logout --------------------------------------------------------------------------------------------------------


def log_out(company: Company, **params: str) -> Any:
    return company.browser.get("/o/logout", params)


def test_a_client_signs_the_person_out(company: Company) -> None:
    tokens = company.login()
    response = log_out(company, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state="s")
    assert response.status_code == 302
    assert response["Location"] == f"{BYE}?state=s"
    assert not Session.objects.exists()
    assert refused(company.exchange(tokens["id_token"])) == (400, "invalid_grant")
    assert userinfo(company, tokens["access_token"]).status_code == 401
    # The browser is signed out, too.
    answer = company.browser.get(company.authorize_url(client_id=AGENT[0], prompt="none"))
    assert redirect_parameters(answer)["error"] == "login_required"


def test_it_ends_the_session_of_its_id_token_wherever_it_is_sent_from(company: Company) -> None:
    tokens = company.login()
    company.browser.cookies.clear()
    response = company.post("logout", {"id_token_hint": tokens["id_token"]})
    assert response.status_code == 302
    assert refused(company.exchange(tokens["id_token"])) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "uri", ["https://evil.example/", f"{BYE}/", f"{BYE}?x=1", "https://app.example.com/callback", "//evil.example"]
)
def test_it_redirects_nowhere_that_is_not_registered(company: Company, uri: str) -> None:
    tokens = company.login()
    response = log_out(company, id_token_hint=tokens["id_token"], post_logout_redirect_uri=uri)
    assert urlsplit(response["Location"]).netloc == ""
    assert not Session.objects.exists()


@pytest.mark.parametrize("hint", ["", "x", "no hint"])
def test_without_a_hint_of_ours_the_person_is_asked(company: Company, hint: str) -> None:
    tokens = company.login()
    response = log_out(company, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert urlsplit(response["Location"]).path == "/accounts/logout/"
    assert company.exchange(tokens["id_token"]).status_code == 200


def test_a_token_of_another_kind_is_no_hint(company: Company) -> None:
    tokens = company.login()
    forged = company.idp.id_token(iss=conf.issuer, aud=AGENT[0], sid=claims(tokens["id_token"])["sid"])
    for hint in (tokens["access_token"], forged):
        assert urlsplit(log_out(company, id_token_hint=hint)["Location"]).path == "/accounts/logout/"
    mixed_up = log_out(company, id_token_hint=tokens["id_token"], client_id="charlies-agent")
    assert urlsplit(mixed_up["Location"]).path == "/accounts/logout/"
    assert company.exchange(tokens["id_token"]).status_code == 200


def test_signing_out_leaves_the_agents_that_were_let_in_to_an_mcp_server(company: Company) -> None:
    for_notes = company.signed_in_tokens()
    company.browser.post("/accounts/logout/")
    assert company.introspect(for_notes["access_token"])["active"] is True


def test_an_expired_id_token_still_signs_out(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xaa.openid.id_token.LIFETIME", -10)
    tokens = company.login()
    response = log_out(company, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert parse_qs(urlsplit(response["Location"]).query) == {}
    assert response["Location"] == BYE
