"""Setting up a trusted issuer in the console: tested, and only then switched on."""

import json
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client as Browser
from django.urls import reverse

from authz.configuration import ConfigurationError, apply
from authz.models import AuditEvent, User
from authz.outbound import Cause, OutboundError
from tests.api.conftest import Caller, key
from tests.cimd.test_console import browser
from tests.support.world import person
from tests.xaa.company import IDP, IDP_JWKS, Company
from tests.xaa.set_up import CALLBACK, SILENT, act, begin, end, everything, page, row, try_it, upstream
from tests.xaa.upstream import Upstream, configuration
from xaa.models import SignInClient, SignInTest, SubjectLink, TrustedIssuer
from xaa.sign_in import secret

__all__ = ["upstream"]


class TestTheTestSignIn:
    def test_it_shows_who_it_would_be_and_signs_no_one_in(self, upstream: Upstream) -> None:
        sent = begin(upstream)
        assert sent["redirect_uri"] == f"http://127.0.0.1:8000{CALLBACK}"
        assert sent["code_challenge_method"] == "S256"
        before, key = everything(), upstream.browser.session.session_key
        told = end(upstream, sent["state"]).content.decode()
        assert "It would sign in <bdi>bob</bdi>" in told
        assert "bob@example.com" in told
        assert "The first sign-in links the identity" in told
        assert "Signed in as <strong><bdi>alice" in told
        assert everything() == before
        assert upstream.browser.session.session_key == key
        assert upstream.browser.session[SESSION_KEY] == str(person("alice").pk)
        assert not AuditEvent.objects.filter(event__startswith="subject:").exists()
        tested = AuditEvent.objects.get(event="issuer:sign_in:tested")
        assert tested.detail == {"issuer": IDP, "by": "alice", "found": True}

    def test_a_new_person_is_shown_and_not_made(self, upstream: Upstream) -> None:
        TrustedIssuer.objects.update(create=True, match=["sub"])
        upstream.claims = {"email": "new@example.com", "email_verified": True, "sub": "new-at-idp"}
        before = everything()
        told = try_it(upstream).content.decode()
        assert "A new person would be created" in told
        assert everything() == before

    def test_groups_are_shown_as_they_would_be(self, upstream: Upstream) -> None:
        TrustedIssuer.objects.update(groups_claim="groups")
        upstream.claims = {"groups": ["from-the-idp"]}
        before = everything()
        assert "from-the-idp" in try_it(upstream).content.decode()
        assert everything() == before

    @pytest.mark.parametrize(
        ("claims", "row_changes", "told"),
        [
            ({"email": "bob@example.com", "email_verified": False}, {}, "does not say that it has verified it"),
            ({"email": "bob@example.com"}, {"email_domains": ["other.example"]}, "for addresses of this domain"),
            ({"email": "eve@example.com", "email_verified": True}, {}, "subject_not_linked"),
            ({}, {"groups_claim": "groups"}, "memberships stay as they are"),
            ({}, {"tenants": ["a"]}, "assertion_tenant"),
            ({"nonce": "of another"}, {}, "sign_in_nonce"),
            ({"aud": "another-client"}, {}, "assertion_audience"),
        ],
    )  # fmt: skip
    def test_what_is_missing_is_said(
        self, upstream: Upstream, claims: dict[str, Any], row_changes: dict[str, Any], told: str
    ) -> None:
        TrustedIssuer.objects.update(**row_changes)
        upstream.claims = claims
        assert told in try_it(upstream).content.decode()

    def test_the_issuers_own_refusal_is_shown_and_harmless(self, upstream: Upstream) -> None:
        answer = end(upstream, begin(upstream)["state"], error="access_denied", error_description="<script>no</script>")
        assert b"access_denied" in answer.content
        assert b"<script>no" not in answer.content
        assert not SignInTest.objects.exists()

    def test_an_issuer_that_does_not_answer_is_said(self, upstream: Upstream) -> None:
        upstream.down = {"/.well-known/": OutboundError(Cause.ADDRESS_FORBIDDEN)}
        assert "address_forbidden" in act(upstream, "test")

    def test_only_who_may_change_issuers_begins_one(self, upstream: Upstream) -> None:
        assert browser("bob", User.Role.APPROVER).post(page(), {"act": "test"}).status_code == 403


class TestSwitchingOn:
    def test_first_the_test_then_the_switch(self, upstream: Upstream) -> None:
        assert "has not been tested" in act(upstream, "on")
        assert not row().enabled
        try_it(upstream)
        assert "counts from now on" in act(upstream, "on")
        assert row().enabled
        event = AuditEvent.objects.filter(event="configuration:object:changed").latest("id")
        assert (event.detail["changed"], event.detail["tested"]) == (["enabled"], True)
        assert b"Sign in with Corporate IdP" in Browser().get("/accounts/login/").content

    def test_going_without_a_test_is_said_and_recorded(self, upstream: Upstream) -> None:
        act(upstream, "on", untested="1")
        assert row().enabled
        assert AuditEvent.objects.filter(event="configuration:object:changed").latest("id").detail["tested"] is False

    def test_a_failed_test_is_none(self, upstream: Upstream) -> None:
        upstream.claims = {"email": "eve@example.com", "email_verified": True, "sub": "eve"}
        try_it(upstream)
        assert "has not been tested" in act(upstream, "on")

    def test_a_change_afterwards_needs_another_test(self, upstream: Upstream) -> None:
        try_it(upstream)
        SignInClient.objects.update(secret=secret.sealed("another secret of the idp", row().pk))
        assert "has not been tested" in act(upstream, "on")

    def test_a_secret_of_a_lost_key_is_no_crash(self, upstream: Upstream) -> None:
        try_it(upstream)
        SignInClient.objects.update(secret=b"of another key")
        assert "has not been tested" in act(upstream, "on")

    def test_a_set_up_in_which_no_person_could_sign_in_is_not_switched_on(self, upstream: Upstream) -> None:
        TrustedIssuer.objects.update(match=["sub"])
        assert "No person could sign in: no identity is linked" in act(upstream, "on", untested="1")
        assert not row().enabled
        SubjectLink.objects.create(issuer=row(), subject="bob-at-idp", user=person("bob"))
        act(upstream, "on", untested="1")
        assert row().enabled


REFUSED = [
    (SILENT, "no identity is linked"),
    ({"subjects": {"match": []}}, "no identity is linked"),
    ({"accepts": ["id-jag"]}, "accepted for ID tokens"),
    ({"sign_in": {"client_id": "a", "scopes": ["email"]}}, "name openid"),
    ({"issuer": "https://login.microsoftonline.com/common/v2.0"}, "“common” is no tenant"),
    ({"issuer": "http://127.0.0.1:8000/o"}, "this server itself"),
    ({"issuer": "spiffe://example.org", "accepts": ["id_token", "workload"]}, "vouches for workloads"),
]


class TestRefusedEverywhere:
    """A set-up in which no person could ever sign in: the same words in the file, the API and the form."""

    @pytest.fixture(autouse=True)
    def _no_issuer(self, company: Company) -> None:
        TrustedIssuer.objects.all().delete()

    @pytest.mark.parametrize(("changes", "words"), REFUSED)
    def test_in_the_file(self, changes: dict[str, Any], words: str) -> None:
        with pytest.raises(ConfigurationError, match=f"No person could sign in: .*{words}"):
            apply(configuration(**changes))

    @pytest.mark.parametrize(("changes", "words"), REFUSED)
    def test_in_the_api(self, changes: dict[str, Any], words: str) -> None:
        item = json.loads(configuration(**changes))["trusted_issuers"][0]
        api = Caller(browser("alice", User.Role.ADMINISTRATOR))
        path = f"configuration/trusted_issuers/{key(item.pop('issuer'))}"
        answer = api("PUT", path, item, If_None_Match="*")
        assert answer.status_code == 422, answer.content
        assert "No person could sign in: " in answer.content.decode()
        assert words in json.dumps(json.loads(answer.content), ensure_ascii=False)
        assert not TrustedIssuer.objects.exists()

    @pytest.mark.parametrize(("changes", "words"), REFUSED)
    def test_in_the_form(self, changes: dict[str, Any], words: str) -> None:
        item = json.loads(configuration(**changes))["trusted_issuers"][0]
        form = {
            "name": item["name"], "issuer": item["issuer"], "enabled": "on", "accepts": item["accepts"],
            "match": item["subjects"]["match"], "jwks_uri": IDP_JWKS, "sign_in_client_id": "gatehouse-at-idp",
            "sign_in_scopes": "\n".join(item["sign_in"].get("scopes", ["openid"])),
            "workloads-TOTAL_FORMS": 0, "workloads-INITIAL_FORMS": 0,
        }  # fmt: skip
        answer: Any = browser("alice", User.Role.ADMINISTRATOR).post(reverse("admin:xaa_trustedissuer_add"), form)
        assert answer.status_code == 200
        told = " ".join(text for texts in answer.context["adminform"].form.errors.values() for text in texts)
        assert "No person could sign in: " in told
        assert words in told

    def test_one_that_counts_already_stays_one_that_applies(self) -> None:
        apply(configuration(enabled=False, **SILENT))
        link = SubjectLink.objects.create(issuer=row(), subject="bob-at-idp", user=person("bob"))
        apply(configuration(**SILENT))
        link.delete()
        assert apply(configuration(name="Another name", **SILENT))
