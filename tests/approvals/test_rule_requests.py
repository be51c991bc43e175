"""Asking for access where no rule exists: it reaches the MCP server's owners with a draft of a rule."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from authz.approvals import access_requests, approvers, rule_requests, voting
from authz.approvals.voting import NotDecided
from authz.configuration import accepted_rules, apply
from authz.configuration.resources import as_item, rows
from authz.models import AccessRequest, AuditEvent, Notification, Rule, RuleChange
from tests.support.races import at_once
from tests.support.world import NOTES, World, client, hidden_fields, person, redirect_parameters

READ, WRITE = "mcp:read", "mcp:write"
ALL = f"{READ} {WRITE}"
DENY = """
rules:
  - name: Secret rule against visitors
    effect: deny
    clients: ["*"]
    groups: [visitors]
    grant_types: ["*"]
    resources: ["*"]
    scopes: ["*"]
"""


def own(*names: str) -> None:
    item = as_item(rows().get(identifier=NOTES)) | {"owners": list(names)}
    apply(json.dumps({"resources": [item]}))


def refused(world: World, username: str = "charlie", **changes: Any) -> tuple[str, Any]:
    world.sign_in(username)
    url = world.authorize_url(**{"scope": ALL, **changes})
    return url, world.browser.get(url)


def asked(world: World, *ticked: str, reason: str = "For the report.", **changes: Any) -> AccessRequest:
    url, page = refused(world, **changes)
    answer = world.press(url, page, ask="true", reason=reason, **({"scope": list(ticked)} if ticked else {}))
    assert answer.status_code == 302, answer.content
    return AccessRequest.objects.get(needs_rule=True)


def accept(request: AccessRequest, by: str = "bob", **changes: Any) -> AccessRequest:
    given: dict[str, Any] = {"scopes": request.scopes, "comment": "", **changes}
    return accepted_rules.accept(request, by=person(by), now=datetime.now(UTC), **given)


class TestAsking:
    def test_a_person_is_offered_to_ask_and_a_look_asks_for_nothing(self, gatehouse: World) -> None:
        _, page = refused(gatehouse)

        assert page.status_code == 403
        assert 'name="ask"' in page.content.decode()
        assert not AccessRequest.objects.exists()
        event = AuditEvent.objects.get(event="authorize:request:refused")
        assert (event.reason, event.detail["detail"]) == ("access_denied_by_policy", "no_rule_allows")

    def test_going_back_tells_the_client(self, gatehouse: World) -> None:
        url, page = refused(gatehouse)

        back = redirect_parameters(gatehouse.press(url, page, deny="true"))

        assert (back["error"], back["state"]) == ("access_denied", "xyz")
        assert back["iss"]
        assert not AccessRequest.objects.exists()

    def test_a_silent_request_is_refused_without_a_page(self, gatehouse: World) -> None:
        """> none: The Authorization Server MUST NOT display any authentication or consent user interface pages."""
        _, answer = refused(gatehouse, prompt="none")
        assert redirect_parameters(answer)["error"] == "access_denied"

    def test_it_reaches_the_owners_with_the_reason(self, gatehouse: World, settings: Any) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        own("bob")

        request = asked(gatehouse)

        assert (request.scopes, request.reason) == ([READ, WRITE], "For the report.")
        told = Notification.objects.filter(kind="access_request.opened", about=str(request.pk))
        assert [notice.recipient.username for notice in told if notice.recipient] == ["bob"]
        assert approvers.who(request) == [person("bob")]
        event = AuditEvent.objects.get(event="policy:access_request:opened")
        assert event.detail["needs_rule"] is True
        assert (event.client_id, event.resource) == ("desktop-app", NOTES)

    def test_without_an_owner_it_reaches_administrators(self, gatehouse: World) -> None:
        assert approvers.who(asked(gatehouse)) == [person("alice")]

    def test_a_part_is_asked_for(self, gatehouse: World) -> None:
        request = asked(gatehouse, READ)
        assert request.scopes == [READ]

        _, again = refused(gatehouse)
        assert b'name="ask"' not in again.content
        assert READ in again.content.decode() and WRITE not in again.content.decode()

    @pytest.mark.parametrize("ticked", [[], ["payroll:read"], [READ, READ], [ALL], ["*"]])
    def test_forged_boxes_ask_for_nothing(self, gatehouse: World, ticked: list[str]) -> None:
        url, page = refused(gatehouse)

        answer = gatehouse.press(url, page, ask="true", scope=ticked)

        assert answer.status_code == 403
        assert not AccessRequest.objects.exists()

    def test_a_page_elsewhere_asks_for_nothing_in_a_persons_name(self, gatehouse: World) -> None:
        """Attack 31: without the seal of the page that was shown."""
        url, page = refused(gatehouse)
        for form in ({"ask": "true"}, {"ask": "true", "shown": "0" * 64, "scope": [READ]}):
            assert gatehouse.browser.post(url, form).status_code == 403
        other = gatehouse.authorize_url(scope=READ)
        assert gatehouse.press(other, page, ask="true").status_code == 403
        assert not AccessRequest.objects.exists()

    def test_asking_again_is_the_same_request(self, gatehouse: World) -> None:
        first = asked(gatehouse)
        url, page = refused(gatehouse)
        gatehouse.press(url, page, explain="true", reason="Another reason.")

        again = AccessRequest.objects.get()
        assert (again.pk, again.reason) == (first.pk, "Another reason.")

    def test_a_deny_looks_the_same_to_who_asks(self, gatehouse: World) -> None:
        """The asker learns nothing of the rules there are."""
        pages = []
        url, _ = refused(gatehouse)
        for _ in range(2):
            page = gatehouse.browser.get(url)
            fields = hidden_fields(page)
            shown = page.content.decode().replace(page["X-Request-Id"], "").replace(fields["shown"], "")
            pages.append(shown.replace(fields["csrfmiddlewaretoken"], "") if "csrfmiddlewaretoken" in fields else shown)
            apply(DENY)
        assert "Secret rule" not in pages[1]
        assert pages[0] == pages[1]
        assert asked(gatehouse).context["rules"] == []

    def test_a_flood_of_requests_ends(self, gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rule_requests, "MAXIMUM_OPEN", 1)
        asked(gatehouse, READ)
        url, page = refused(gatehouse, client_id="web-app")

        answer = gatehouse.press(url, page, ask="true")

        assert "code" not in redirect_parameters(answer)
        assert AccessRequest.objects.count() == 1


class TestDeciding:
    def test_accepting_makes_the_narrowest_rule_and_the_next_request_is_allowed(self, gatehouse: World) -> None:
        own("bob")
        before = RuleChange.objects.count()

        accept(asked(gatehouse))

        rule = Rule.objects.exclude(name__in=["Agents read notes", "Engineers use agents on Notes"]).get()
        definition = {name: value for name, value in rule.definition.items() if value not in (None, [], {})}
        assert definition == {
            "clients": ["desktop-app"], "users": ["charlie"], "grant_types": ["authorization_code"],
            "resources": [NOTES], "scopes": [READ, WRITE],
        }  # fmt: skip
        change = RuleChange.objects.latest("id")
        assert (RuleChange.objects.count(), change.author, change.how) == (before + 1, "bob", "request")
        made = AuditEvent.objects.filter(event="configuration:object:created").latest("id")
        assert made.subject == str(person("bob").subject)
        answer = AuditEvent.objects.get(event="policy:access_request:approved")
        assert (answer.subject, answer.detail["rule"]) == (str(person("bob").subject), rule.name)
        assert gatehouse.redeem(gatehouse.authorize(username="charlie", scope=ALL)["code"]).json()["scope"] == ALL

    def test_a_part_is_accepted_for_a_group(self, gatehouse: World) -> None:
        own("bob")
        accept(asked(gatehouse), scopes=[READ], group="visitors")

        definition = Rule.objects.latest("id").definition
        assert (definition["groups"], definition["scopes"]) == (["visitors"], [READ])
        assert not definition.get("users")

    def test_a_group_of_others_is_refused(self, gatehouse: World) -> None:
        own("bob")
        request, before = asked(gatehouse), Rule.objects.count()
        for group in ("engineering", "*"):
            with pytest.raises(NotDecided):
                accept(request, group=group)
        assert Rule.objects.count() == before

    @pytest.mark.parametrize("scopes", [[], ["*"], [READ, "payroll:read"], ["mcp:admin"]])
    def test_more_than_was_asked_for_is_refused(self, gatehouse: World, scopes: list[str]) -> None:
        own("bob")
        request, before = asked(gatehouse), Rule.objects.count()
        with pytest.raises(NotDecided):
            accept(request, scopes=scopes)
        assert (Rule.objects.count(), AccessRequest.objects.get().status) == (before, "open")

    def test_who_asks_does_not_accept_it_as_owner(self, gatehouse: World) -> None:
        own("charlie")
        with pytest.raises(NotDecided, match="your own request"):
            accept(asked(gatehouse), by="charlie")

    def test_another_persons_owner_accepts_nothing(self, gatehouse: World) -> None:
        with pytest.raises(NotDecided, match="Others decide this"):
            accept(asked(gatehouse), by="bob")

    def test_an_approver_accepts_no_rule_at_a_server_of_others(self, gatehouse: World) -> None:
        own("alice")
        request = asked(gatehouse)
        bob = person("bob")
        bob.role = "approver"
        bob.save()
        with pytest.raises(NotDecided, match="Others decide this"):
            accept(request, by="bob")

    def test_it_is_not_approved_as_if_a_rule_waited(self, gatehouse: World) -> None:
        own("bob")
        request, now = asked(gatehouse), datetime.now(UTC)
        with pytest.raises(NotDecided):
            voting.approve(
                request, by=person("bob"), scopes=[READ], expires=now + voting.DURATIONS["1h"], comment="", now=now
            )

    def test_a_rejection_with_a_reason_is_told_and_holds(self, gatehouse: World) -> None:
        own("bob")
        request = asked(gatehouse)

        voting.deny(request, by=person("bob"), comment="Use the export.", now=datetime.now(UTC))

        _, page = refused(gatehouse)
        assert "Use the export." in page.content.decode()
        assert b'name="ask"' not in page.content
        assert redirect_parameters(gatehouse.press(*refused(gatehouse), deny="true"))["error"] == "access_denied"
        assert AccessRequest.objects.count() == 1

    def test_where_a_rule_denies_it_accepting_is_refused(self, gatehouse: World) -> None:
        own("bob")
        apply(DENY)
        request, before = asked(gatehouse), Rule.objects.count()
        with pytest.raises(NotDecided, match="would change nothing"):
            accept(request)
        assert (Rule.objects.count(), AccessRequest.objects.get().status) == (before, "open")

    def test_an_agent_that_changed_meanwhile_is_not_accepted(self, gatehouse: World) -> None:
        own("bob")
        request = asked(gatehouse)
        type(request.client).objects.filter(pk=request.client_id).update(consent_digest="another")
        with pytest.raises(NotDecided, match="has changed"):
            accept(request)

    def test_an_accepted_one_approves_nothing_by_itself(self, gatehouse: World) -> None:
        """It is the rule that allows: without it the answer gives nothing."""
        own("bob")
        accept(asked(gatehouse))
        Rule.objects.latest("id").delete()
        assert gatehouse.authorize(username="charlie", scope=ALL)["error"] == "access_denied"

    def test_it_is_decided_once(self, committed_gatehouse: World) -> None:
        own("bob")
        request = asked(committed_gatehouse)
        before = Rule.objects.count()

        def answer(by: str, yes: bool) -> str:
            try:
                if yes:
                    accept(AccessRequest.objects.get(pk=request.pk), by=by)
                else:
                    row = AccessRequest.objects.get(pk=request.pk)
                    voting.deny(row, by=person(by), comment="No.", now=datetime.now(UTC))
            except NotDecided:
                return "too late"
            return "accepted" if yes else "rejected"

        answers = at_once(
            [lambda: answer("bob", True), lambda: answer("alice", True), lambda: answer("alice", False)] * 2
        )

        assert sorted(answers).count("too late") == 5
        row = AccessRequest.objects.get()
        assert row.status == {"accepted": "approved", "rejected": "denied"}[min(set(answers) - {"too late"})]
        assert Rule.objects.count() == before + (row.status == "approved")

    def test_two_who_ask_at_once_have_one_request(self, committed_gatehouse: World) -> None:
        url, page = refused(committed_gatehouse)
        form = hidden_fields(page) | {"ask": "true"}

        def ask() -> int:
            other = World()
            other.browser.cookies = committed_gatehouse.browser.cookies
            return int(other.browser.post(url, form).status_code)

        assert set(at_once([ask] * 4)) <= {302, 403}
        assert AccessRequest.objects.count() == 1


class TestAgentsOwner:
    def test_a_developer_asks_for_their_agent(self, gatehouse: World) -> None:
        """“nightly-report” may read; its owner asks for writing."""
        agent, erin = client("nightly-report"), person("charlie")
        erin.role = "developer"
        erin.save()
        agent.owner = erin
        agent.save()
        own("bob")
        gatehouse.sign_in("charlie")
        page = f"/console/authz/client/{agent.pk}/ask/"
        form = {"resource": NOTES, "scopes": WRITE, "acts_for": "agent", "reason": "It tidies up."}

        answer = gatehouse.browser.post(page, hidden_fields(gatehouse.browser.get(page)) | form)

        assert answer.status_code == 302, answer.content
        request = AccessRequest.objects.get()
        assert (request.needs_rule, request.grant_type, request.user) == (True, "client_credentials", None)
        accept(request)
        rule = Rule.objects.latest("id").definition
        assert rule["clients"] == ["nightly-report"] and not rule.get("users") and not rule.get("groups")
        assert gatehouse.machine_token(scope=WRITE)["scope"] == WRITE


def test_the_owner_decides_on_a_page_without_a_role(gatehouse: World) -> None:
    own("bob")
    request = asked(gatehouse)
    gatehouse.browser = World().browser
    gatehouse.sign_in("bob")
    address = f"/account/requests/{request.pk}/decide"
    found = gatehouse.browser.get(f"/account/requests/{request.pk}", follow=True)
    assert found.status_code == 200
    text = found.content.decode()
    assert "The narrowest rule that allows it" in text and "For the report." in text
    assert "Effect on past requests" in text

    address = found.redirect_chain[-1][0]
    done = gatehouse.browser.post(
        address,
        hidden_fields(found) | {"decision": "approve", "scopes": [READ], "holds_for": "alone", "comment": "Fine."},
    )

    assert done.status_code == 302, done.content
    assert Rule.objects.latest("id").definition["scopes"] == [READ]
    assert access_requests.queue(datetime.now(UTC)).count() == 0
