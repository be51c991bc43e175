"""Access requests: a request waits, another person approves it, the same request succeeds, and the approval expires."""

import json
import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from authz.approvals import access_requests, voting
from authz.approvals.voting import NotDecided
from authz.conf import conf
from authz.models import AccessRequest, AuditEvent, ProtectedResource, Rule, User
from tests.support import world
from tests.support.races import at_once
from tests.support.world import NOTES, SECRET, World

HOUR = timedelta(hours=1)


def body(response: HttpResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.content)
    return found


def ask_first(*, scopes: list[str], machines: bool = False) -> None:
    definition: dict[str, Any] = {"clients": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": scopes}
    if not machines:
        definition["groups"] = ["*"]
    Rule.objects.create(name="Ask a human first", effect="require_approval", definition=definition)


def person(username: str, role: str = "none") -> User:
    user, _ = User.objects.get_or_create(username=username)
    user.role = role
    user.save()
    return user


def machine_asks(gatehouse: World, **params: Any) -> HttpResponse:
    return gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials", **params)


def waits(gatehouse: World) -> AccessRequest:
    """The request of a machine that has just asked."""
    ask_first(scopes=["mcp:read"], machines=True)
    return AccessRequest.objects.get(pk=body(machine_asks(gatehouse))["access_request"])


def approve(request: AccessRequest, by: User, scopes: list[str] | None = None, lasts: timedelta = HOUR) -> None:
    now = datetime.now(UTC)
    chosen = request.scopes if scopes is None else scopes
    voting.approve(request, by=by, scopes=chosen, expires=now + lasts, comment="", now=now)


def later(monkeypatch: pytest.MonkeyPatch, delay: float) -> None:
    for endpoint in ("token", "introspection", "authorize"):
        monkeypatch.setattr(f"authz.endpoints.{endpoint}.now", lambda: time.time() + delay)


class TestAMachine:
    def test_its_ask_waits_with_an_id_and_an_address(self, gatehouse: World) -> None:
        ask_first(scopes=["mcp:read"], machines=True)
        response = machine_asks(gatehouse)
        assert response.status_code == 400
        assert response["Cache-Control"] == "no-store"
        answer = body(response)
        row = AccessRequest.objects.get()
        assert answer == {
            "error": "authorization_pending",
            "error_description": "The request waits for an approval.",
            "access_request": str(row.pk),
            "error_uri": f"{conf.origin}/account/requests/{row.pk}",
            "interval": 5,
        }
        assert (row.client.client_id, row.user, row.resource, row.scopes) == (
            "nightly-report",
            None,
            NOTES,
            ["mcp:read"],
        )
        assert row.context["rules"] == ["Ask a human first"]

    def test_an_ask_repeated_is_the_same_request_and_recorded_once(self, gatehouse: World) -> None:
        ask_first(scopes=["mcp:read"], machines=True)
        answers = [body(machine_asks(gatehouse))["access_request"] for _ in range(3)]
        assert len(set(answers)) == 1
        assert AccessRequest.objects.get().asked == 3
        assert AuditEvent.objects.filter(event="policy:access_request:opened").count() == 1

    def test_the_whole_round(self, gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
        first = waits(gatehouse)
        approve(first, person("olga", "administrator"))
        answer = body(machine_asks(gatehouse))
        assert answer["scope"] == "mcp:read"
        issued = AuditEvent.objects.get(event="token:access:issued")
        assert issued.detail["approvals"] == [str(first.pk)]
        assert gatehouse.introspect(answer["access_token"])["active"] is True
        # It ends by itself: the next question is a new request.
        later(monkeypatch, 3601)
        AccessRequest.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
        again = body(machine_asks(gatehouse))
        assert again["error"] == "authorization_pending"
        assert again["access_request"] != str(first.pk)

    def test_introspection_is_inactive_once_the_approval_has_ended(self, gatehouse: World) -> None:
        approve(waits(gatehouse), person("olga", "administrator"))
        token = body(machine_asks(gatehouse))["access_token"]
        assert gatehouse.introspect(token)["active"] is True
        AccessRequest.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
        assert gatehouse.introspect(token) == {"active": False}

    def test_no_token_outlives_its_approval(self, gatehouse: World) -> None:
        approve(waits(gatehouse), person("olga", "administrator"), lasts=timedelta(seconds=60))
        assert body(machine_asks(gatehouse))["expires_in"] <= 60

    def test_a_denied_ask_is_refused_and_not_asked_again(self, gatehouse: World) -> None:
        request = waits(gatehouse)
        voting.deny(request, by=person("olga", "administrator"), comment="No need.", now=datetime.now(UTC))
        assert body(machine_asks(gatehouse))["error"] == "unauthorized_client"
        assert AccessRequest.objects.count() == 1

    def test_an_approval_is_no_approval_of_another_agent(self, gatehouse: World) -> None:
        approve(waits(gatehouse), person("olga", "administrator"))
        other = gatehouse.token(grant_type="client_credentials", client_id="posting-agent", client_secret=SECRET)
        assert body(other)["error"] == "authorization_pending"

    def test_an_approval_does_not_survive_a_change_of_the_clients_security(self, gatehouse: World) -> None:
        approve(waits(gatehouse), person("olga", "administrator"))
        client = world.client("nightly-report")
        client.consent_digest = "another"
        client.save()
        assert body(machine_asks(gatehouse))["error"] == "authorization_pending"

    def test_a_client_cannot_fill_the_queue(self, gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(access_requests, "MAXIMUM_OPEN", 1)
        request = waits(gatehouse)
        AccessRequest.objects.filter(pk=request.pk).update(digest="of other scopes")
        assert machine_asks(gatehouse).status_code == 429
        assert AccessRequest.objects.count() == 1

    def test_who_needs_no_approval_pays_for_none(self, gatehouse: World) -> None:
        ask_first(scopes=["mcp:write"], machines=True)
        machine_asks(gatehouse, scope="mcp:read")
        with CaptureQueriesContext(connection) as captured:
            assert machine_asks(gatehouse, scope="mcp:read").status_code == 200
        assert not [query for query in captured.captured_queries if "accessrequest" in query["sql"]]


class TestAPerson:
    def test_the_page_says_that_it_waits_and_the_same_request_works_after_approval(
        self, gatehouse: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask_first(scopes=["mcp:read", "mcp:write"])
        gatehouse.sign_in("bob")
        for _ in range(2):
            page = gatehouse.ask(scope="mcp:read mcp:write")
            assert page.status_code == 403
        row = AccessRequest.objects.get()
        assert str(row.pk) in page.content.decode()
        assert "alice@example.com" in page.content.decode()
        assert row.user == world.person("bob")

        # Narrower than asked: that is what is issued.
        approve(row, world.person("alice"), scopes=["mcp:read"])
        code = gatehouse.authorize(scope="mcp:read mcp:write")["code"]
        tokens = body(gatehouse.redeem(code))
        assert tokens["scope"] == "mcp:read"
        refreshed = gatehouse.refresh(tokens["refresh_token"])
        assert refreshed.status_code == 200
        tokens = body(refreshed)

        AccessRequest.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
        assert gatehouse.introspect(tokens["access_token"]) == {"active": False}
        refused = gatehouse.refresh(tokens["refresh_token"])
        assert body(refused)["error"] == "authorization_pending"
        assert body(refused)["access_request"] != str(row.pk)
        # Refreshing changed nothing: once it is approved again, the same refresh token goes on.
        approve(AccessRequest.objects.get(pk=body(refused)["access_request"]), world.person("alice"))
        assert gatehouse.refresh(tokens["refresh_token"]).status_code == 200

    def test_a_denied_person_is_sent_back_with_access_denied(self, gatehouse: World) -> None:
        ask_first(scopes=["mcp:read"])
        gatehouse.sign_in("bob")
        gatehouse.ask()
        row = AccessRequest.objects.get()
        voting.deny(row, by=world.person("alice"), comment="No.", now=datetime.now(UTC))
        assert gatehouse.authorize()["error"] == "access_denied"

    def test_a_request_without_pages_opens_nothing(self, gatehouse: World) -> None:
        ask_first(scopes=["mcp:read"])
        gatehouse.sign_in("bob")
        response = gatehouse.browser.get(gatehouse.authorize_url(prompt="none"))
        assert world.redirect_parameters(response)["error"] == "consent_required"
        assert not AccessRequest.objects.exists()

    def test_an_approval_is_no_approval_for_another_person(self, gatehouse: World) -> None:
        ask_first(scopes=["mcp:read"])
        gatehouse.sign_in("bob")
        gatehouse.ask()
        approve(AccessRequest.objects.get(), world.person("alice"))
        elsewhere = World()
        elsewhere.sign_in("charlie")
        assert elsewhere.browser.get(elsewhere.authorize_url()).status_code == 403


class TestWhoDecides:
    @pytest.mark.parametrize(
        ("role", "may"),
        [("administrator", True), ("approver", True), ("auditor", False), ("developer", False), ("none", False)],
    )
    def test_by_role(self, gatehouse: World, role: str, may: bool) -> None:
        request = waits(gatehouse)
        olga = person("olga", role)
        if may:
            approve(request, olga)
        else:
            with pytest.raises(NotDecided):
                approve(request, olga)
            with pytest.raises(NotDecided):
                voting.deny(request, by=olga, comment="No.", now=datetime.now(UTC))
        request.refresh_from_db()
        assert (request.status == "approved") is may

    def test_an_approver_decides_where_they_own_the_server(self, gatehouse: World) -> None:
        request = waits(gatehouse)
        owner, other = person("olga", "approver"), person("paul", "approver")
        ProtectedResource.objects.filter(identifier=NOTES).update(owner=owner)
        with pytest.raises(NotDecided):
            approve(request, other)
        approve(request, owner)

    def test_an_agents_owner_does_not_decide_for_it(self, gatehouse: World) -> None:
        request = waits(gatehouse)
        with pytest.raises(NotDecided, match="your own agent"):
            approve(request, world.person("alice"))

    def test_a_person_cannot_decide_what_they_requested(self, gatehouse: World) -> None:
        ask_first(scopes=["mcp:read"])
        gatehouse.sign_in("alice")
        gatehouse.ask()
        with pytest.raises(NotDecided, match="your own request"):
            approve(AccessRequest.objects.get(), world.person("alice"))

    def test_a_role_taken_away_a_moment_ago_decides_nothing(self, gatehouse: World) -> None:
        request = waits(gatehouse)
        olga = person("olga", "administrator")
        person("olga", "none")
        with pytest.raises(NotDecided):
            approve(request, olga)

    @pytest.mark.parametrize("scopes", [[], ["mcp:write"], ["mcp:read", "mcp:write"]])
    def test_no_more_is_approved_than_was_asked(self, gatehouse: World, scopes: list[str]) -> None:
        with pytest.raises(NotDecided):
            approve(waits(gatehouse), person("olga", "administrator"), scopes=scopes)

    @pytest.mark.parametrize("lasts", [timedelta(0), timedelta(days=31), timedelta(seconds=-1)])
    def test_an_approval_has_an_end(self, gatehouse: World, lasts: timedelta) -> None:
        with pytest.raises(NotDecided):
            approve(waits(gatehouse), person("olga", "administrator"), lasts=lasts)

    def test_a_decision_is_recorded_with_who_made_it(self, gatehouse: World) -> None:
        olga = person("olga", "approver")
        approve(waits(gatehouse), olga)
        event = AuditEvent.objects.get(event="policy:access_request:approved")
        assert (event.subject, event.detail["by"], event.detail["scope"]) == (str(olga.subject), "olga", "mcp:read")


class TestRaces:
    def test_of_many_asks_at_once_one_request_is_opened(self, committed_gatehouse: World) -> None:
        ask_first(scopes=["mcp:read"], machines=True)
        answers = at_once([lambda: machine_asks(World()) for _ in range(8)])
        assert len({body(answer)["access_request"] for answer in answers}) == 1
        assert AccessRequest.objects.get().asked == 8
        assert AuditEvent.objects.filter(event="policy:access_request:opened").count() == 1

    def test_of_many_who_decide_at_once_one_does(self, committed_gatehouse: World) -> None:
        request = waits(committed_gatehouse)
        people = [person(f"approver-{i}", "approver") for i in range(6)]

        def decide(by: User) -> str:
            try:
                if by.username.endswith(("0", "2", "4")):
                    approve(request, by)
                else:
                    voting.deny(request, by=by, comment="No.", now=datetime.now(UTC))
            except NotDecided:
                return ""
            return by.username

        winners = [name for name in at_once([lambda by=by: decide(by) for by in people]) if name]
        assert len(winners) == 1
        request.refresh_from_db()
        assert request.decided_by is not None
        assert request.decided_by.username == winners[0]
        decided = AuditEvent.objects.filter(event__startswith="policy:access_request:").exclude(
            event__endswith="opened"
        )
        assert [event.detail["by"] for event in decided] == winners


class TestAtATerminal:
    def manage(self, *arguments: str) -> str:
        output = StringIO()
        call_command("requests", *arguments, stdout=output, no_color=True)
        return output.getvalue()

    def test_from_the_ask_to_its_end(self, gatehouse: World) -> None:
        row, carol = waits(gatehouse), person("carol", "administrator")
        assert f"{row.pk}  nightly-report for itself at {NOTES}" in self.manage("list")
        assert self.manage("list", "--approved") == ""

        self.manage("approve", str(row.pk), "--by", carol.username, "--for", "1h")
        assert self.manage("list") == ""
        assert "mcp:read until " in self.manage("list", "--approved")
        assert machine_asks(gatehouse).status_code == 200

        assert self.manage("end", str(row.pk), "--by", carol.username) == f"{row.pk} cancelled\n"
        assert self.manage("list", "--approved") == ""
        assert body(machine_asks(gatehouse))["error"] == "authorization_pending"
        with pytest.raises(CommandError, match="no approval to end"):
            self.manage("end", str(row.pk), "--by", carol.username)

    @pytest.mark.parametrize("action", [("approve",), ("deny", "--comment", "no")])
    def test_who_may_not_decide_does_not_here_either(self, gatehouse: World, action: tuple[str, ...]) -> None:
        # Alice is an administrator, and owns the agent that asks.
        with pytest.raises(CommandError, match="your own agent"):
            self.manage(*action, str(waits(gatehouse).pk), "--by", "alice")
