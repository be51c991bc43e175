"""Attack 31 in the console: what an approver approves, or an administrator brings back, is what the page showed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.approvals import voting
from authz.decisions import rule_history
from authz.models import AccessRequest, AccessVote, Client, CutOff, ProtectedResource, Rule, Scope
from tests.console.conftest import Page
from tests.support.world import NOTES, SECRET, World, client, hidden_fields, person

CHANGED = b"this is not what you were shown"
UNTIL = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
TERMS = {"owner": "charlie", "environment": "production", "until": UNTIL}
PENDING = Client.objects.filter(client_id="pending-agent")
POSTING = Client.objects.filter(client_id="posting-agent")


def pressed(browser: Browser, address: str, change: Callable[[], object], data: dict[str, Any]) -> Any:
    """Look, let something change, press the button."""
    page = browser.get(address)
    assert page.status_code == 200, page.content
    change()
    return browser.post(address, hidden_fields(page) | data, follow=True)


AGENT_CHANGES: list[Callable[[], object]] = [
    lambda: PENDING.update(name="Payroll"),
    lambda: PENDING.update(redirect_uris="https://evil.example/callback"),
    lambda: PENDING.update(grant_types=["client_credentials", "authorization_code"]),
    lambda: PENDING.update(scope=["mcp:write"]),
    lambda: PENDING.update(secret_digest="another"),
    lambda: PENDING.update(client_jwks_uri="https://evil.example/jwks"),
    lambda: PENDING.update(token_endpoint_auth_method="none"),
    lambda: PENDING.update(tags=["trusted"]),
    lambda: PENDING.update(client_uri="https://evil.example/"),
    lambda: PENDING.update(post_logout_redirect_uris="https://evil.example/"),
    lambda: PENDING.update(environment="production"),
    lambda: PENDING.update(consent_digest="another", metadata_digest="another"),
    lambda: Rule.objects.filter(name="Agents read notes").update(enabled=False),
]


@pytest.mark.parametrize("change", AGENT_CHANGES)
def test_an_agent_is_approved_as_it_was_shown(signed_in: Page, change: Callable[[], object]) -> None:
    browser = signed_in("approver")
    address = reverse("admin:authz_client_switch", args=[client("pending-agent").pk, "approved"])
    again = pressed(browser, address, change, TERMS)
    assert CHANGED in again.content
    assert client("pending-agent").status == "pending"
    browser.post(address, hidden_fields(again) | TERMS)
    assert client("pending-agent").status == "approved"


def test_several_agents_are_approved_as_they_were_shown(signed_in: Page) -> None:
    browser = signed_in("approver")
    address = reverse("admin:authz_client_changelist")
    chosen = {"action": "approve_selected", "_selected_action": [PENDING.get().pk, POSTING.get().pk]}
    page = browser.post(address, chosen)
    POSTING.update(scope=["mcp:write"])
    again = browser.post(address, hidden_fields(page) | {**chosen, **TERMS, "post": "yes"})
    assert CHANGED in again.content
    assert client("pending-agent").status == "pending"
    browser.post(address, hidden_fields(again) | {**chosen, **TERMS, "post": "yes"})
    assert client("pending-agent").status == "approved"


@pytest.fixture
def waits(gatehouse: World) -> AccessRequest:
    definition = {"clients": ["posting-agent"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["mcp:read"]}
    definition |= {"approvers": {"roles": ["approver"], "users": ["charlie"]}}
    Rule.objects.create(name="Ask first", effect="require_approval", definition=definition)
    gatehouse.token(grant_type="client_credentials", client_id="posting-agent", client_secret=SECRET)
    return AccessRequest.objects.get()


REQUEST_CHANGES: list[Callable[[], object]] = [
    lambda: POSTING.update(name="Payroll"),
    lambda: POSTING.update(redirect_uris="https://evil.example/callback"),
    lambda: POSTING.update(owner=person("alice")),
    lambda: AccessRequest.objects.update(reason="Another reason"),
    lambda: AccessRequest.objects.update(scopes=["mcp:read", "mcp:write"]),
    lambda: Scope.objects.filter(name="mcp:read").update(description="Read everything"),
    lambda: ProtectedResource.objects.filter(identifier=NOTES).update(name="Payroll"),
    lambda: AccessVote.objects.create(
        request=AccessRequest.objects.get(),
        by=person("charlie"),
        approves=True,
        scopes=[],
        time=datetime.now(UTC),
        expires=datetime.now(UTC) + timedelta(hours=1),
    ),
]


@pytest.mark.parametrize("change", REQUEST_CHANGES)
@pytest.mark.parametrize("is_named", [False, True])
def test_a_request_is_approved_as_it_was_shown(
    signed_in: Page, waits: AccessRequest, change: Callable[[], object], is_named: bool
) -> None:
    """By an approver in the console, and by a person who is named and has no role."""
    browser = signed_in("none" if is_named else "approver")
    address = (
        f"/account/requests/{waits.pk}/decide"
        if is_named
        else reverse("admin:authz_accessrequest_decide", args=[waits.pk])
    )
    data = {"scopes": ["mcp:read"], "lasts": "1h", "comment": "", "decision": "approve"}
    assert CHANGED in pressed(browser, address, change, data).content
    waits.refresh_from_db()
    assert waits.status == "open"


def test_denying_needs_no_matching_page(signed_in: Page, waits: AccessRequest) -> None:
    address = reverse("admin:authz_accessrequest_decide", args=[waits.pk])
    data = {"lasts": "1h", "comment": "No.", "decision": "deny"}
    pressed(signed_in("approver"), address, lambda: POSTING.update(name="Payroll"), data)
    waits.refresh_from_db()
    assert waits.status == "denied"


def test_one_requests_form_approves_no_other(signed_in: Page, waits: AccessRequest) -> None:
    other = AccessRequest.objects.get(pk=waits.pk)
    other.pk, other.digest, other.scopes = None, "another", ["mcp:read"]
    other._state.adding = True
    other.save()
    browser = signed_in("approver")
    page = browser.get(reverse("admin:authz_accessrequest_decide", args=[waits.pk]))
    data = {"scopes": ["mcp:read"], "lasts": "1h", "comment": "", "decision": "approve"}
    browser.post(reverse("admin:authz_accessrequest_decide", args=[other.pk]), hidden_fields(page) | data)
    assert AccessRequest.objects.filter(status="open").count() == 2


def test_an_agent_that_changed_since_it_asked_is_not_approved_by_any_door(waits: AccessRequest) -> None:
    POSTING.update(consent_digest="another")
    now = datetime.now(UTC)
    with pytest.raises(voting.NotDecided, match="has changed since it asked"):
        voting.approve(
            waits, by=person("charlie"), scopes=["mcp:read"], expires=now + timedelta(hours=1), comment="", now=now
        )


def another_rule() -> None:
    Rule.objects.create(name="Another", effect="allow", definition={"clients": ["*"]})


@pytest.mark.parametrize(
    "change",
    [
        another_rule,
        lambda: Rule.objects.filter(name="Agents read notes").delete(),
        lambda: Rule.objects.filter(name="Agents read notes").update(effect="deny"),
        lambda: Rule.objects.filter(name="Agents read notes").update(enabled=False),
        lambda: Rule.objects.filter(name="Denied").update(definition={"clients": ["posting-agent"]}),
        lambda: Rule.objects.filter(name="Denied").update(name="Renamed"),
    ],
)
@pytest.mark.parametrize("what", ["restore", "delete"])
def test_rules_go_as_was_shown(signed_in: Page, what: str, change: Callable[[], object]) -> None:
    browser = signed_in("administrator")
    before = rule_history.number()
    denied = Rule.objects.create(name="Denied", effect="deny", definition={"clients": ["*"], "scopes": ["*"]})
    name, key = ("authz_rule_restore", before) if what == "restore" else ("authz_rule_delete", denied.pk)
    again = pressed(browser, reverse(f"admin:{name}", args=[key]), change, {"post": "yes"})
    assert CHANGED in again.content
    assert Rule.objects.filter(pk=denied.pk).exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda: Client.objects.filter(client_id="desktop-app").update(status="retired"),
        lambda: Client.objects.filter(client_id="desktop-app").update(status="suspended"),
    ],
)
def test_what_is_cut_off_is_what_was_shown(signed_in: Page, change: Callable[[], object]) -> None:
    browser = signed_in("administrator")
    address = f"{reverse('admin:switch', args=['client'])}?id=desktop-app"
    assert CHANGED in pressed(browser, address, change, {"reason": ""}).content
    assert not CutOff.objects.exists()
    other = f"{reverse('admin:switch', args=['client'])}?id=web-app"
    browser.post(other, hidden_fields(browser.get(address)))
    assert not CutOff.objects.exists()
