"""Pages that only show things: in words, and without ways to nowhere."""

import re

import pytest
from django.urls import reverse

from authz.models import Client, ProtectedResource, Rule
from tests.console.conftest import Page
from tests.support import everything, pages
from tests.support.world import NOTES, client, person

pytestmark = pytest.mark.any_database


def shown(page: str) -> dict[str, str]:
    """What a page says of each field: label → text."""
    found = re.findall(r'<label>(.*?)</label>\s*<div class="readonly">(.*?)</div>', page, re.DOTALL)
    return {label: " ".join(re.sub("<[^>]+>", " ", contents).split()) for label, contents in found}


@pytest.mark.parametrize("role", ["auditor", "approver"])
def test_no_page_shows_a_picture_or_the_lack_of_a_value(signed_in: Page, role: str) -> None:
    signed_in("administrator")
    everything.fill()
    browser = signed_in(role)
    wrong = {}
    for name, (path, *_) in pages.pages(everything.first).items():
        page = browser.get(path).content.decode()
        # A person's role can be called so.
        none = "" if name == "admin:authz_user_change" else r"|(?:readonly\"|<p)>\s*(?:None\s*<|\[&quot;)"
        if found := re.findall(f"icon-(?:yes|no|unknown){none}", page):
            wrong[path] = found

    assert not wrong


def test_a_servers_page_says_yes_and_no_and_who(signed_in: Page) -> None:
    row = ProtectedResource.objects.get(identifier=NOTES)
    row.owner, row.approvers = person("bob"), {"owner": True, "groups": ["leads"], "count": 2}
    row.save()
    row.introspection_clients.set([client("notes-server"), client("payroll-server")])

    page = shown(signed_in("auditor").get(f"/console/authz/protectedresource/{row.pk}/change/").content.decode())

    assert (page["Active"], page["The default"], page["Publish a status list"]) == ("Yes", "Yes", "No")
    assert page["Owner"] == "bob"
    assert (page["Who approves"], page["How many of them"]) == ("owner group:leads", "2")
    assert page["Who may introspect its tokens"] == "notes-server, payroll-server"
    row.introspection_clients.clear()
    page = shown(signed_in("auditor").get(f"/console/authz/protectedresource/{row.pk}/change/").content.decode())
    assert page["Who may introspect its tokens"] == "—"


def test_what_only_a_form_knows_is_shown_too(signed_in: Page) -> None:
    from cimd.models import Policy
    from xaa.models import ResourceAuthorizationServer, SignInClient, TargetResource, TrustedIssuer

    Policy.objects.update_or_create(
        pk=1, defaults={"trusted_hosts": ["vscode.dev", "claude.ai"], "changes": {"keys": "quarantine"}}
    )
    issuer = TrustedIssuer.objects.create(
        issuer="https://idp.example.com",
        name="IdP",
        accepts=["id-jag", "id_token"],
        match=["sub"],
        client_ids={"a": "b"},
    )
    SignInClient.objects.create(issuer=issuer, client_id="gatehouse", secret=b"x", scopes=["openid", "email"])
    server = ResourceAuthorizationServer.objects.create(issuer="https://auth.chat.example/", client_ids={"a": "b"})
    TargetResource.objects.create(server=server, identifier="https://mcp.chat.example/", scopes=["read", "write"])
    browser = signed_in("auditor")

    policy = shown(browser.get("/console/cimd/policy/1/change/").content.decode())
    assert policy["Trusted hosts"] == "vscode.dev claude.ai"
    assert policy["When it changes its keys"] == "Suspend the agent until it is approved"
    assert policy["When it adds grants"].startswith("Default: ")

    trusted = shown(browser.get(f"/console/xaa/trustedissuer/{issuer.pk}/change/").content.decode())
    assert (trusted["Accepts"], trusted["People are found by"]) == ("ID-JAGs, ID tokens", "Linked subject")
    assert (trusted["Enabled"], trusted["Create a person at the first assertion"]) == ("Yes", "No")
    assert (trusted["Client ID"], trusted["Scopes"]) == ("gatehouse", "openid email")
    # Whether there is one, and never which.
    assert trusted["Client secret"] == "There is one."

    page = browser.get(f"/console/xaa/resourceauthorizationserver/{server.pk}/change/").content.decode()
    assert shown(page)["Issuer"] == "https://auth.chat.example/"
    assert "<p>read<br>write</p>" in page


def test_an_issuer_without_workloads_says_so(signed_in: Page) -> None:
    from xaa.models import TrustedIssuer

    issuer = TrustedIssuer.objects.create(issuer="https://idp.example.com", name="IdP", accepts=[], match=[])

    path = f"/console/xaa/trustedissuer/{issuer.pk}/change/"

    assert '<p class="soft">None.</p>' in signed_in("auditor").get(path).content.decode()
    assert '<p class="soft">None.</p>' not in signed_in("administrator").get(path).content.decode()


def test_an_agents_page_shows_its_row(signed_in: Page) -> None:
    Client.objects.filter(client_id="web-app").update(tags=["office", "pilot"], scope=["mcp:read"])

    page = shown(signed_in("auditor").get(f"/console/authz/client/{client('web-app').pk}/change/").content.decode())

    assert (page["Name"], page["Client id"], page["Tags"]) == ("Web app", "web-app", "office pilot")
    assert page["Scopes at most"] == "mcp:read"
    assert page["Method"] == "client_secret_basic: a secret, in the header"
    assert page["May reuse a client assertion"] == "No"


def test_a_rule_is_told_once(signed_in: Page) -> None:
    row = Rule.objects.get(name="Agents read notes")
    path = f"/console/authz/rule/{row.pk}/change/"

    page = signed_in("auditor").get(path).content.decode()

    assert page.count("may get the scope mcp:read") == 1
    assert (shown(page)["Effect"], shown(page)["Enabled"]) == ("Allow", "Yes")
    assert signed_in("administrator").get(path).content.decode().count("may get the scope mcp:read") == 1


# --- The history -----------------------------------------------------------------------------------------------------


def has_history(page: str) -> bool:
    return ">History</a>" in page


def test_a_history_is_offered_where_it_tells_something(signed_in: Page) -> None:
    row = ProtectedResource.objects.get(identifier=NOTES)
    path, alice, dana = (
        f"/console/authz/protectedresource/{row.pk}/change/",
        *map(signed_in, ("administrator", "auditor")),
    )
    # The configuration file made it: of that the audit tells.
    assert not has_history(dana.get(path).content.decode())
    assert not has_history(alice.get(path).content.decode())

    form = {
        "name": "The notes", "identifier": NOTES, "is_active": "on", "access_token_lifetime": "600",
        "access_token_signing_alg": "RS256", "pending_answer": "always",
        "scopes-TOTAL_FORMS": "0", "scopes-INITIAL_FORMS": "0",
    }  # fmt: skip
    assert alice.post(path, form).status_code == 302

    assert has_history(dana.get(path).content.decode())
    told = dana.get(reverse("admin:authz_protectedresource_history", args=[row.pk])).content.decode()
    assert "alice" in told and "Changed Name" in told
    other = ProtectedResource.objects.exclude(pk=row.pk).get()
    assert not has_history(dana.get(f"/console/authz/protectedresource/{other.pk}/change/").content.decode())


def test_each_rule_has_a_history(signed_in: Page) -> None:
    row = Rule.objects.get(name="Agents read notes")

    assert has_history(signed_in("auditor").get(f"/console/authz/rule/{row.pk}/change/").content.decode())


def test_what_the_server_writes_has_none(signed_in: Page) -> None:
    signed_in("administrator")
    everything.fill()
    browser = signed_in("administrator")
    for model in ("authz_authorization", "authz_signingkey", "authz_notification", "xaa_session", "authz_auditevent"):
        pk = everything.first(model)
        assert not has_history(browser.get(reverse(f"admin:{model}_change", args=[pk])).content.decode()), model
