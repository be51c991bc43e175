"""People of an issuer end with it: no password of their own, and nothing that their sign-in gave outlives the trust."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from authz import registry
from authz.authorizations import cut_off
from authz.configuration import ConfigurationError, apply
from authz.database import configuration_cache
from authz.models import AuditEvent, AuthorizationCode, BrowserSession, User
from authz.sign_in import account_mails, people
from authz.sign_in import session as sign_in
from tests.support.world import hidden_fields, person, redirect_parameters
from tests.xaa.company import IDP, IDP_JWKS, Company
from tests.xaa.upstream import Upstream, configuration, upstream
from xaa.models import Session, SignInClient, SubjectLink, TrustedIssuer
from xaa.subjects import sessions

__all__ = ["upstream"]


def switched_off_by_the_switch() -> None:
    found = cut_off.target("issuer", IDP)
    cut_off.cut_off(found, kind="issuer", identifier=IDP, reason="", by="", now=datetime.now(UTC))


def cut_off_by_command() -> None:
    call_command("revoke", "issuer", IDP, "--reason", "it was broken into", verbosity=0)


def disabled_by_apply() -> None:
    apply(configuration(enabled=False))


def narrowed_by_apply() -> None:
    document = json.loads(configuration(accepts=["id-jag"], sign_in=None))
    del document["trusted_issuers"][0]["sign_in_secret"]
    apply(json.dumps(document))


def sign_in_taken_away_by_apply() -> None:
    document = json.loads(configuration(sign_in=None))
    del document["trusted_issuers"][0]["sign_in_secret"]
    apply(json.dumps(document))


def pruned() -> None:
    apply("trusted_issuers: []", prune=True, prune_all=True)


def removed() -> None:
    TrustedIssuer.objects.get(issuer=IDP).delete()


def saved_switched_off() -> None:
    issuer = TrustedIssuer.objects.get(issuer=IDP)
    issuer.enabled = False
    issuer.save()


def in_bulk() -> None:
    TrustedIssuer.objects.update(enabled=False)


def narrowed_in_bulk() -> None:
    TrustedIssuer.objects.update(accepts=["id-jag"])


def sign_in_gone_in_bulk() -> None:
    SignInClient.objects.all()._raw_delete("default")  # type: ignore[attr-defined]  # as at the database's prompt


def tenants_named() -> None:
    apply(configuration(subjects={"match": ["sub", "email"], "tenants": ["another"]}))


def unlinked() -> None:
    SubjectLink.objects.get().delete()


WITHDRAWN: list[Callable[[], None]] = [
    switched_off_by_the_switch, cut_off_by_command, disabled_by_apply, narrowed_by_apply, sign_in_taken_away_by_apply,
    pruned, removed, saved_switched_off, in_bulk, narrowed_in_bulk, sign_in_gone_in_bulk, tenants_named,
]  # fmt: skip


@pytest.mark.parametrize("withdraw", [*WITHDRAWN, unlinked])
def test_all_that_the_sign_in_gave_ends(upstream: Upstream, withdraw: Callable[[], None]) -> None:
    browser, gatehouse = upstream.browser, upstream.company
    upstream.sign_in()
    assert browser.get("/account/").status_code == 200
    url = gatehouse.authorize_url()
    consented = redirect_parameters(browser.post(url, hidden_fields(browser.get(url)) | {"allow": "true"}))
    tokens = json.loads(gatehouse.redeem(consented["code"]).content)
    unused = redirect_parameters(browser.get(url))["code"]
    assert gatehouse.introspect(tokens["access_token"])["active"] is True

    withdraw()

    assert gatehouse.redeem(unused).status_code == 400
    assert gatehouse.refresh(tokens["refresh_token"]).status_code == 400
    assert gatehouse.introspect(tokens["access_token"]) == {"active": False}
    answer: Any = browser.get("/account/")
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/accounts/login/")
    assert SESSION_KEY not in browser.session
    assert browser.get(url)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("withdraw", WITHDRAWN)
def test_an_administrator_of_an_issuer_that_is_gone_does_not_go_on(
    upstream: Upstream, withdraw: Callable[[], None]
) -> None:
    upstream.claims = {"sub": "alice-at-idp", "email": "alice@example.com"}
    upstream.sign_in()
    assert upstream.browser.get("/console/authz/user/").status_code == 200
    withdraw()
    assert upstream.browser.get("/console/authz/user/").status_code == 302
    form = {"login": "alice", "password": "alice-password"}
    assert b"not correct" in upstream.browser.post("/accounts/login/", form).content


def test_the_password_of_before_does_not_make_the_sign_in_old(upstream: Upstream) -> None:
    """In one browser: a password, an hour later the issuer. Nothing could make the password fresh again."""
    browser = upstream.browser
    browser.post("/accounts/login/", {"login": "bob", "password": "bob-password"})
    session = browser.session
    session["account_authentication_methods"][0]["at"] -= 3600
    session.save()
    upstream.claims = {"auth_time": int(time.time())}
    upstream.sign_in()
    request: Any = browser.get("/account/").wsgi_request
    known = sign_in.current(request)
    assert time.time() - known.auth_time < 60
    assert known.amr == ("otp",)


def test_people_with_a_password_here_go_on(upstream: Upstream) -> None:
    upstream.sign_in()
    charlie = Browser()
    charlie.post("/accounts/login/", {"login": "charlie", "password": "charlie-password"})
    switched_off_by_the_switch()
    assert charlie.get("/account/").status_code == 200


def test_the_id_token_of_an_ended_sign_in_mints_nothing(upstream: Upstream) -> None:
    upstream.sign_in()
    digest = Session.objects.get().digest
    assert BrowserSession.objects.get(digest=digest).issuer == IDP
    assert sessions.is_alive(digest, person("bob"))
    in_bulk()
    configuration_cache.begin()
    assert not sessions.is_alive(digest, person("bob"))


def test_a_cut_off_counts_the_sign_ins(upstream: Upstream) -> None:
    upstream.sign_in()
    assert cut_off.preview(cut_off.target("issuer", IDP), datetime.now(UTC)).counts["sign-ins"] == 1
    switched_off_by_the_switch()
    assert AuditEvent.objects.filter(event="policy:access:cut_off").exists()


def test_what_the_switch_lifts_gives_no_session_back(upstream: Upstream) -> None:
    upstream.sign_in()
    switched_off_by_the_switch()
    cut_off.undo(cut_off.last("issuer", IDP), by="", now=datetime.now(UTC))
    assert upstream.browser.get("/account/").status_code == 302
    assert not AuthorizationCode.objects.exists()


class TestNoPasswordOfTheirOwn:
    def signs_in(self, login: str, password: str) -> bool:
        browser = Browser()
        browser.post("/accounts/login/", {"login": login, "password": password})
        return SESSION_KEY in browser.session

    def test_the_password_of_before_is_of_no_use(self, upstream: Upstream) -> None:
        elsewhere = Browser()
        elsewhere.post("/accounts/login/", {"login": "bob", "password": "bob-password"})
        upstream.sign_in()
        assert not person("bob").has_usable_password()
        assert not self.signs_in("bob", "bob-password")
        assert elsewhere.get("/account/").status_code == 302, "the session that it began is over"
        assert upstream.browser.get("/account/").status_code == 200

    def test_a_link_alone_is_enough_where_the_issuer_signs_in(self, upstream: Upstream) -> None:
        issuer = TrustedIssuer.objects.get()
        SubjectLink.objects.create(issuer=issuer, subject="bob-at-idp", user=person("bob"))
        assert not self.signs_in("bob", "bob-password")
        TrustedIssuer.objects.update(enabled=False)
        assert not self.signs_in("bob", "bob-password"), "above all then"

    def test_a_link_to_an_issuer_without_sign_in_keeps_the_password(self, company: Company) -> None:
        company.idp_link("bob")
        assert self.signs_in("bob", "bob-password")

    @pytest.mark.parametrize("gone", [None, disabled_by_apply, narrowed_by_apply, pruned, removed, in_bulk])
    def test_no_mail_gives_them_one(self, upstream: Upstream, gone: Callable[[], None] | None) -> None:
        upstream.sign_in()
        if gone is not None:
            gone()
        Browser().post("/accounts/password/reset/", {"email": "bob@example.com"})
        account_mails.wait()
        assert mail.outbox == []

    def test_a_mail_of_before_gives_them_none(self, upstream: Upstream) -> None:
        browser = Browser()
        browser.post("/accounts/password/reset/", {"email": "bob@example.com"})
        account_mails.wait()
        link = next(word for word in str(mail.outbox[0].body).split() if "/password/reset/key/" in word)
        upstream.sign_in()
        page: Any = browser.get(link.removeprefix("http://127.0.0.1:8000"), follow=True)
        assert b"no longer works" in page.content

    def test_a_person_that_an_issuer_made_gets_none_when_it_is_gone(self, company: Company) -> None:
        apply(
            f"trusted_issuers: [{{issuer: '{IDP}', jwks_uri: '{IDP_JWKS}', accepts: [id-jag],"
            " subjects: {match: [sub], create: true}}]"
        )
        company.redeem_assertion(company.idp.id_jag(sub="dora-at-idp", email="dora@example.com"))
        dora = people.with_address("dora@example.com")[0]
        assert dora.is_from_elsewhere
        for _ in range(2):
            Browser().post("/accounts/password/reset/", {"email": "dora@example.com"})
            account_mails.wait()
            assert mail.outbox == []
            TrustedIssuer.objects.all().delete()

    def test_nor_does_apply_or_a_command(self, upstream: Upstream) -> None:
        upstream.sign_in()
        with pytest.raises(ConfigurationError, match="signs in there") as error:
            apply("users:\n  - username: bob\n    password: another-long-password\n")
        assert (error.value.path, error.value.line) == (("users", 0, "password"), 3)
        with pytest.raises(CommandError, match="signs in there"):
            call_command("changepassword", "bob")
        assert registry.why_no_password(person("charlie")) == ""

    def test_the_page_to_change_it_offers_none(self, upstream: Upstream) -> None:
        upstream.sign_in()
        form = {"password1": "another-long-password", "password2": "another-long-password"}
        for page in ("change", "set"):
            upstream.browser.post(f"/accounts/password/{page}/", form)
        assert not person("bob").has_usable_password()


def test_a_tenant_of_its_own_making_gives_no_address(company: Company) -> None:
    """Otherwise another issuer's person with that address would get the account that this issuer created."""
    apply(
        f"trusted_issuers: [{{issuer: '{IDP}', jwks_uri: '{IDP_JWKS}', accepts: [id-jag],"
        " subjects: {match: [sub, email], create: true}}]"
    )
    company.redeem_assertion(company.idp.id_jag(sub="x", tenant="evil", email="ceo@example.com"))
    assert SubjectLink.objects.get().user.email == ""
    assert people.with_address("ceo@example.com") == []


@pytest.mark.parametrize(
    "address", ["vıctim@example.com", "VICTİM@example.com", "ｖictim@example.com", "victim@example.com "]
)
def test_an_issuer_does_not_name_who_only_looks_the_same(company: Company, address: str) -> None:
    victim = User.objects.create_user("victim", email="victim@example.com")
    victim.groups.set(person("bob").groups.all())
    company.redeem_assertion(company.idp.id_jag(sub="x", email=address))
    assert not SubjectLink.objects.exists()


def test_the_chief_is_found_though_another_has_entered_her_address(company: Company) -> None:
    from allauth.account.models import EmailAddress

    User.objects.filter(username="charlie").update(email="bob@example.com", email_key="bob@example.com")
    EmailAddress.objects.create(user=person("charlie"), email="BOB@example.com", verified=False)
    company.redeem_assertion(company.idp.id_jag())
    assert SubjectLink.objects.get().user == person("bob")
