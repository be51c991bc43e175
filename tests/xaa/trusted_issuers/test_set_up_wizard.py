"""Setting up a trusted issuer in the console: chosen, judged, saved without counting; and an assertion tried."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from authz.models import AuditEvent, User
from tests.cimd.test_console import browser
from tests.xaa.company import IDP, Company
from tests.xaa.set_up import NEW, act, begin, connection_all, everything, page, row, try_it, upstream
from tests.xaa.upstream import METADATA, SECRET, Upstream
from xaa.models import SignInClient, TrustedIssuer
from xaa.sign_in import secret
from xaa.sign_in.adapter import provider_id
from xaa.sign_in.provider import callback_url

__all__ = ["upstream"]


class TestTheWizard:
    @pytest.fixture(autouse=True)
    def _none_yet(self, upstream: Upstream) -> None:
        TrustedIssuer.objects.all().delete()

    def start(self, preset: str = "keycloak", use: str = "people") -> str:
        return f"{NEW}{use}/{preset}/"

    def save(self, upstream: Upstream, preset: str = "keycloak", **changes: str) -> Any:
        fields = {
            "issuer": IDP,
            "name": "Work",
            "client_id": "gatehouse-at-idp",
            "secret": SECRET,
            "finding": "address",
        }
        return upstream.browser.post(self.start(preset), fields | changes, follow=True)

    def test_every_choice_leads_to_a_form(self, upstream: Upstream) -> None:
        answer: Any = upstream.browser.get(NEW)
        choices = [choice for group in answer.context["groups"] for choice in group["choices"]]
        assert len(choices) == 18
        for choice in choices:
            assert upstream.browser.get(choice["url"]).status_code == 200, choice

    def test_the_redirect_uri_is_there_before_anything_is_saved(self, upstream: Upstream) -> None:
        answer = upstream.browser.post(self.start(), {"issuer": "idp.example", "look": "1"})
        told = answer.content.decode()
        assert callback_url(provider_id(IDP)) in told
        assert "names this very issuer" in told
        assert not TrustedIssuer.objects.exists()

    def test_it_is_saved_without_counting(self, upstream: Upstream) -> None:
        answer = self.save(upstream)
        made = row()
        assert answer.redirect_chain[-1][0] == page()
        assert (made.enabled, made.accepts, made.match, made.create) == (False, ["id_token"], ["sub", "email"], False)
        assert secret.opened(SignInClient.objects.get()) == SECRET
        assert AuditEvent.objects.filter(event="configuration:object:created").exists()
        assert SECRET not in answer.content.decode()
        assert b"Work" not in Browser().get("/accounts/login/").content

    @pytest.mark.parametrize(("preset", "wanted"), [("okta", {"groups"}), ("keycloak", set())])
    def test_it_asks_for_the_scope_without_which_there_are_no_groups(
        self, upstream: Upstream, preset: str, wanted: set[str]
    ) -> None:
        self.save(upstream, preset)
        asked = begin(upstream)["scope"].split()
        assert set(asked) == {"openid", "profile", "email"} | wanted

    def test_then_tested_and_switched_on(self, upstream: Upstream) -> None:
        self.save(upstream)
        try_it(upstream)
        act(upstream, "on")
        assert b"Sign in with Work" in Browser().get("/accounts/login/").content

    def test_a_document_of_another_issuer_offers_its_name(self, upstream: Upstream) -> None:
        upstream.metadata = METADATA | {"issuer": f"{IDP}/"}
        told = upstream.browser.post(self.start(), {"issuer": IDP, "look": "1"}).content.decode()
        assert f"calls itself {IDP}/" in told
        assert f'name="issuer" value="{IDP}/"' in told

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"token_endpoint": None}, "no usable token_endpoint"),
            ({"response_types_supported": ["id_token"]}, "code flow"),
            ({"id_token_signing_alg_values_supported": ["HS256"]}, "HS256 alone"),
            ({"token_endpoint_auth_methods_supported": ["tls_client_auth"]}, "takes no client secret"),
            ({"jwks_uri": None}, "names no keys"),
        ],
    )
    def test_what_could_not_work_is_said_and_not_saved(
        self, upstream: Upstream, changes: dict[str, Any], told: str
    ) -> None:
        upstream.metadata = {name: value for name, value in (METADATA | changes).items() if value is not None}
        page = upstream.browser.post(self.start(), {"issuer": IDP, "look": "1"}).content.decode()
        assert told in page
        assert "Client secret" not in page
        assert told in self.save(upstream).content.decode()
        assert not TrustedIssuer.objects.exists()

    def test_an_internal_address_is_refused_as_ever(self, company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        answer = browser("alice", User.Role.ADMINISTRATOR).post(
            self.start("other"), {"issuer": "https://169.254.169.254", "look": "1"}
        )
        assert b"not on the public Internet" in answer.content
        assert not TrustedIssuer.objects.exists()

    def test_entra_needs_domains_since_it_verifies_no_address(self, upstream: Upstream) -> None:
        entra = "https://login.microsoftonline.com/8c4f1d0e-0000-4000-8000-000000000000/v2.0"
        fields = {"issuer": entra, "name": "Entra", "client_id": "c", "secret": "s", "finding": "address"}
        answer: Any = upstream.browser.post(self.start("entra"), fields)
        assert "domains" in answer.context["form"].errors

    @pytest.mark.parametrize("use", ["agents", "jobs"])
    def test_each_use_is_trusted_for_itself_alone(self, upstream: Upstream, use: str) -> None:
        told = upstream.browser.post(self.start("other", use), {"issuer": IDP, "look": "1"}).content.decode()
        assert "http://127.0.0.1:8000/o" in told  # the audience
        upstream.browser.post(self.start("other", use), {"issuer": IDP, "name": "Other", "finding": "address"})
        assert row().accepts == [{"agents": "id-jag", "jobs": "workload"}[use]]
        assert not row().enabled

    def test_one_that_is_there_is_not_made_twice(self, upstream: Upstream) -> None:
        self.save(upstream)
        assert "among the trusted issuers already" in self.save(upstream).content.decode()


class TestAnAssertion:
    """Pasted, judged by the server, shown claim by claim: never stored, never logged, never used up."""

    def judge(self, upstream: Upstream, assertion: str) -> str:
        address = f"{reverse('admin:xaa_trustedissuer_test')}?issuer={row().pk}"
        return str(upstream.browser.post(address, {"assertion": assertion}).content.decode())

    def test_an_id_token_claim_by_claim_before_the_issuer_counts(self, upstream: Upstream) -> None:
        told = self.judge(upstream, upstream.company.idp.id_token(aud="gatehouse-at-idp", department="R&D"))
        assert "It would be accepted, if the issuer counted" in told
        for words in (
            "This issuer, letter by letter.",
            "It is for this server.",
            "People are found by it.",
            "department",
        ):
            assert words in told

    @pytest.mark.parametrize(
        ("claims", "words"),
        [
            ({"aud": "another"}, "It is for someone else."),
            ({"exp": 1}, "It expired"),
            ({"email_verified": False}, "does not say that it has verified it"),
            ({"iss": "https://evil.example"}, "letter by letter"),
        ],
    )
    def test_the_verdict_and_the_reason(self, upstream: Upstream, claims: dict[str, Any], words: str) -> None:
        told = self.judge(upstream, upstream.company.idp.id_token(**({"aud": "gatehouse-at-idp"} | claims)))
        assert "It would be refused" in told or "email_verified" in claims
        assert words in told

    @pytest.mark.parametrize("kind", ["id_jag", "workload"])
    def test_the_other_kinds(self, upstream: Upstream, kind: str) -> None:
        TrustedIssuer.objects.update(accepts=["id-jag", "workload"])
        told = self.judge(upstream, getattr(upstream.company.idp, kind)())
        assert "Claim by claim" in told
        assert "It is for this server." in told

    def test_it_is_neither_stored_nor_logged_nor_used_up(
        self, upstream: Upstream, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assertion = upstream.company.idp.id_token(aud="gatehouse-at-idp", secret_claim="told-to-no-one")
        before = everything()
        with caplog.at_level("DEBUG"):
            told = self.judge(upstream, assertion)
        assert "told-to-no-one" in told
        assert everything() == before
        texts = caplog.text + "".join(capfd.readouterr())
        signature = assertion.rpartition(".")[2]
        for table in connection.introspection.table_names():
            if table.startswith(("authz_", "xaa_", "cimd_", "django_")):
                texts += "".join(map(str, connection_all(table)))
        assert signature not in texts
        assert "told-to-no-one" not in texts
        event = AuditEvent.objects.get(event="issuer:assertion:tested")
        assert event.detail == {"issuer": IDP, "by": "alice", "accepted": True}
