"""Every page: a bounded number of queries however long the lists are, a strict policy, and nothing inline."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from authz.conf import conf
from authz.models import AuditEvent, Authorization, Client, ProtectedResource, Rule, Scope, User
from tests.console.conftest import Page
from tests.support.world import NOTES, World, client, person

LISTS = {
    "index": 37,
    "authz_client_changelist": 13,
    "authz_protectedresource_changelist": 10,
    "authz_rule_changelist": 22,
    "authz_authorization_changelist": 11,
    "authz_auditevent_changelist": 20,
    "authz_signingkey_changelist": 12,
    "authz_user_changelist": 14,
    "auth_group_changelist": 12,
    "simulator": 11,
}


@contextmanager
def at_most(bound: int) -> Iterator[None]:
    with CaptureQueriesContext(connection) as captured:
        yield
    assert len(captured) <= bound, "\n".join(query["sql"][:160] for query in captured.captured_queries)


def fill(rows: int) -> None:
    now = datetime.now(UTC)
    resource = ProtectedResource.objects.get(identifier=NOTES)
    users = User.objects.bulk_create([User(username=f"person-{i}", email=f"{i}@example.com") for i in range(rows)])
    agents = Client.objects.bulk_create(
        [Client(client_id=f"agent-{i}", name=f"Agent {i}", owner=users[i], status="pending") for i in range(rows)]
    )
    Authorization.objects.bulk_create(
        [
            Authorization(
                client=agents[i], user=users[i], resource=resource, grant_type="authorization_code", created=now
            )
            for i in range(rows)
        ]
    )
    AuditEvent.objects.bulk_create([
        AuditEvent(time=now, event="token:access:issued", client_id=f"agent-{i}", resource=NOTES,
                   detail={"grant_type": "client_credentials"}) for i in range(rows)
    ])  # fmt: skip
    definition = Rule.objects.all()[0].definition
    Rule.objects.bulk_create([Rule(name=f"Rule {i}", effect="allow", definition=definition) for i in range(rows)])
    Scope.objects.bulk_create([Scope(resource=resource, name=f"scope-{i}") for i in range(rows)])


@pytest.mark.parametrize(("page", "bound"), LISTS.items())
def test_a_list_takes_a_bounded_number_of_queries(signed_in: Page, page: str, bound: int) -> None:
    fill(60)
    browser = signed_in("administrator")

    with at_most(bound):
        assert browser.get(reverse(f"admin:{page}")).status_code == 200


def test_an_objects_page_takes_a_bounded_number_of_queries(signed_in: Page, gatehouse: World) -> None:
    gatehouse.signed_in_tokens()
    fill(60)
    browser = signed_in("administrator")

    with at_most(23):
        assert browser.get(reverse("admin:authz_client_change", args=[client("desktop-app").pk])).status_code == 200


def test_my_account_takes_a_bounded_number_of_queries(gatehouse: World) -> None:
    fill(60)
    resource = ProtectedResource.objects.get(identifier=NOTES)
    Authorization.objects.bulk_create([
        Authorization(client=agent, user=person("bob"), resource=resource, grant_type="authorization_code",
                      scopes=["mcp:read"], created=datetime.now(UTC)) for agent in Client.objects.all()
    ])  # fmt: skip
    gatehouse.browser.force_login(person("bob"), backend="authz.sign_in.password_backend.PasswordBackend")

    with at_most(8):
        assert gatehouse.browser.get("/account/").status_code == 200


PAGES = [
    "/console/", "/console/?period=7d", "/console/?period=30d", "/console/authz/client/", "/console/authz/client/add/",
    "/console/authz/protectedresource/", "/console/authz/protectedresource/add/", "/console/authz/rule/add/",
    "/console/authz/auditevent/", "/console/authz/auditevent/?outcome=refused&period=24h", "/console/authz/signingkey/",
    "/console/authz/signingkey/rotate/ES256/", "/console/authz/user/add/", "/console/simulator/", "/console/story/",
    "/account/", "/", "/accounts/logout/", "/nothing-is-here",
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_a_strict_policy_and_nothing_inline(signed_in: Page, page: str) -> None:
    response = signed_in("administrator").get(page)
    html = response.content.decode()
    policy = response["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert not re.search(r"<script(?![^>]*\ssrc=)(?![^>]*type=\"application/json\")", html)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html.replace(conf.origin, ""))


def test_the_home_page_counts_what_happened(signed_in: Page, gatehouse: World) -> None:
    gatehouse.machine_token()
    gatehouse.machine_token()
    gatehouse.token(basic=("nightly-report", "wrong"), grant_type="client_credentials")

    page = signed_in("administrator").get("/console/").content.decode()

    assert "<b>2</b><span>tokens issued</span>" in page
    assert "client_secret_wrong" in page
    assert "1 agent waits for approval" in page


def test_an_empty_server_says_what_it_needs_first(db: None) -> None:
    alice = User.objects.create(username="alice", role="administrator")
    browser = Browser()
    browser.force_login(alice, backend="authz.sign_in.password_backend.PasswordBackend")

    page = browser.get("/console/").content.decode()

    assert "No MCP server is registered yet" in page
    assert "There is no rule yet" in page
    assert "There is no signing key" in page
    assert "You are the only person here" in page


def test_every_page_is_registered_when_the_urls_are_loaded_and_djangos_check_sees_them_all() -> None:
    # System checks run in no order of theirs: the admin's may come before anybody has imported the URLs.
    script = """
import sys
from authz.command_line import main
from django.core.management.base import BaseCommand

def look(*_, **__):
    from authz.console.site import console
    from authz.models import Rule, User
    print(console.is_registered(User) and console.is_registered(Rule))

BaseCommand.check = look
sys.argv = ["manage.py", "check"]
main()
"""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "authz.settings"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_home_says_whose_approval_ends(signed_in: Page) -> None:
    now = datetime.now(UTC)
    Client.objects.filter(client_id="nightly-report").update(approved_until=now + timedelta(days=3))
    Client.objects.filter(client_id__in=("web-app", "desktop-app")).update(approved_until=now - timedelta(days=3))
    page = signed_in("approver").get("/console/").content.decode()
    assert "1 approval of an agent ends soon" in page
    assert "2 approvals of agents have ended" in page
    assert "attention=ended" in page


def test_a_new_server_says_how_the_first_administrator_comes_to_be(db: None) -> None:
    User.objects.all().delete()
    assert b"manage.py createsuperuser" in Browser().get("/accounts/login/").content

    call_command("createsuperuser", interactive=False, username="first", email="first@example.com", verbosity=0)

    first = User.objects.get()
    assert (first.role, first.is_staff, first.is_superuser) == ("administrator", True, True)
    assert b"createsuperuser" not in Browser().get("/accounts/login/").content
    (made,) = AuditEvent.objects.filter(event="configuration:object:created")
    assert (made.detail["key"], made.detail["after"]) == ("first", {"role": "administrator"})

    call_command("createsuperuser", interactive=False, username="second", email="", verbosity=0)
    assert [row.detail["key"] for row in AuditEvent.objects.order_by("pk")] == ["first", "second"]


def test_a_role_that_is_taken_away_stays_away(db: None) -> None:
    first = User.objects.create_superuser("first", password=None)
    first.role = "none"
    first.save()

    first.refresh_from_db()

    assert (first.role, first.is_staff, first.is_superuser) == ("none", False, False)
