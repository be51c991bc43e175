"""“Connect an app”: the known documents, trust by one button, the steps with this server's own MCP servers."""

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from authz.configuration import apply
from authz.models import AuditEvent, User
from cimd import client_identifier, gallery
from cimd.gallery import APPS, Server
from cimd.models import Policy
from tests.cimd.discovered import CALLBACK, find
from tests.cimd.test_console import browser
from tests.support import world
from tests.support.document_host import DocumentHost
from tests.support.races import at_once
from tests.support.world import NOTES, World

PAGE = reverse("admin:connect_app")
SERVER = Server("https://mcp.example.com/mcp?a='b'", "notes")


@pytest.fixture
def alice(gatehouse: World) -> Browser:
    return browser("alice", User.Role.ADMINISTRATOR)


def trust(someone: Browser, app: str) -> Any:
    return someone.post(reverse("admin:connect_app_trust", args=[app]), {"server": NOTES}, follow=True)


def test_each_documents_url_is_a_client_identifier_of_its_host() -> None:
    for app in APPS:
        if app.url:
            assert client_identifier.parse(app.url).host == app.host
        if app.prefix:
            assert app.prefix.startswith(f"https://{app.host}/")


def test_there_is_a_card_for_each_with_the_steps_for_our_own_server(alice: Browser) -> None:
    page = alice.get(PAGE, {"server": NOTES}).content.decode()
    for app in APPS:
        assert f"<h2>{app.name}</h2>" in page
        assert app.url in page
    assert f"claude mcp add --transport http notes {NOTES}" in page
    assert "https://" not in "".join(part for part in page.split('"') if part.startswith("//"))
    assert "<img" not in page


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.key)
def test_the_steps_run_as_copied(app: gallery.App) -> None:
    codes = [step.code for step in app.steps(SERVER) if step.code]
    assert codes
    for code in codes:
        if code.startswith("{"):
            json.loads(code)
        elif " " in code:
            assert SERVER.url in shlex.split(code) or SERVER.url not in code
    assert any(SERVER.url in code or SERVER.url in (shlex.split(code) if code[0] != "{" else ()) for code in codes)


@pytest.mark.parametrize(
    ("name", "short"),
    [("Notes", "notes"), ("Acme's  Ledger (EU)", "acme-s-ledger-eu"), ("帳簿", "server"), ("-", "server")],
)
def test_a_name_for_files_and_commands(name: str, short: str) -> None:
    assert gallery.short_name(name) == short


def test_one_button_trusts_the_host_and_is_recorded(alice: Browser) -> None:
    before = alice.get(PAGE).content.decode()
    assert "Trust claude.ai" in before
    assert "Waits for approval" in before
    assert "Trusted: claude.ai." in trust(alice, "claude").content.decode()
    assert Policy.objects.get().trusted_hosts == ["claude.ai"]
    after = alice.get(PAGE).content.decode()
    assert "Trust claude.ai" not in after
    assert "Trust vscode.dev" in after
    event = AuditEvent.objects.get(event="configuration:object:changed")
    assert (event.detail["by"], event.detail["host"]) == ("alice", "claude.ai")
    trust(alice, "claude-code")
    assert Policy.objects.get().trusted_hosts == ["claude.ai"]
    assert AuditEvent.objects.filter(event="configuration:object:changed").count() == 1


def test_the_rest_of_the_policy_stays(alice: Browser) -> None:
    tokens = ["initial-access-token-0123456789-0123456789"]
    given = {"redirect_hosts": ["a.example"], "registration": True, "registration_tokens": tokens}
    apply(json.dumps({"cimd": {"trusted_hosts": ["b.example"], **given}}))
    before = Policy.objects.get()
    trust(alice, "zed")
    row = Policy.objects.get()
    assert row.trusted_hosts == ["b.example", "zed.dev"]
    assert (row.redirect_hosts, row.registration) == (["a.example"], True)
    assert row.registration_token_digests == before.registration_token_digests


def test_a_blocked_host_is_not_trusted_by_the_button(alice: Browser) -> None:
    apply(json.dumps({"cimd": {"blocked_hosts": ["claude.ai"]}}))
    assert "Trust claude.ai" not in alice.get(PAGE).content.decode()
    assert "is blocked" in trust(alice, "claude").content.decode()
    assert Policy.objects.get().trusted_hosts == []


def test_only_an_administrator_trusts_and_others_look(alice: Browser) -> None:
    bob = browser("bob", User.Role.APPROVER)
    assert "Trust claude.ai" not in bob.get(PAGE).content.decode()
    assert bob.post(reverse("admin:connect_app_trust", args=["claude"])).status_code == 403
    assert not Policy.objects.exists()


@pytest.mark.parametrize("app", ["cursor", "nothing"])
def test_what_has_no_host_can_not_be_trusted(alice: Browser, app: str) -> None:
    assert alice.post(reverse("admin:connect_app_trust", args=[app])).status_code == 404


def test_a_get_trusts_nothing(alice: Browser) -> None:
    assert alice.get(reverse("admin:connect_app_trust", args=["claude"])).status_code == 405
    assert not Policy.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_hosts_at_the_same_moment_are_both_trusted(alice: Browser) -> None:
    apply(json.dumps({"cimd": {"trusted_hosts": []}}))
    cookies = alice.cookies

    def press(app: str) -> None:
        other = Browser()
        other.cookies = cookies
        trust(other, app)

    at_once([lambda: press("claude"), lambda: press("zed")])
    assert set(Policy.objects.get().trusted_hosts) == {"claude.ai", "zed.dev"}


def test_a_card_says_whether_the_app_was_seen_and_when_its_first_token_was(
    trusting: World, documents: DocumentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = documents.document(redirect_uris=[CALLBACK])
    monkeypatch.setattr(gallery, "APPS", (replace(APPS[0], url=url, host="localhost"),))
    alice = browser("alice", User.Role.ADMINISTRATOR)
    assert "It has not been seen here yet." in alice.get(PAGE).content.decode()
    find(url)
    assert "It has asked, and has no token yet." in alice.get(PAGE).content.decode()
    code = trusting.authorize(client_id=url, redirect_uri=CALLBACK)["code"]
    assert trusting.redeem(code, client_id=url, redirect_uri=CALLBACK).status_code == 200
    assert "First token:" in alice.get(PAGE).content.decode()


def test_an_agent_of_another_organisation_leads_to_both_ways(alice: Browser) -> None:
    kinds = alice.get(reverse("admin:add_agent")).content.decode()
    assert reverse("admin:add_agent_elsewhere") in kinds
    ways = alice.get(reverse("admin:add_agent_elsewhere")).content.decode()
    assert PAGE in ways
    assert reverse("admin:add_issuer") in ways


def test_a_developer_is_not_led_there(gatehouse: World) -> None:
    erin = browser("bob", User.Role.DEVELOPER)
    assert reverse("admin:add_agent_elsewhere") not in erin.get(reverse("admin:add_agent")).content.decode()
    assert erin.get(reverse("admin:add_agent_elsewhere")).status_code == 403
    assert world.person("bob").role == User.Role.DEVELOPER
