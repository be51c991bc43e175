"""The console's pages for documents: what waits, the difference, approving what was seen, and inspecting."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz import clients
from authz.configuration import apply
from authz.database import configuration_cache
from authz.models import AuditEvent, Client, User
from cimd.models import Document, Policy
from tests.cimd.discovered import age
from tests.cimd.documents import jwks
from tests.support import world
from tests.support.document_host import DocumentHost

LIST = reverse("admin:cimd_document_changelist")

TERMS = {"owner": "charlie", "environment": "", "until": str(datetime.now(UTC).date() + timedelta(days=30))}


def browser(username: str, role: str) -> Browser:
    user = world.person(username)
    user.role = role
    user.save()
    found = Browser()
    found.force_login(user, backend="authz.sign_in.password_backend.PasswordBackend")
    return found


@pytest.fixture
def alice(gatehouse: world.World) -> Browser:
    return browser("alice", User.Role.ADMINISTRATOR)


def seen(documents: DocumentHost, **members: Any) -> Document:
    configuration_cache.begin()
    clients.find(documents.document(**members))
    return Document.objects.select_related("client", "current", "candidate").get()


def test_the_list_says_what_waits_and_what_failed(alice: Browser, documents: DocumentHost) -> None:
    seen(documents, client_name="<b>Bold</b>")
    Document.objects.update(failure="timeout", failure_status=None)
    page = alice.get(LIST).content.decode()
    assert "Pending" in page
    assert "The answer did not arrive in time." in page
    assert alice.get(LIST + "?state=waiting").content.decode().count(documents.url("/client.json")) >= 1
    assert documents.url("/client.json") in alice.get(LIST + "?state=failing").content.decode()


def test_an_administrator_approves_what_is_shown(alice: Browser, documents: DocumentHost) -> None:
    document = seen(documents, client_name="<b>Bold</b>\u202e")
    address = reverse("admin:cimd_document_approve", args=[document.pk])
    page = alice.get(address).content.decode()
    assert "&lt;b&gt;Bold" in page and "<b>Bold" not in page
    assert "\u202e" not in page and "\\u202e" in page
    assert Client.objects.get(client_id=document.url).status == Client.Status.PENDING
    assert document.current is not None
    world.submit(alice, address, dict(TERMS))
    assert Client.objects.get(client_id=document.url).status == Client.Status.APPROVED
    (event,) = AuditEvent.objects.filter(event="cimd:client:approved")
    assert event.detail["by"] == "alice"


def test_what_changed_in_between_is_not_approved(alice: Browser, documents: DocumentHost) -> None:
    document = seen(documents)
    assert document.current is not None
    digest = document.current.digest
    age()
    seen(documents, redirect_uris=["http://localhost/other"])
    world.submit(alice, reverse("admin:cimd_document_approve", args=[document.pk]), {"digest": digest, **TERMS})
    assert Client.objects.get(client_id=document.url).status == Client.Status.PENDING


def test_the_page_shows_the_difference_that_waits(alice: Browser, documents: DocumentHost) -> None:
    apply("cimd: {trusted_hosts: [localhost]}")
    seen(documents, token_endpoint_auth_method="private_key_jwt", jwks=jwks("one"))
    age()
    document = seen(documents)
    assert document.candidate is not None
    page = alice.get(reverse("admin:cimd_document_change", args=[document.pk])).content.decode()
    assert "Waiting change" in page
    assert "<del>" in page and "private_key_jwt" in page


def test_approving_does_not_lift_a_suspension(alice: Browser, documents: DocumentHost) -> None:
    document = seen(documents)
    assert document.current is not None
    Client.objects.update(status=Client.Status.SUSPENDED)
    world.submit(alice, reverse("admin:cimd_document_approve", args=[document.pk]), dict(TERMS))
    assert Client.objects.get(client_id=document.url).status == Client.Status.SUSPENDED


@pytest.mark.parametrize(("role", "status"), [("auditor", 403), ("developer", 403), ("approver", 200)])
def test_only_approvers_approve(role: str, status: int, gatehouse: world.World, documents: DocumentHost) -> None:
    document = seen(documents)
    assert document.current is not None
    address = reverse("admin:cimd_document_approve", args=[document.pk])
    bob = browser("bob", role)
    assert bob.get(address).status_code == status
    world.submit(bob, address, {"digest": document.current.digest, **TERMS})
    approved = Client.objects.get(client_id=document.url).status == Client.Status.APPROVED
    assert approved == (status == 200)


def test_people_without_a_role_see_nothing(gatehouse: world.World, documents: DocumentHost) -> None:
    document = seen(documents)
    charlie = browser("charlie", User.Role.NONE)
    for address in (
        LIST,
        reverse("admin:cimd_document_change", args=[document.pk]),
        reverse("admin:cimd_document_inspect"),
    ):
        assert charlie.get(address).status_code in {302, 403}


def test_a_document_that_failed_says_why(alice: Browser, documents: DocumentHost) -> None:
    document = seen(documents)
    page = reverse("admin:cimd_document_change", args=[document.pk])
    Document.objects.update(failure="status", failure_status=503, failures=3)
    said = alice.get(page).content.decode()
    assert "a status other than 200 (HTTP status 503)." in said
    assert "3 times in a row" in said
    checks = [{"name": "client_name", "verdict": "refused", "explanation": "It must be a string."}]
    Document.objects.update(failure="document_refused", failure_status=None, failure_checks=checks)
    said = alice.get(page).content.decode()
    assert "The document is refused: client_name." in said
    assert "It must be a string." in said


def test_a_url_is_inspected_check_by_check(alice: Browser, documents: DocumentHost) -> None:
    address = reverse("admin:cimd_document_inspect")
    url = documents.document(grant_types=["authorization_code", "implicit"])
    assert "The document" in alice.get(address).content.decode()
    assert documents.connections == 0
    page = alice.post(address, {"url": url}).content.decode()
    assert "The document is accepted" in page
    assert "Left out, since it cannot have them here: implicit" in page
    assert "its clients wait for an approval" in page
    refused = alice.post(address, {"url": documents.url("/nowhere")}).content.decode()
    assert "The document is refused" in refused and "HTTP status 404" in refused
    assert Document.objects.count() == Client.objects.filter(registration_source="cimd").count() == 0


def test_the_policy_is_changed_by_the_rules_of_the_configuration(alice: Browser, gatehouse: world.World) -> None:
    add = reverse("admin:cimd_policy_add")
    form = {"trusted_hosts": "vscode.dev\n*.example.com", "blocked_hosts": "", "redirect_schemes": "cursor"}
    refused = alice.post(add, form | {"trusted_hosts": "https://vscode.dev", "redirect_hosts": ""})
    assert refused.status_code == 200
    assert Policy.objects.count() == 0
    refused = alice.post(add, form | {"redirect_hosts": "", "authentication_method": "accept"})
    assert refused.status_code == 200  # it is never just accepted
    assert Policy.objects.count() == 0
    alice.post(add, form | {"redirect_hosts": "", "keys": "quarantine", "scopes": ""})
    policy = Policy.objects.get()
    assert policy.trusted_hosts == ["vscode.dev", "*.example.com"]
    assert policy.changes == {"keys": "quarantine"}
    change = reverse("admin:cimd_policy_change", args=[policy.pk])
    assert '<option value="quarantine" selected>' in alice.get(change).content.decode()
    alice.post(change, form | {"redirect_hosts": "", "keys": "", "scopes": "accept"})
    policy.refresh_from_db()
    assert policy.changes == {"scopes": "accept"}
    assert alice.get(add).status_code == 403


def test_sibling_hosts_are_offered_to_an_administrator(alice: Browser, documents: DocumentHost) -> None:
    apply("cimd: {trusted_hosts: [localhost], redirect_hosts: [first.example]}")
    url = documents.document(redirect_uris=["https://sibling.example/cb", "https://other.example/cb"], grant_types=...)
    page = alice.post(reverse("admin:cimd_document_inspect"), {"url": url}).content.decode()
    assert "no refresh token will come" in page
    assert "redirect_hosts of cimd: sibling.example, other.example" in page
    change = reverse("admin:cimd_policy_change", args=[Policy.objects.get().pk])
    offered = f"{change}?add_redirect_host=sibling.example&amp;add_redirect_host=other.example"
    assert offered in page
    form = alice.get(offered.replace("&amp;", "&"))
    assert form.context["adminform"].form["redirect_hosts"].value() == "first.example\nsibling.example\nother.example"
    # A link fills in and changes nothing; and it offers no pattern that would be everybody.
    assert Policy.objects.get().redirect_hosts == ["first.example"]
    form = alice.get(f"{change}?add_redirect_host=*&add_redirect_host=https://a.example")
    assert form.context["adminform"].form["redirect_hosts"].value() == "first.example"


@pytest.mark.parametrize(
    ("uris", "offered"),
    [
        (["https://sibling.example/cb"], ["sibling.example"]),
        (["https://sibling.example/a", "https://sibling.example/b"], ["sibling.example"]),
        (["https://b.example/cb", "https://a.example/cb"], ["b.example", "a.example"]),
        (["https://eu.sibling.example/cb", "https://sibling.example/cb"], ["eu.sibling.example", "sibling.example"]),
        (["https://sibling.example:8443/cb"], ["sibling.example"]),
        (["https://SIBLING.example/cb"], ["sibling.example"]),
        (["https://first.example/cb", "https://sibling.example/cb"], ["sibling.example"]),
        (["http://localhost/cb", "https://sibling.example/cb"], ["sibling.example"]),
        (["https://xn--bcher-kva.example/cb"], ["xn--bcher-kva.example"]),
        (["https://192.0.2.1/cb"], ["192.0.2.1"]),
        (["https://[2001:db8::1]/cb"], ["[2001:db8::1]"]),
        (["https://first.example/cb"], []),
        (["http://localhost/cb"], []),
        (["cursor://sibling.example/cb"], []),
    ],
)
def test_which_hosts_are_offered(alice: Browser, documents: DocumentHost, uris: list[str], offered: list[str]) -> None:
    apply("cimd: {trusted_hosts: [localhost], redirect_hosts: [first.example]}")
    page = alice.post(reverse("admin:cimd_document_inspect"), {"url": documents.document(redirect_uris=uris)})
    links = [unquote(found) for found in re.findall(r"add_redirect_host=([^&\"]+)", page.content.decode())]
    assert links == offered


def test_only_who_may_configure_is_offered_to(gatehouse: world.World, documents: DocumentHost) -> None:
    auditor = browser("bob", User.Role.AUDITOR)
    url = documents.document(redirect_uris=["https://sibling.example/cb", "http://localhost/cb"])
    page = auditor.post(reverse("admin:cimd_document_inspect"), {"url": url}).content.decode()
    assert "adds it to redirect_hosts of cimd" in page
    assert "add_redirect_host" not in page


def test_the_audit_says_which_host_is_missing(gatehouse: world.World, documents: DocumentHost) -> None:
    url = documents.document(redirect_uris=["https://sibling.example/cb"])
    gatehouse.sign_in("bob")
    gatehouse.browser.get(gatehouse.authorize_url(client_id=url, redirect_uri="https://sibling.example/cb"))
    event = AuditEvent.objects.get(event="cimd:document:fetch_failed")
    assert "Missing in redirect_hosts of cimd: sibling.example." in event.detail["because"][0]
