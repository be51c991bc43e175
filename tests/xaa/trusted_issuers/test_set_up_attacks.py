"""Attacks on the test sign-in of a trusted issuer."""

from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client as Browser
from django.urls import reverse

from authz.models import AuditEvent, User
from tests.cimd.test_console import browser
from tests.support.races import at_once
from tests.support.world import person
from tests.xaa.company import IDP, Company
from tests.xaa.set_up import CALLBACK, begin, end, upstream
from tests.xaa.upstream import LOGIN, Upstream
from xaa.models import SignInClient, SignInTest, TrustedIssuer
from xaa.sign_in.adapter import provider_id

__all__ = ["upstream"]


class TestAttacks:
    """A test and a sign-in are never taken for each other (attack: state of one completes the other)."""

    def test_a_state_is_good_once(self, upstream: Upstream) -> None:
        state = begin(upstream)["state"]
        assert end(upstream, state).status_code == 200
        again = end(upstream, state)
        assert again.status_code == 400
        assert b"This test is over" in again.content
        assert AuditEvent.objects.filter(event="console:request:refused").exists()

    @pytest.mark.django_db(transaction=True)
    def test_two_at_the_same_moment_are_one(self, upstream: Upstream) -> None:
        state, cookies = begin(upstream)["state"], upstream.browser.cookies

        def come_back() -> int:
            other = Browser()
            other.cookies = cookies
            answer: Any = other.get(
                reverse("admin:xaa_trustedissuer_tested", args=[provider_id(IDP)]),
                {"code": "a-code", "iss": IDP, "state": state},
            )
            return int(answer.status_code)

        assert sorted(at_once([come_back, come_back])) == [200, 400]
        assert AuditEvent.objects.filter(event="issuer:sign_in:tested").count() == 1

    def test_the_state_of_a_test_signs_no_one_in(self, upstream: Upstream) -> None:
        """Even where the issuer counts, and the person is signed out meanwhile."""
        TrustedIssuer.objects.update(enabled=True)
        state = begin(upstream)["state"]
        upstream.browser.cookies.clear()
        answer: Any = upstream.browser.get(CALLBACK, {"code": "a-code", "iss": IDP, "state": state}, follow=True)
        assert answer.redirect_chain[-1][0].startswith("/accounts/login/")
        assert SESSION_KEY not in upstream.browser.session

    def test_the_state_of_a_sign_in_is_no_test(self, upstream: Upstream) -> None:
        TrustedIssuer.objects.update(enabled=True)
        stranger = Browser()
        state = upstream.start(browser=stranger)["state"]
        tested = reverse("admin:xaa_trustedissuer_tested", args=[provider_id(IDP)])
        begin(upstream)
        for tried in (state, f"test-{state}"):
            answer: Any = upstream.browser.get(tested, {"code": "a-code", "iss": IDP, "state": tried})
            assert answer.status_code in {302, 400}
        assert not SignInTest.objects.exists()

    def test_a_test_in_a_signed_in_session_leaves_a_sign_in_that_is_under_way_alone(self, upstream: Upstream) -> None:
        TrustedIssuer.objects.update(enabled=True)
        real = upstream.start()["state"]
        nonce, upstream.claims = upstream.nonce, {"auth_time": 2**40}
        assert end(upstream, begin(upstream)["state"]).status_code == 200
        upstream.nonce = nonce
        assert upstream.come_back(real).status_code == 302
        assert upstream.browser.session[SESSION_KEY] == str(person("bob").pk)

    @pytest.mark.parametrize("name", ["a.b", "%F0%9F%94%91", "x" * 500, "../admin"])
    def test_junk_in_the_place_of_an_issuers_name_is_no_crash(self, company: Company, name: str) -> None:
        answer: Any = Browser().get(f"/accounts/oidc/{name}/login/callback/", {"state": "test-x", "code": "a"})
        assert answer.status_code in {302, 404}

    def test_another_browser_cannot_finish_it(self, upstream: Upstream) -> None:
        state = begin(upstream)["state"]
        upstream.browser = browser("alice", User.Role.ADMINISTRATOR)
        assert end(upstream, state).status_code == 400

    def test_another_issuers_callback_is_no_answer(self, upstream: Upstream) -> None:
        state = begin(upstream)["state"]
        other = reverse("admin:xaa_trustedissuer_tested", args=[provider_id("https://other.example")])
        answer: Any = upstream.browser.get(other, {"code": "a-code", "iss": IDP, "state": state})
        assert answer.status_code == 400

    def test_the_iss_of_another_is_refused(self, upstream: Upstream) -> None:
        answer = end(upstream, begin(upstream)["state"], iss="https://evil.example")
        assert b"sign_in_of_another_issuer" in answer.content

    def test_a_set_up_that_changed_meanwhile_is_not_what_was_tested(self, upstream: Upstream) -> None:
        state = begin(upstream)["state"]
        SignInClient.objects.update(client_id="another-client")
        assert end(upstream, state).status_code == 400
        assert not SignInTest.objects.exists()

    def test_an_issuer_that_does_not_count_lets_no_one_in(self, upstream: Upstream) -> None:
        assert b"Corporate IdP" not in Browser().get("/accounts/login/").content
        assert Browser().post(LOGIN).status_code == 404
        assert Browser().get(CALLBACK, {"code": "a-code", "state": "x"}).status_code == 404
