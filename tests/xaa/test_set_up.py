"""Setting up a trusted issuer in the console: chosen, judged, saved without counting, tested, switched on."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import SESSION_KEY
from django.core.management import call_command
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from authz.configuration import ConfigurationError, apply
from authz.models import AuditEvent, User
from authz.outbound import Cause, OutboundError, remote_documents
from tests.api.conftest import Caller, key
from tests.cimd.test_console import browser
from tests.support.races import at_once
from tests.support.world import person
from tests.xaa.company import IDP, IDP_JWKS, Company
from tests.xaa.upstream import LOGIN, METADATA, SECRET, Upstream, configuration
from xaa import discovery, metadata_check
from xaa.models import ProposedSetUp, SignInClient, SignInTest, SubjectLink, TrustedIssuer
from xaa.sign_in import exchange, secret
from xaa.sign_in.adapter import provider_id
from xaa.sign_in.provider import callback_url

CALLBACK = f"{LOGIN}callback/"
NEW = reverse("admin:add_issuer")
SILENT = {"subjects": {"match": ["sub"]}}


@pytest.fixture
def upstream(company: Company, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """The issuer answers; it signs people in, and does not count yet."""
    TrustedIssuer.objects.all().delete()
    apply(configuration(enabled=False))
    made = Upstream(company)
    for module in (exchange, remote_documents, metadata_check):
        monkeypatch.setattr(module, "fetch", made.fetch)
    discovery.forget(IDP)
    made.browser = browser("alice", User.Role.ADMINISTRATOR)
    yield made
    discovery.forget(IDP)


def row() -> TrustedIssuer:
    return TrustedIssuer.objects.get(issuer=IDP)


def page() -> str:
    return reverse("admin:xaa_trustedissuer_setup", args=[row().pk])


def act(upstream: Upstream, name: str, **more: str) -> str:
    """Press a button of the set-up; what the page then says."""
    answer: Any = upstream.browser.post(page(), {"act": name, **more}, follow=True)
    return str(answer.content.decode())


def begin(upstream: Upstream) -> dict[str, str]:
    """The parameters with which the administrator is sent to the issuer."""
    answer: Any = upstream.browser.post(page(), {"act": "test"})
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(f"{IDP}/authorize?"), answer["Location"]
    sent = {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}
    upstream.nonce = sent["nonce"]
    return sent


def end(upstream: Upstream, state: str, **params: str) -> Any:
    query = {"code": "a-code", "iss": IDP, "state": state, **params}
    return upstream.browser.get(CALLBACK, query, follow=True)


def try_it(upstream: Upstream) -> Any:
    return end(upstream, begin(upstream)["state"])


def everything() -> dict[str, list[Any]]:
    """The rows that a sign-in would make or change."""
    return {
        "people": list(User.objects.order_by("pk").values_list("pk", "username", "email", "password", "is_active")),
        "members": list(User.groups.through.objects.order_by("pk").values_list("user", "group")),
        "links": list(SubjectLink.objects.values_list()),
        "sessions": list(connection_rows("SELECT digest, user_id, issuer FROM authz_browsersession")),
        "sign-ins": list(connection_rows("SELECT digest, user_id FROM xaa_session")),
    }


def connection_rows(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return sorted(cursor.fetchall())


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


class TestAChangeOfOneThatCounts:
    @pytest.fixture(autouse=True)
    def _counts(self, upstream: Upstream) -> None:
        TrustedIssuer.objects.update(enabled=True)

    def change(self, upstream: Upstream, **changes: Any) -> Any:
        address = reverse("admin:xaa_trustedissuer_change", args=[row().pk])
        shown: Any = upstream.browser.get(address)
        initial = shown.context["adminform"].form.initial
        form = {name: value for name, value in initial.items() if value is not None}
        form |= {"tenants": "", "client_ids": "{}", "email_domains": "", "public_clients": "", "audience": ""}
        form |= {"trusted_audiences": "", "sign_in_scopes": "openid profile email", "jwks": ""}
        form |= {"workloads-TOTAL_FORMS": "0", "workloads-INITIAL_FORMS": "0"}
        form |= changes
        return upstream.browser.post(address, {name: value for name, value in form.items() if value is not None})

    def test_it_waits_for_a_test_and_the_old_one_counts_meanwhile(self, upstream: Upstream) -> None:
        answer = self.change(upstream, sign_in_client_id="new-client", sign_in_secret="the new secret", create="on")
        assert answer["Location"] == page()
        assert (row().create, SignInClient.objects.get().client_id) == (False, "gatehouse-at-idp")
        assert secret.opened(ProposedSetUp.objects.get()) == "the new secret"
        shown = upstream.browser.get(page()).content.decode()
        assert "new-client" in shown
        assert "the new secret" not in shown
        assert "has not been tested" in act(upstream, "apply")

        upstream.claims = {"aud": "new-client"}
        sent = begin(upstream)
        assert sent["client_id"] == "new-client"
        assert "It would sign in <bdi>bob</bdi>" in end(upstream, sent["state"]).content.decode()
        assert SignInClient.objects.get().client_id == "gatehouse-at-idp"
        assert "The change is in force" in act(upstream, "apply")
        assert (row().create, SignInClient.objects.get().client_id) == (True, "new-client")
        assert secret.opened(SignInClient.objects.get()) == "the new secret"
        assert not ProposedSetUp.objects.exists()
        event = AuditEvent.objects.filter(event="configuration:object:changed").latest("id")
        assert event.detail["tested"] is True

    def test_a_secret_that_is_not_named_stays(self, upstream: Upstream) -> None:
        self.change(upstream, create="on")
        act(upstream, "apply", untested="1")
        assert row().create
        assert secret.opened(SignInClient.objects.get()) == SECRET

    def test_a_discarded_change_changes_nothing(self, upstream: Upstream) -> None:
        self.change(upstream, create="on")
        assert "discarded" in act(upstream, "discard")
        assert not row().create
        assert not ProposedSetUp.objects.exists()
        assert AuditEvent.objects.filter(event="issuer:change:discarded").exists()

    def test_a_change_of_what_has_changed_since_is_not_taken(self, upstream: Upstream) -> None:
        self.change(upstream, create="on")
        apply(configuration(name="Renamed by the file"))
        assert "Make it again" in act(upstream, "apply", untested="1")
        assert not row().create

    def test_what_takes_access_away_does_not_wait(self, upstream: Upstream) -> None:
        assert self.change(upstream, enabled=None).status_code == 302
        assert not row().enabled
        assert not ProposedSetUp.objects.exists()

    def test_a_name_does_not_wait(self, upstream: Upstream) -> None:
        self.change(upstream, name="Another name")
        assert row().name == "Another name"

    @pytest.mark.django_db(transaction=True)
    def test_two_who_take_it_at_once_take_it_once(self, upstream: Upstream) -> None:
        self.change(upstream, create="on")
        cookies, address = upstream.browser.cookies, page()

        def take() -> None:
            other = Browser()
            other.cookies = cookies
            other.post(address, {"act": "apply", "untested": "1"})

        at_once([take, take])
        assert row().create
        changed = AuditEvent.objects.filter(event="configuration:object:changed", detail__tested=False)
        assert changed.count() == 1

    def test_its_secret_moves_to_a_new_key_too(self, upstream: Upstream, settings: Any) -> None:
        self.change(upstream, sign_in_secret="the new secret")
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another-secret-key-0123456789-0123456789-0123456789"
        call_command("keys", "reencrypt")
        settings.SECRET_KEY_FALLBACKS = []
        assert secret.opened(ProposedSetUp.objects.get()) == "the new secret"


class TestTheWizard:
    @pytest.fixture(autouse=True)
    def _none_yet(self, upstream: Upstream) -> None:
        TrustedIssuer.objects.all().delete()

    def start(self, preset: str = "keycloak", use: str = "people") -> str:
        return f"{NEW}{use}/{preset}/"

    def save(self, upstream: Upstream, **changes: str) -> Any:
        fields = {
            "issuer": IDP,
            "name": "Work",
            "client_id": "gatehouse-at-idp",
            "secret": SECRET,
            "finding": "address",
        }
        return upstream.browser.post(self.start(), fields | changes, follow=True)

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


def connection_all(table: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  a name from the schema
        return list(cursor.fetchall())
