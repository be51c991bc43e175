"""The queue in the console, everybody's own requests, and `manage.py requests`: who may do what with them."""

import json
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from authz.models import AccessRequest, ProtectedResource, Rule, User
from tests.console.conftest import Page
from tests.support.world import NOTES, SECRET, World, person, submit


@pytest.fixture
def waiting(gatehouse: World) -> AccessRequest:
    """What an agent without an owner asked for itself."""
    definition = {"clients": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["*"]}
    Rule.objects.create(name="Ask a human first", effect="require_approval", definition=definition)
    gatehouse.token(
        grant_type="client_credentials",
        client_id="posting-agent",
        client_secret=SECRET,
        scope="mcp:read",
    )
    return AccessRequest.objects.get()


def page(request: AccessRequest) -> str:
    return reverse("admin:authz_accessrequest_decide", args=[request.pk])


def approval(**changes: Any) -> dict[str, Any]:
    return {"scopes": ["mcp:read"], "lasts": "1h", "comment": "", "decision": "approve"} | changes


@pytest.mark.parametrize(
    ("role", "may"),
    [("administrator", True), ("approver", True), ("auditor", False), ("developer", False), ("none", False)],
)
def test_who_may_decide(signed_in: Page, waiting: AccessRequest, role: str, may: bool) -> None:
    browser = signed_in(role)
    assert (browser.get(page(waiting)).status_code == 200) is may
    submit(browser, page(waiting), approval())
    waiting.refresh_from_db()
    assert (waiting.status == "approved") is may


def test_an_approver_sees_it_in_the_queue_and_decides_only_where_they_own_the_server(
    signed_in: Page, waiting: AccessRequest
) -> None:
    ProtectedResource.objects.filter(identifier=NOTES).update(owner=person("alice"))
    browser = signed_in("approver")
    assert b"posting-agent" in browser.get(reverse("admin:authz_accessrequest_changelist")).content
    assert browser.get(reverse("admin:authz_accessrequest_change", args=[waiting.pk])).status_code == 200
    assert browser.post(page(waiting), approval()).status_code == 403
    waiting.refresh_from_db()
    assert waiting.status == "open"


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": []},
        {"scopes": ["mcp:write"]},
        {"lasts": "10y"},
        {"decision": "perhaps"},
        {"decision": "deny", "comment": " "},
    ],
)
def test_what_decides_nothing(signed_in: Page, waiting: AccessRequest, changes: dict[str, Any]) -> None:
    assert submit(signed_in("administrator"), page(waiting), approval(**changes)).status_code == 200
    waiting.refresh_from_db()
    assert waiting.status == "open"


def test_a_decision_needs_the_pages_own_token(waiting: AccessRequest) -> None:
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(person("alice"), backend="authz.sign_in.password_backend.PasswordBackend")
    assert browser.post(page(waiting), approval()).status_code == 403
    waiting.refresh_from_db()
    assert waiting.status == "open"


def test_a_second_decision_is_told_that_it_is_late(signed_in: Page, waiting: AccessRequest) -> None:
    browser = signed_in("administrator")
    submit(browser, page(waiting), approval(decision="deny", comment="No need."))
    late = submit(browser, page(waiting), approval())
    assert b"no longer open" in late.content
    waiting.refresh_from_db()
    assert waiting.status == "denied"


def test_an_approval_is_ended_before_its_time(signed_in: Page, gatehouse: World, waiting: AccessRequest) -> None:
    browser = signed_in("administrator")
    submit(browser, page(waiting), approval())
    asked = {"grant_type": "client_credentials", "client_id": "posting-agent", "client_secret": SECRET}
    token = json.loads(gatehouse.token(**asked, scope="mcp:read").content)["access_token"]
    browser.post(reverse("admin:authz_accessrequest_end", args=[waiting.pk]))
    assert gatehouse.introspect(token) == {"active": False}
    assert json.loads(gatehouse.token(**asked, scope="mcp:read").content)["error"] == "authorization_pending"


class TestMine:
    def test_bob_sees_his_own_and_charlie_does_not(self, signed_in: Page, waiting: AccessRequest) -> None:
        AccessRequest.objects.update(user=person("bob"))
        bob, charlie = Browser(), signed_in("none")
        bob.force_login(person("bob"), backend="authz.sign_in.password_backend.PasswordBackend")
        address = reverse("account_request", args=[waiting.pk])
        assert b"posting-agent" in bob.get(address).content
        assert b"posting-agent" in bob.get(reverse("account_requests")).content
        assert charlie.get(address).status_code == 404
        assert charlie.post(address).status_code == 404
        assert b"posting-agent" not in charlie.get(reverse("account_requests")).content
        assert bob.post(address).status_code == 302
        waiting.refresh_from_db()
        assert waiting.status == "cancelled"

    def test_who_decides_is_sent_to_the_console(self, signed_in: Page, waiting: AccessRequest) -> None:
        answer = signed_in("approver").get(reverse("account_request", args=[waiting.pk]))
        assert answer["Location"] == reverse("admin:authz_accessrequest_change", args=[waiting.pk])

    def test_a_stranger_signs_in_first(self, waiting: AccessRequest) -> None:
        assert "/accounts/login/" in Browser().get(reverse("account_request", args=[waiting.pk]))["Location"]


class TestFromATerminal:
    def run(self, *arguments: str) -> str:
        output = StringIO()
        call_command("requests", *arguments, stdout=output)
        return output.getvalue()

    def test_it_lists_and_approves(self, waiting: AccessRequest) -> None:
        assert str(waiting.pk) in self.run("list")
        self.run("approve", str(waiting.pk), "--by", "alice", "--for", "1h")
        waiting.refresh_from_db()
        assert (waiting.status, waiting.approved_scopes) == ("approved", ["mcp:read"])
        assert self.run("list") == ""

    def test_it_denies(self, waiting: AccessRequest) -> None:
        self.run("deny", str(waiting.pk), "--by", "alice", "--comment", "No need.")
        waiting.refresh_from_db()
        assert (waiting.status, waiting.comment) == ("denied", "No need.")

    @pytest.mark.parametrize("by", ["charlie", "nobody"])
    def test_it_has_the_same_rules(self, waiting: AccessRequest, by: str) -> None:
        with pytest.raises(CommandError):
            self.run("approve", str(waiting.pk), "--by", by)
        assert User.objects.filter(username="charlie", role="none").exists()
        waiting.refresh_from_db()
        assert waiting.status == "open"


def test_the_queue_asks_the_database_no_more_often_however_long_it_is(signed_in: Page, waiting: AccessRequest) -> None:
    browser, queue = signed_in("administrator"), reverse("admin:authz_accessrequest_changelist")
    browser.get(queue)
    with CaptureQueriesContext(connection) as short:
        browser.get(queue)
    for number in range(30):
        waiting.pk, waiting.digest = uuid4(), str(number)
        waiting.save(force_insert=True)
    with CaptureQueriesContext(connection) as long:
        assert browser.get(queue).content.count(b"posting-agent") >= 30
    assert len(long) == len(short)


def test_the_queue_shows_what_waits_for_me_first_and_leads_straight_to_it(
    signed_in: Page, waiting: AccessRequest
) -> None:
    queue = reverse("admin:authz_accessrequest_changelist")
    theirs = signed_in("approver").get(queue, {"waits": "me"}).content.decode()
    ProtectedResource.objects.filter(identifier=NOTES).update(owner=person("alice"))
    nobodys = signed_in("approver").get(queue, {"waits": "me"}).content.decode()
    all_of_it = signed_in("approver").get(queue, {"waits": "anybody"}).content.decode()

    assert page(waiting) in theirs
    assert page(waiting) not in nobodys
    assert "posting-agent" not in nobodys
    assert "posting-agent" in all_of_it
    assert page(waiting) not in all_of_it


def test_only_what_is_mine_to_decide_is_counted_in_the_navigation_and_on_home(
    signed_in: Page, waiting: AccessRequest
) -> None:
    assert b"1 access request waits for you" in signed_in("approver").get("/console/").content
    ProtectedResource.objects.filter(identifier=NOTES).update(owner=person("alice"))

    home = signed_in("approver").get("/console/")

    assert b"access request waits" not in home.content
    items = [item for group in home.context["navigation"] for item in group.items if item.title == "Access requests"]
    assert [item.count for item in items] == [0]


def test_after_a_decision_the_next_one_is_a_click_away(signed_in: Page, waiting: AccessRequest) -> None:
    other = AccessRequest.objects.get(pk=waiting.pk)
    other.pk, other.digest = uuid4(), "another"
    other.save()
    browser = signed_in("approver")

    shown = submit(browser, page(waiting), approval(), follow=True).content.decode()

    assert "Approved, for 1 hour." in shown
    assert page(other) in shown
    assert page(waiting) not in shown
