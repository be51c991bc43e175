"""Signing in by an issuer whose client we are: what the issuer, or a link, may not do."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client as Browser

from authz.limits import rate_limits
from authz.outbound import Cause, OutboundError, remote_keys
from tests.xaa.company import IDP, IDP_JWKS

# Before the company's fixture puts its own in their place.
from tests.xaa.upstream import LOGIN, Upstream, refusal, upstream
from xaa.models import TrustedIssuer
from xaa.trusted_issuers import discovery

__all__ = ["upstream"]

# Before the company's fixture puts its own in their place.
REAL_KEYS = remote_keys.keys
BACKEND = "authz.sign_in.password_backend.PasswordBackend"


class TestAttacks:
    def test_a_link_chooses_neither_scopes_nor_parameters(self, upstream: Upstream) -> None:
        sent = upstream.start("?scope=admin,all&auth_params=redirect_uri%3Dhttps://evil.example%26nonce%3Dknown")
        assert set(sent["scope"].split()) == {"openid", "profile", "email"}
        assert sent["redirect_uri"].startswith("http://127.0.0.1:8000/")
        assert sent["nonce"] != "known"

    @pytest.mark.parametrize(
        ("claims", "reason"),
        [
            ({"nonce": "of another session"}, "sign_in_nonce"),
            ({"nonce": None}, "sign_in_nonce"),
            ({"aud": "another-client"}, "assertion_audience"),
            ({"aud": ["another", "project"]}, "assertion_audience"),
            ({"aud": ["gatehouse-at-idp", 7]}, "assertion_audience"),
            ({"aud": []}, "assertion_audience"),
            ({"aud": None}, "assertion_audience"),
            ({"aud": ["gatehouse-at-idp", ""]}, "assertion_audience"),
            ({"aud": ["gatehouse-at-idp", *("app" for _ in range(30))]}, "assertion_audience"),
            ({"aud": {"gatehouse-at-idp": True}}, "assertion_audience"),
            ({"aud": "gatehouse-at-idp project"}, "assertion_audience"),
            ({"aud": ["GATEHOUSE-AT-IDP"]}, "assertion_audience"),
            ({"aud": [["gatehouse-at-idp"]]}, "assertion_audience"),
            ({"azp": ""}, "assertion_of_another_client"),
            ({"azp": ["gatehouse-at-idp"]}, "assertion_of_another_client"),
            ({"aud": ["gatehouse-at-idp", "another"], "azp": "another"}, "assertion_of_another_client"),
            ({"azp": "another"}, "assertion_of_another_client"),
            ({"iss": "https://other.example"}, "issuer_untrusted"),
            ({"exp": 1}, "assertion_expired"),
            ({"sub": None}, "assertion_subject"),
        ],
    )
    def test_an_id_token_that_is_not_for_this_round(
        self, upstream: Upstream, claims: dict[str, Any], reason: str
    ) -> None:
        upstream.claims = claims
        assert upstream.sign_in().status_code == 401
        assert (refusal(), upstream.is_signed_in) == (reason, False)

    def test_another_issuer_that_says_it_is_this_one(self, upstream: Upstream) -> None:
        """Over TLS the signature need not be checked, says OpenID Connect; with several issuers it has to be."""
        from tests.xaa.company import Idp

        upstream.signer = Idp(IDP)
        upstream.signer.kid = upstream.company.idp.kid
        assert upstream.sign_in().status_code == 401
        assert refusal() == "assertion_signature"

    @pytest.mark.parametrize("iss", ["https://other.example", ""])
    def test_mix_up_an_answer_of_another_issuer(self, upstream: Upstream, iss: str) -> None:
        assert upstream.come_back(upstream.start()["state"], iss=iss).status_code == 401
        assert refusal() == "sign_in_of_another_issuer"
        assert not any(url.endswith("/token") for url, _, _ in upstream.asked)

    def test_metadata_of_another_issuer(self, upstream: Upstream) -> None:
        upstream.metadata["issuer"] = "https://other.example"
        assert upstream.browser.post(LOGIN).status_code == 401
        assert refusal() == "sign_in_unavailable"

    @pytest.mark.parametrize("endpoint", [None, "http://idp.example/authorize", "javascript:alert(1)"])
    def test_metadata_that_leads_elsewhere(self, upstream: Upstream, endpoint: str | None) -> None:
        upstream.metadata["authorization_endpoint"] = endpoint
        assert upstream.browser.post(LOGIN).status_code == 401

    def test_login_csrf_an_answer_that_this_browser_did_not_ask_for(self, upstream: Upstream) -> None:
        sent = upstream.start(browser=Browser())
        assert upstream.come_back(sent["state"]).status_code == 401
        assert not upstream.is_signed_in

    def test_an_answer_is_good_once(self, upstream: Upstream) -> None:
        sent = upstream.start()
        assert upstream.come_back(sent["state"]).status_code == 302
        assert upstream.come_back(sent["state"]).status_code == 401

    @pytest.mark.parametrize("cause", [Cause.CONNECT, Cause.TIMEOUT, Cause.DNS, Cause.TLS, Cause.PROTOCOL, Cause.BUSY])
    def test_an_issuer_that_is_down_is_a_page_and_nobodys_fault(
        self, upstream: Upstream, cause: Cause, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted: list[str] = []
        monkeypatch.setattr(rate_limits, "_count", lambda limit, _: counted.append(limit))
        upstream.fails = cause
        answer = upstream.sign_in()
        assert (answer.status_code, answer["Retry-After"]) == (503, "10")
        assert cause.value.encode() not in answer.content
        assert refusal() == "sign_in_unreachable"
        assert counted == []

    @pytest.mark.parametrize("step", ["/.well-known/", "/token", "/jwks", "/userinfo"])
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (OutboundError(Cause.TIMEOUT), 503),
            (OutboundError(Cause.CONNECT), 503),
            (OutboundError(Cause.DNS), 503),
            (OutboundError(Cause.TLS), 503),
            (OutboundError(Cause.PROTOCOL), 503),
            (OutboundError(Cause.STATUS, status=500), 503),
            (OutboundError(Cause.STATUS, status=503), 503),
            (OutboundError(Cause.STATUS, status=429), 503),
            (OutboundError(Cause.STATUS, status=404), 401),
            (OutboundError(Cause.REDIRECT, status=302), 401),
            (OutboundError(Cause.CONTENT_TYPE, status=200), 401),
            (OutboundError(Cause.TOO_LARGE), 401),
            (OutboundError(Cause.ADDRESS_FORBIDDEN), 401),
        ],
        ids=lambda value: f"{value.cause.value} {value.status or ''}" if isinstance(value, OutboundError) else "",
    )
    def test_what_an_issuer_does_not_answer_at_any_step(
        self, upstream: Upstream, step: str, error: OutboundError, status: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The table of tests/attacks/test_25_hosts_that_do_not_answer.py, at the door of people. Keys that can't be had
        are a 503 whatever keeps them from us (decision 0053)."""
        counted: list[str] = []
        monkeypatch.setattr(rate_limits, "_count", lambda limit, _: counted.append(limit))
        monkeypatch.setattr(remote_keys, "keys", REAL_KEYS)
        remote_keys.forget(IDP_JWKS)
        upstream.down = {step: error}

        answer: Any = upstream.browser.post(LOGIN)
        if answer.status_code == 302:
            upstream.nonce = parse_qs(urlsplit(answer["Location"]).query)["nonce"][0]
            answer = upstream.come_back(parse_qs(urlsplit(answer["Location"]).query)["state"][0])

        expected = 503 if step == "/jwks" else status
        assert (answer.status_code, answer.get("Retry-After")) == (expected, "10" if expected == 503 else None)
        assert not upstream.is_signed_in
        keys = {"issuer_keys_unreachable", "issuer_keys_unavailable"}
        reasons = keys if step == "/jwks" else {"sign_in_unreachable" if status == 503 else "sign_in_unavailable"}
        assert refusal() in reasons
        assert counted == [] or expected == 401

    def test_the_way_back_from_a_failure_keeps_what_the_person_came_for(self, upstream: Upstream) -> None:
        back = '/accounts/login/?next=%2Faccount%2Frequests%2F"'
        upstream.fails = Cause.TIMEOUT
        on_the_way_back = upstream.sign_in("?next=/account/requests/")
        assert back in on_the_way_back.content.decode()
        upstream.metadata = {}
        discovery.forget(IDP)
        at_the_start: Any = upstream.browser.post(f"{LOGIN}?next=/account/requests/")
        assert back in at_the_start.content.decode()

    @pytest.mark.parametrize("withdrawn", [{"enabled": False}, {"accepts": ["id-jag"]}])
    def test_trust_that_was_withdrawn_meanwhile(self, upstream: Upstream, withdrawn: dict[str, Any]) -> None:
        sent = upstream.start()
        TrustedIssuer.objects.update(**withdrawn)
        assert upstream.come_back(sent["state"]).status_code == 404
        assert b"Corporate IdP" not in upstream.browser.get("/accounts/login/").content
        assert upstream.browser.post(LOGIN).status_code == 404

    def test_allauths_own_table_signs_no_one_in(self, upstream: Upstream) -> None:
        from allauth.socialaccount.models import SocialApp

        SocialApp.objects.create(
            provider="openid_connect", provider_id="evil", name="Evil", settings={"server_url": "https://evil.example"}
        )
        assert b"Evil" not in upstream.browser.get("/accounts/login/").content
        assert upstream.browser.post("/accounts/oidc/evil/login/").status_code == 404
