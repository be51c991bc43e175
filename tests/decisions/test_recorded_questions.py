"""Other rules, tried on what was really asked."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authz import decisions
from authz.decisions import past_decisions, recorded_questions, rule_history
from authz.models import AuditEvent, Client, Rule
from authz.policy import Direction, Outcome, RuleSet, compile
from authz.policy import Rule as PolicyRule
from tests.decision_point.conftest import PDP, configure
from tests.support import append_only
from tests.support.world import NOTES, SECRET, World, person


def without(*names: str) -> RuleSet:
    return compile(rule_history.readable(Rule.objects.exclude(name__in=names)))


@pytest.fixture(autouse=True)
def _no_events_of_the_world(gatehouse: World) -> None:
    """They may be far from a test's own, since ids are not used again, and it is ids that runs are counted by."""
    with append_only.lifted():
        AuditEvent.objects.all().delete()


def effect(new: RuleSet, days: int = 30) -> recorded_questions.Impact:
    return recorded_questions.impact(decisions.cached_rules(), new, days=days, now=datetime.now(UTC))


def test_it_says_who_would_have_lost_and_how_often(gatehouse: World) -> None:
    for _ in range(3):
        gatehouse.machine_token()
    gatehouse.signed_in_tokens()

    found = effect(without("Agents read notes"))

    (group,) = found.groups
    assert (group.client_id, group.subject, group.resource, group.count) == ("nightly-report", "", NOTES, 3)
    assert group.direction is Direction.LESS
    assert group.before == "granted mcp:read, 300 s at most"
    assert group.after == "refused (no rule allows)"
    assert found.is_complete
    assert "All 5 requests of the last 30 days were looked at." in found.looked_at  # a code and a token of Bob's


def test_it_says_who_would_have_won_from_refusals(gatehouse: World) -> None:
    gatehouse.sign_in("charlie")
    gatehouse.browser.get(gatehouse.authorize_url())
    rule = Rule(
        name="Visitors read",
        effect="allow",
        definition={"clients": ["*"], "groups": ["visitors"], "grant_types": ["*"], "resources": [NOTES],
                    "scopes": ["mcp:read"]},
    )  # fmt: skip

    found = effect(compile(rule_history.readable([*Rule.objects.all(), rule])))

    (group,) = found.groups
    assert (group.client_id, group.subject, group.direction) == ("desktop-app", "charlie", Direction.MORE)
    assert (group.before, group.after) == ("refused (no rule allows)", "granted mcp:read")


def test_the_ask_is_that_of_then_whatever_became_of_agent_and_person(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()
    person("bob").groups.clear()
    Client.objects.filter(client_id="desktop-app").update(status="retired", tags=["other"])

    (group,) = effect(without("Engineers use agents on Notes")).groups

    assert (group.subject, group.direction, group.count) == ("bob", Direction.LESS, 2)


def test_older_than_asked_is_left_out(gatehouse: World) -> None:
    gatehouse.machine_token()
    with append_only.lifted():
        AuditEvent.objects.update(time=datetime.now(UTC) - timedelta(days=10))
    assert effect(without("Agents read notes"), days=7).questions == 0
    assert effect(without("Agents read notes"), days=30).changed == 1


def test_events_from_before_the_record_are_taken_with_todays_facts(gatehouse: World) -> None:
    gatehouse.machine_token()
    event = AuditEvent.objects.latest("id")
    with append_only.lifted():
        AuditEvent.objects.update(detail={key: event.detail[key] for key in ("grant_type", "scope")})
    assert effect(without("Agents read notes")).changed == 1


def test_what_waits_is_said_to_wait(gatehouse: World) -> None:
    gatehouse.machine_token()
    Rule.objects.filter(name="Agents read notes").update(enabled=True)
    asking = Rule(
        name="Ask",
        effect="require_approval",
        definition={"clients": ["*"], "grant_types": ["*"], "resources": ["*"], "scopes": ["*"]},
    )
    (group,) = effect(compile(rule_history.readable([*Rule.objects.all(), asking]))).groups
    assert group.after == "waits: mcp:read, mcp:write"


def test_of_many_events_a_bounded_number_is_read_evenly_spread(
    gatehouse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_questions, "MAX_EVENTS_READ", 200)
    monkeypatch.setattr(recorded_questions, "RUN", 20)
    gatehouse.machine_token()
    event = AuditEvent.objects.latest("id")
    now = datetime.now(UTC)
    AuditEvent.objects.bulk_create(
        [
            AuditEvent(
                time=now - timedelta(days=20) + timedelta(minutes=10 * i),
                event=event.event,
                client_id=event.client_id,
                resource=event.resource,
                detail=event.detail,
            )
            for i in range(2000)
        ]
    )

    with CaptureQueriesContext(connection) as queries:
        found = effect(without("Agents read notes"))

    assert 100 < found.events <= 200
    assert found.total >= 2000
    assert not found.is_complete
    assert "evenly spread" in found.looked_at
    assert len(queries) < 25
    # Each reads a run of neighbours by their primary key.
    runs = [query["sql"] for query in queries if 'ORDER BY "authz_auditevent"."id" DESC' in query["sql"]]
    assert len(runs) == 10
    assert all('"authz_auditevent"."id" >=' in sql and '"authz_auditevent"."id" <=' in sql for sql in runs)


def test_gaps_between_ids_are_no_events(gatehouse: World) -> None:
    """Transactions that were rolled back, and archives, leave gaps: few events are all read, however far apart."""
    gatehouse.machine_token()
    newest = AuditEvent.objects.latest("id")
    AuditEvent.objects.create(pk=newest.pk + 10 * recorded_questions.MAX_EVENTS_READ, time=newest.time, event="x:y:z")
    found = recorded_questions.impact(
        decisions.cached_rules(), decisions.cached_rules(), days=30, now=datetime.now(UTC)
    )
    assert found.is_complete
    assert found.total == found.events == AuditEvent.objects.count()


def test_it_stops_when_its_time_is_over_and_says_so(gatehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_questions, "RUN", 1)
    monkeypatch.setattr(recorded_questions, "TOGETHER", 1)
    for _ in range(3):
        gatehouse.machine_token()
    clock = iter([0.0, 100.0])
    monkeypatch.setattr(recorded_questions, "time", type("Clock", (), {"monotonic": lambda: next(clock)}))
    found = effect(without())
    assert found.events == 1
    assert not found.is_complete


def test_the_command_tells_it_beside_the_difference(gatehouse: World, tmp_path: Path) -> None:
    gatehouse.machine_token()
    file = tmp_path / "rules.yaml"
    file.write_text(
        f"""
rules:
  - name: Agents read notes
    effect: allow
    clients: [posting-agent]
    resources: ["{NOTES}"]
    scopes: ["mcp:read"]
"""
    )
    output = StringIO()
    call_command("policy", "diff", str(file), "--days", "7", stdout=output, no_color=True)
    said = output.getvalue()
    assert "1 rule differs." in said
    assert (
        f"1 × nightly-report for itself at {NOTES}: granted mcp:read, 300 s at most → refused (no rule allows)" in said
    )
    assert "1 would have been answered otherwise. All 1 requests of the last 7 days were looked at." in said


def test_a_refused_token_request_is_an_ask(gatehouse: World) -> None:
    rules: Any = Rule.objects.filter(name="Agents read notes")
    rules.update(enabled=False)
    gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials")
    on = [*Rule.objects.exclude(name="Agents read notes"), *rules]
    for row in on:
        row.enabled = True
    (group,) = effect(compile(rule_history.readable(on))).groups
    assert (group.client_id, group.direction) == ("nightly-report", Direction.MORE)


def no_pay(**conditions: Any) -> RuleSet:
    """The stored rules, and a denial of the tool `pay`."""
    denial = {"name": "No pay", "effect": "deny", "clients": ["*"], "groups": ["*"], "grant_types": ["*"]}
    more = {"resources": ["*"], "scopes": ["*"], "tools": ["pay"], "conditions": conditions}
    return compile([*rule_history.readable(Rule.objects.all()), PolicyRule.from_mapping({**denial, **more})])


def test_calls_are_compared_like_tokens(gatehouse: World) -> None:
    configure(shown_arguments=["amount"])
    token = str(gatehouse.signed_in_tokens()["access_token"])
    pdp = PDP(gatehouse.browser)
    for tool in ("pay", "pay", "read"):
        assert pdp.call(token, tool, amount=250, purpose="rent")["decision"] is True

    found = effect(no_pay())

    (group,) = found.groups
    assert (group.client_id, group.subject, group.resource, group.tool, group.count) == (
        *("desktop-app", "bob", NOTES, "pay", 2),
    )
    assert (group.direction, group.before, group.after) == (Direction.LESS, "allowed", "refused (denied by rule)")
    assert (found.calls, found.changed, found.unknown) == (3, 2, 0)
    assert "All 5 requests (3 of them calls of tools) of the last 30 days" in found.looked_at


def test_a_call_is_replayed_without_the_networks_of_rules(gatehouse: World) -> None:
    """Its event has the address of the MCP server, for which no rule was meant."""
    configure()
    for row in Rule.objects.filter(effect="allow"):
        row.definition = {**row.definition, "conditions": {"networks": ["127.0.0.0/8"]}}
        row.save()
    token = str(gatehouse.signed_in_tokens()["access_token"])
    browser = gatehouse.browser
    browser.defaults["REMOTE_ADDR"] = "192.0.2.7"
    assert PDP(browser).call(token, "read")["decision"] is True

    found = past_decisions.of_event(AuditEvent.objects.get(event="access:call:allowed"))

    assert found.explanation.decision.effect is Outcome.ALLOW and found.notes == ()
    assert found.today is not None and found.today.decision.effect is Outcome.ALLOW
    assert found.explanation.decision.ruleset == decisions.cached_rules().version


def test_a_call_whose_arguments_are_not_recorded_is_counted_apart(gatehouse: World, tmp_path: Path) -> None:
    denial = next(rule for rule in no_pay().rules if rule.name == "No pay").to_mapping()
    large = {"arguments": {"amount": {"at_least": 1000}}}
    configure({**denial, "name": "Large", "conditions": large}, shown_arguments=["amount"])
    token = str(gatehouse.signed_in_tokens()["access_token"])
    pdp = PDP(gatehouse.browser)
    assert pdp.call(token, "pay", amount=250, purpose="rent")["decision"] is True
    assert pdp.call(token, "pay", purpose="rent")["decision"] is False  # the amount is missing, so the denial applies

    by_amount = effect(no_pay(arguments={"amount": {"at_least": 100}}))
    by_purpose = effect(no_pay(arguments={"purpose": {"equals": "rent"}}))

    # A rule named the amount, so the audit has it, and knows where it was missing.
    assert (by_amount.changed, by_amount.unknown) == (1, 0)
    assert (by_purpose.changed, by_purpose.unknown, by_purpose.unrecorded) == (0, 1, ("purpose",))
    assert by_purpose.left_unknown.startswith("Of 1 call it can't be known: rules depend on arguments")

    file = tmp_path / "rules.yaml"
    file.write_text(
        "rules: [{name: No pay, effect: deny, clients: ['*'], groups: ['*'], resources: ['*'], scopes: ['*'],"
        " tools: [pay], conditions: {arguments: {purpose: {equals: rent}}}}]"
    )
    out = StringIO()
    call_command("policy", "diff", str(file), "--days", "7", stdout=out, no_color=True)
    assert "! Of 1 call it can't be known" in out.getvalue()
    file.write_text(file.read_text().replace(", conditions: {arguments: {purpose: {equals: rent}}}", ""))
    out = StringIO()
    call_command("policy", "simulate", str(file), "--user", "bob", "--client", "desktop-app", stdout=out, no_color=True)
    assert "loses desktop-app for bob calling pay at" in out.getvalue()
