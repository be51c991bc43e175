"""Who may decide an access request, how many approvers are needed, and that no one decides twice, also concurrently."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from authz.approvals import approvers as who_approves
from authz.approvals import voting
from authz.approvals.voting import NotDecided
from authz.models import AccessRequest, AuditEvent, ProtectedResource, Rule, User
from tests.support import world
from tests.support.races import at_once
from tests.support.world import NOTES, PAYROLL, SECRET, World

HOUR = timedelta(hours=1)
RULE = "Ask a human first"


def hold(name: str = RULE, scopes: tuple[str, ...] = ("*",), approvers: Any = None) -> None:
    definition: dict[str, Any] = {"clients": ["*"], "groups": ["*"], "grant_types": ["*"]}
    definition |= {"resources": [NOTES, PAYROLL], "scopes": list(scopes)}
    if approvers is not None:
        definition["approvers"] = approvers
    Rule.objects.create(name=name, effect="require_approval", definition=definition)


def person(username: str, *groups: str, role: str = "none") -> User:
    user, _ = User.objects.get_or_create(username=username)
    user.role = role
    user.save()
    user.groups.set([Group.objects.get_or_create(name=name)[0] for name in groups])
    return user


def bob_asks(gatehouse: World, scope: str = "mcp:read mcp:write") -> AccessRequest:
    """Bob comes with the desktop app; what waits."""
    gatehouse.sign_in("bob")
    gatehouse.ask(scope=scope)
    return AccessRequest.objects.get(status="open")


def approve(request: AccessRequest, by: User, *scopes: str, lasts: timedelta = HOUR) -> str:
    now = datetime.now(UTC)
    given = scopes or request.scopes
    return voting.approve(
        request, by=by, scopes=given, expires=now + lasts, comment=f"Says {by.username}.", now=now
    ).status


def deny(request: AccessRequest, by: User) -> str:
    return voting.deny(request, by=by, comment="No.", now=datetime.now(UTC)).status


class TestWho:
    @pytest.mark.parametrize(
        ("approvers", "may"),
        [
            ({"users": ["olga"]}, {"olga"}),
            ({"groups": ["leads"]}, {"paul"}),
            ({"roles": ["approver"]}, {"quentin"}),
            ({"roles": ["administrator"]}, {"alice"}),
            ({"owner": True}, {"rosa"}),
            ({"owner": True, "groups": ["leads"], "users": ["olga"]}, {"olga", "paul", "rosa"}),
            (None, {"alice", "rosa"}),
        ],
    )
    def test_a_rule_says_who(self, gatehouse: World, approvers: Any, may: set[str]) -> None:
        people = [
            world.person("alice"),
            person("olga"),
            person("paul", "leads"),
            person("quentin", role="approver"),
            person("rosa"),
        ]
        ProtectedResource.objects.filter(identifier=NOTES).update(owner=people[-1])
        hold(approvers=approvers)
        request = bob_asks(gatehouse)
        found = {user.username for user in people if not who_approves.objection(request, user)}
        assert found == may
        assert {user.username for user in who_approves.who(request)} == may

    def test_without_an_owner_any_approver_decides(self, gatehouse: World) -> None:
        hold()
        assert approve(bob_asks(gatehouse), person("quentin", role="approver")) == "approved"

    def test_the_server_says_who_where_the_rule_does_not(self, gatehouse: World) -> None:
        ProtectedResource.objects.filter(identifier=NOTES).update(approvers={"groups": ["leads"]})
        hold()
        request = bob_asks(gatehouse)
        with pytest.raises(NotDecided, match="members of leads"):
            approve(request, world.person("alice"))
        assert approve(request, person("paul", "leads")) == "approved"

    def test_the_rule_outweighs_the_server(self, gatehouse: World) -> None:
        ProtectedResource.objects.filter(identifier=NOTES).update(approvers={"groups": ["leads"]})
        hold(approvers={"users": ["olga"]})
        request = bob_asks(gatehouse)
        with pytest.raises(NotDecided):
            approve(request, person("paul", "leads"))
        assert approve(request, person("olga")) == "approved"

    @pytest.mark.parametrize("broken", [{}, {"groups": []}, {"everybody": True}, "olga"])
    def test_what_cannot_be_read_leaves_it_to_administrators(self, gatehouse: World, broken: Any) -> None:
        ProtectedResource.objects.filter(identifier=NOTES).update(approvers=broken)
        hold()
        request = bob_asks(gatehouse)
        with pytest.raises(NotDecided):
            approve(request, person("quentin", role="approver"))
        assert approve(request, world.person("alice")) == "approved"

    def test_a_named_approver_cannot_approve_their_own_request(self, gatehouse: World) -> None:
        hold(approvers={"users": ["bob"]})
        request = bob_asks(gatehouse)
        for role in ("none", "approver", "administrator"):
            with pytest.raises(NotDecided, match="your own request"):
                approve(request, person("bob", role=role))
        assert not who_approves.who(request)

    def test_a_person_cannot_approve_a_request_of_their_own_agent(self, gatehouse: World) -> None:
        olga = person("olga")
        hold(approvers={"users": ["olga"]})
        request = bob_asks(gatehouse)
        type(request.client).objects.filter(pk=request.client_id).update(owner=olga)
        with pytest.raises(NotDecided, match="your own agent"):
            approve(request, olga)

    @pytest.mark.parametrize("changes", [{"role": "auditor"}, {"is_active": False}])
    def test_an_auditor_and_who_left_decide_nothing(self, gatehouse: World, changes: dict[str, Any]) -> None:
        hold(approvers={"users": ["olga"]})
        person("olga")
        User.objects.filter(username="olga").update(**changes)
        with pytest.raises(NotDecided):
            approve(bob_asks(gatehouse), User.objects.get(username="olga"))

    def test_a_rule_made_stricter_counts_at_once(self, gatehouse: World) -> None:
        hold(approvers={"roles": ["approver"]})
        request, quentin = bob_asks(gatehouse), person("quentin", role="approver")
        rule = Rule.objects.get(name=RULE)
        rule.definition["approvers"] = {"users": ["olga"]}
        rule.save()
        with pytest.raises(NotDecided):
            approve(request, quentin)

    def test_a_rule_that_came_later_asks_for_an_approval_of_its_own(self, gatehouse: World) -> None:
        hold()
        assert approve(bob_asks(gatehouse), world.person("alice")) == "approved"
        assert "code" in gatehouse.authorize(scope="mcp:read mcp:write")
        hold("Writing takes two", ("mcp:write",), {"groups": ["leads"], "count": 2})
        request = bob_asks(gatehouse)
        assert request.scopes == ["mcp:write"]
        assert approve(request, world.person("alice")) == "open", "the rules ask together, and she answers one"
        for name in ("olga", "paul"):
            assert approve(request, person(name, "leads")) == ("open" if name == "olga" else "approved")


class TestSeveral:
    def two(self, gatehouse: World) -> tuple[AccessRequest, User, User]:
        hold(approvers={"groups": ["leads"], "count": 2})
        return bob_asks(gatehouse), person("olga", "leads"), person("paul", "leads")

    def test_the_second_completes_it_with_what_both_left_until_the_earliest_end(self, gatehouse: World) -> None:
        request, olga, paul = self.two(gatehouse)
        assert approve(request, olga, "mcp:read", "mcp:write", lasts=HOUR) == "open"
        assert bob_asks(gatehouse).pk == request.pk, "one is not enough"
        assert approve(request, paul, "mcp:read", lasts=24 * HOUR) == "approved"
        request.refresh_from_db()
        assert request.approved_scopes == ["mcp:read"]
        assert request.expires is not None
        assert request.expires - datetime.now(UTC) <= HOUR
        assert json.loads(gatehouse.redeem(gatehouse.authorize(scope="mcp:read mcp:write")["code"]).content)[
            "scope"
        ] == ("mcp:read")
        events = AuditEvent.objects.filter(event__startswith="policy:access_request:").order_by("id")
        assert [(event.event.rpartition(":")[2], event.detail.get("by")) for event in events] == [
            ("opened", None),
            ("seconded", "olga"),
            ("approved", "paul"),
        ]

    def test_a_second_decision_is_refused(self, gatehouse: World) -> None:
        request, olga, _ = self.two(gatehouse)
        approve(request, olga)
        for again in (approve, deny):
            with pytest.raises(NotDecided, match="already"):
                again(request, olga)
        request.refresh_from_db()
        assert request.status == "open"

    def test_one_denial_is_a_denial(self, gatehouse: World) -> None:
        request, olga, paul = self.two(gatehouse)
        approve(request, olga)
        assert deny(request, paul) == "denied"
        assert gatehouse.authorize(scope="mcp:read mcp:write")["error"] == "access_denied"

    def test_nothing_in_common_is_no_approval(self, gatehouse: World) -> None:
        request, olga, paul = self.two(gatehouse)
        approve(request, olga, "mcp:read")
        with pytest.raises(NotDecided, match="none of these"):
            approve(request, paul, "mcp:write")
        assert request.votes.count() == 1
        assert approve(request, paul, "mcp:read") == "approved"

    def test_who_lost_the_group_in_between_counts_no_more(self, gatehouse: World) -> None:
        request, olga, paul = self.two(gatehouse)
        approve(request, olga)
        olga.groups.clear()
        assert approve(request, paul) == "open"
        assert approve(request, person("quentin", "leads")) == "approved"

    def test_an_approval_whose_end_has_passed_before_the_second_came_is_given_anew(self, gatehouse: World) -> None:
        request, olga, paul = self.two(gatehouse)
        approve(request, olga)
        request.votes.update(expires=datetime.now(UTC) - HOUR)
        assert approve(request, paul) == "open"
        assert approve(request, olga) == "approved"

    def test_each_rule_that_asked_is_answered_by_its_own(self, gatehouse: World) -> None:
        hold("Reading", ("mcp:read",), {"users": ["olga"]})
        hold("Writing", ("mcp:write",), {"users": ["paul"]})
        request = bob_asks(gatehouse)
        assert approve(request, person("olga")) == "open"
        assert approve(request, person("paul")) == "approved"

    def test_who_is_an_approver_of_both_rules_answers_both(self, gatehouse: World) -> None:
        hold("Reading", ("mcp:read",), {"users": ["olga"]})
        hold("Writing", ("mcp:write",), {"groups": ["leads"]})
        assert approve(bob_asks(gatehouse), person("olga", "leads")) == "approved"


class TestRaces:
    def outcomes(self, calls: list[Callable[[], str]]) -> list[str]:
        def told(call: Callable[[], str]) -> str:
            try:
                return call()
            except NotDecided:
                return "refused"

        return sorted(at_once([lambda call=call: told(call) for call in calls]))

    def two(self, gatehouse: World) -> tuple[AccessRequest, User, User]:
        hold(approvers={"groups": ["leads"], "count": 2})
        return bob_asks(gatehouse), person("olga", "leads"), person("paul", "leads")

    def test_two_approvers_at_once_complete_it_once(self, committed_gatehouse: World) -> None:
        request, olga, paul = self.two(committed_gatehouse)
        found = self.outcomes(
            [lambda: approve(request, olga, "mcp:read", "mcp:write"), lambda: approve(request, paul, "mcp:read")]
        )
        assert found == ["approved", "open"]
        request.refresh_from_db()
        assert (request.status, request.approved_scopes) == ("approved", ["mcp:read"])
        assert AuditEvent.objects.filter(event="policy:access_request:approved").count() == 1

    def test_the_same_approver_twice_at_once_is_one(self, committed_gatehouse: World) -> None:
        request, olga, _ = self.two(committed_gatehouse)
        assert self.outcomes([lambda: approve(request, olga)] * 6) == ["open"] + ["refused"] * 5
        request.refresh_from_db()
        assert (request.status, request.votes.count()) == ("open", 1)

    def test_approving_against_denying_settles_one_way(self, committed_gatehouse: World) -> None:
        request, olga, paul = self.two(committed_gatehouse)
        quentin = person("quentin", "leads")
        approve(request, olga)
        found = self.outcomes([lambda: approve(request, paul), lambda: deny(request, quentin)])
        request.refresh_from_db()
        assert found in (["approved", "refused"], ["denied", "refused"])
        assert request.status == found[0]
        closing = AuditEvent.objects.filter(
            event__in=["policy:access_request:approved", "policy:access_request:denied"]
        )
        assert closing.count() == 1

    def test_withdrawing_against_approving_settles_one_way(self, committed_gatehouse: World) -> None:
        hold()
        request, alice, bob = bob_asks(committed_gatehouse), world.person("alice"), world.person("bob")

        def withdraw() -> str:
            return "cancelled" if voting.cancel(request, by=bob, now=datetime.now(UTC)) else "refused"

        found = self.outcomes([lambda: approve(request, alice), withdraw])
        request.refresh_from_db()
        assert "refused" in found
        assert request.status in found


class TestWhatAnApprovalCovers:
    """Exactly what was asked (attacks of scope, server, person and agent), and only until it ends."""

    @pytest.fixture
    def approved(self, gatehouse: World) -> AccessRequest:
        hold()
        request = bob_asks(gatehouse, "mcp:read")
        approve(request, world.person("alice"))
        assert "code" in gatehouse.authorize(scope="mcp:read")
        return request

    def status(self, gatehouse: World, **changes: Any) -> int:
        return gatehouse.browser.get(gatehouse.authorize_url(**changes)).status_code

    def test_no_other_scope(self, gatehouse: World, approved: AccessRequest) -> None:
        gatehouse.ask(scope="mcp:write")
        assert self.status(gatehouse, scope="mcp:read mcp:write") == 403
        assert AccessRequest.objects.filter(status="open", scopes=["mcp:write"]).count() == 1

    def test_no_other_server(self, gatehouse: World, approved: AccessRequest) -> None:
        assert self.status(gatehouse, scope="payroll:read", resource=PAYROLL) == 403

    def test_no_other_person(self, gatehouse: World, approved: AccessRequest) -> None:
        elsewhere = World()
        elsewhere.sign_in("charlie")
        assert self.status(elsewhere, scope="mcp:read") == 403

    def test_no_other_agent(self, gatehouse: World, approved: AccessRequest) -> None:
        assert self.status(gatehouse, scope="mcp:read", client_id="web-app") == 403

    def test_no_machine_of_the_same_agent(self, gatehouse: World, approved: AccessRequest) -> None:
        Rule.objects.filter(name=RULE).update(
            definition={"clients": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["*"]}
        )
        answer = gatehouse.token(grant_type="client_credentials", client_id="posting-agent", client_secret=SECRET)
        assert json.loads(answer.content)["error"] == "authorization_pending"

    def test_nothing_after_its_end(self, gatehouse: World, approved: AccessRequest) -> None:
        AccessRequest.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
        assert self.status(gatehouse, scope="mcp:read") == 403

    def test_what_was_left_out_is_declined_for_as_long(self, gatehouse: World) -> None:
        hold()
        approve(bob_asks(gatehouse), world.person("alice"), "mcp:read")
        assert gatehouse.authorize(scope="mcp:write")["error"] == "access_denied"
        assert "code" in gatehouse.authorize(scope="mcp:read")
