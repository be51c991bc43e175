"""The console's pages for cross-app access."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.models import AuditEvent, User
from tests.support.world import person, submit
from tests.xaa.company import AGENT, Company, refused
from xaa.models import IssuerHealth, ResourceAuthorizationServer, Session, SubjectLink, TrustedIssuer

PAGES = [
    "xaa_trustedissuer",
    "xaa_subjectlink",
    "xaa_resourceauthorizationserver",
    "xaa_session",
]


def browser_of(username: str, role: str) -> Browser:
    user = person(username)
    user.role = role
    user.save()
    browser = Browser()
    browser.force_login(user, backend="authz.sign_in.password_backend.PasswordBackend")
    return browser


@pytest.fixture
def alice(company: Company) -> Browser:
    return browser_of("alice", User.Role.ADMINISTRATOR)


@pytest.mark.parametrize("page", PAGES)
def test_every_list_opens(company: Company, alice: Browser, page: str) -> None:
    company.login()
    company.idp_link("bob")
    response = alice.get(reverse(f"admin:{page}_changelist"))
    assert response.status_code == 200
    assert b"style=" not in response.content


@pytest.mark.parametrize("page", PAGES)
def test_charlie_sees_none_of_it(company: Company, page: str) -> None:
    charlie = browser_of("charlie", User.Role.NONE)
    assert charlie.get(reverse(f"admin:{page}_changelist")).status_code in {302, 403}


def test_an_auditor_looks_and_changes_nothing(company: Company) -> None:
    bob = browser_of("bob", User.Role.AUDITOR)
    issuer = TrustedIssuer.objects.get()
    assert bob.get(reverse("admin:xaa_trustedissuer_change", args=[issuer.pk])).status_code == 200
    assert bob.get(reverse("admin:xaa_trustedissuer_add")).status_code == 403
    assert bob.post(reverse("admin:xaa_trustedissuer_delete", args=[issuer.pk]), {"post": "yes"}).status_code == 403


def form(issuer: TrustedIssuer, /, **changes: Any) -> dict[str, Any]:
    bindings = list(issuer.workloads.all()) if issuer.pk else []
    values: dict[str, Any] = {
        "name": issuer.name,
        "issuer": issuer.issuer,
        "enabled": "on",
        "jwks_uri": issuer.jwks_uri,
        "accepts": issuer.accepts,
        "match": issuer.match,
        "tenants": "",
        "groups_claim": "",
        "client_ids": json.dumps(issuer.client_ids),
        "workloads-TOTAL_FORMS": len(bindings),
        "workloads-INITIAL_FORMS": len(bindings),
    }
    for position, binding in enumerate(bindings):
        values |= {
            f"workloads-{position}-id": binding.pk,
            f"workloads-{position}-issuer": issuer.pk,
            f"workloads-{position}-subject": binding.subject,
            f"workloads-{position}-claims": json.dumps(binding.claims),
            f"workloads-{position}-client": binding.client.client_id,
        }
    values |= changes
    return {name: value for name, value in values.items() if value is not None}


def test_switching_an_issuer_off_ends_what_rests_on_it(company: Company, alice: Browser) -> None:
    token = json.loads(company.redeem_assertion(company.idp.id_jag()).content)["access_token"]
    issuer = TrustedIssuer.objects.get()
    response = alice.post(
        reverse("admin:xaa_trustedissuer_change", args=[issuer.pk]), form(issuer, enabled=None), follow=False
    )
    assert response.status_code == 302, response.content
    assert company.introspect(token) == {"active": False}
    assert refused(company.redeem_assertion(company.idp.id_jag())) == (400, "invalid_grant")
    assert AuditEvent.objects.filter(event="configuration:object:changed").exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"issuer": "ftp://idp.example"}, "issuer"),
        ({"issuer": "https://idp.example?x"}, "issuer"),
        ({"client_ids": '["a"]'}, "client_ids"),
        ({"client_ids": '{"a": 1}'}, "client_ids"),
        ({"accepts": ["everything"]}, "accepts"),
        ({"public_clients": "*"}, "public_clients"),
        ({"public_clients": "https://claude.ai/document"}, "public_clients"),
        ({"public_client_lifetime": "301"}, "public_client_lifetime"),
        ({"email_trusted": "on"}, "email_domains"),
        ({"email_domains": "@example.com"}, "email_domains"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(
    company: Company, alice: Browser, changes: dict[str, Any], field: str
) -> None:
    new = TrustedIssuer(issuer="https://new.example", name="New", accepts=["id-jag"], match=["sub"])
    response = alice.post(reverse("admin:xaa_trustedissuer_add"), form(new, **changes))
    assert response.status_code == 200
    assert field in response.context["adminform"].form.errors


def test_an_issuer_is_added(company: Company, alice: Browser) -> None:
    new = TrustedIssuer(issuer="https://new.example/", name="New", accepts=["id-jag"], match=["sub"])
    assert alice.post(reverse("admin:xaa_trustedissuer_add"), form(new, tenants="a\nb")).status_code == 302
    made = TrustedIssuer.objects.get(issuer="https://new.example/")
    assert (made.accepts, made.match, made.tenants, made.create) == (["id-jag"], ["sub"], ["a", "b"], False)


def test_hosts_and_domains_are_named_in_the_form(company: Company, alice: Browser) -> None:
    named = {
        "public_clients": "Claude.ai\n*.example.com",
        "public_client_lifetime": "120",
        "email_trusted": "on",
        "email_domains": "example.com",
    }
    issuer = TrustedIssuer.objects.get()
    address = reverse("admin:xaa_trustedissuer_change", args=[issuer.pk])
    assert alice.post(address, form(issuer, **named)).status_code == 302
    issuer.refresh_from_db()
    assert (issuer.public_clients, issuer.public_client_lifetime) == (["claude.ai", "*.example.com"], 120)
    assert (issuer.email_trusted, issuer.email_domains) == (True, ["example.com"])
    page = alice.get(address).content.decode()
    assert "claude.ai" in page
    assert "without client authentication" in page
    assert (
        "without a secret from claude.ai" in alice.get(reverse("admin:xaa_trustedissuer_changelist")).content.decode()
    )


def test_the_health_line_says_how_the_keys_are(company: Company, alice: Browser) -> None:
    now = datetime.now(UTC)
    IssuerHealth.objects.create(
        issuer=TrustedIssuer.objects.get(),
        fetched=now - timedelta(minutes=10),
        next_fetch=now + timedelta(minutes=50),
        failures=3,
        failed=now,
        failure="timeout",
        keys=2,
    )
    page = alice.get(reverse("admin:xaa_trustedissuer_changelist")).content.decode()
    assert "2 keys" in page
    assert "10 min ago" in page
    assert "3 failures" in page
    assert "timeout" in page


def test_unlinking_in_the_console_works_at_once(company: Company, alice: Browser) -> None:
    company.idp_link("bob")
    token = json.loads(company.redeem_assertion(company.idp.id_jag(email=None)).content)["access_token"]
    link = SubjectLink.objects.get()
    alice.post(reverse("admin:xaa_subjectlink_delete", args=[link.pk]), {"post": "yes"})
    assert company.introspect(token) == {"active": False}
    assert refused(company.redeem_assertion(company.idp.id_jag(email=None))) == (400, "invalid_grant")
    assert AuditEvent.objects.filter(event="subject:link:removed").exists()


def test_ending_a_sign_in_ends_what_was_given_in_it(company: Company, alice: Browser) -> None:
    tokens = company.login()
    session = Session.objects.get(user=person("bob"))
    page = alice.get(reverse("admin:xaa_session_change", args=[session.pk])).content.decode()
    assert f"/console/switch/session/?id={session.digest}" in page
    submit(alice, f"{reverse('admin:switch', args=['session'])}?id={session.digest}")
    assert refused(company.exchange(tokens["id_token"])) == (400, "invalid_grant")
    answer = company.token(basic=AGENT, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refused(answer) == (400, "invalid_grant")


def test_a_server_with_a_broken_resource_is_refused(company: Company, alice: Browser) -> None:
    server = ResourceAuthorizationServer.objects.get()
    target = server.resources.get()
    values = {
        "name": "Chat",
        "issuer": server.issuer,
        "enabled": "on",
        "id_jag_signing_alg": "ES256",
        "client_ids": "{}",
        "resources-TOTAL_FORMS": 1,
        "resources-INITIAL_FORMS": 1,
        "resources-0-id": target.pk,
        "resources-0-server": server.pk,
        "resources-0-identifier": target.identifier,
        "resources-0-scopes": "chat.read\nchat.write",
    }
    address = reverse("admin:xaa_resourceauthorizationserver_change", args=[server.pk])
    assert alice.post(address, values | {"resources-0-identifier": "not a URI"}).status_code == 200
    assert alice.post(address, values | {"resources-0-scopes": 'a"b'}).status_code == 200
    assert alice.post(address, values).status_code == 302
    assert server.resources.get().scopes == ["chat.read", "chat.write"]
