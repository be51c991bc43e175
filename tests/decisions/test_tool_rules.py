"""Rules that speak of tools, from the configuration file to the decision, the explanation and back."""

from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command

from authz.configuration import ConfigurationError, apply
from authz.decisions import rule_check, simulation
from authz.models import AuditEvent
from tests.support.world import NOTES, World

CONFIGURATION = f"""
resources:
  - identifier: {NOTES}
    name: Notes
    default: true
    labels: [internal]
    decision_clients: [notes-server]
    introspection_clients: [notes-server]
    scopes:
      - {{name: "mcp:read", labels: [reading]}}
      - {{name: "mcp:write", sensitivity: high}}
    tools:
      - {{name: list_notes}}
      - {{name: "payroll_*", labels: [payroll], description: Pay slips}}
      - {{name: payroll_export, labels: [pii]}}
rules:
  - name: Bob's agent pays small amounts
    effect: allow
    clients: [desktop-app]
    users: [bob]
    resources: [{NOTES}]
    scopes: ["mcp:write"]
    tools: [payroll_pay]
    conditions: {{arguments: {{amount: {{below: 0.5}}, to.country: {{one_of: [DE, AT]}}}}}}
  - name: Personal data after a review
    effect: require_approval
    clients: ["*"]
    groups: ["*"]
    resources: ["*"]
    scopes: ["*"]
    labels: [pii]
"""

EXPECTATIONS = f"""
expectations:
  - {{client: desktop-app, user: bob, resource: {NOTES}, tool: list_notes, expect: allow}}
  - {{client: desktop-app, user: bob, resource: {NOTES}, tool: payroll_export, expect: require_approval}}
  - {{client: desktop-app, user: bob, resource: {NOTES}, tool: unheard_of, expect: require_approval}}
  - {{client: desktop-app, user: bob, resource: {NOTES}, expect: allow}}
"""


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, no_color=True)
    return out.getvalue()


@pytest.fixture
def with_tools(gatehouse: World) -> World:
    apply(CONFIGURATION)
    return gatehouse


def test_an_export_brings_back_what_was_applied(with_tools: World) -> None:
    exported = yaml.safe_load(manage("export"))
    given = yaml.safe_load(CONFIGURATION)
    server = next(item for item in exported["resources"] if item["identifier"] == NOTES)
    assert server["labels"] == ["internal"]
    assert [scope["labels"] for scope in server["scopes"]] == [["reading"], []]
    assert server["tools"] == [{"labels": [], "description": "", **tool} for tool in given["resources"][0]["tools"]]
    rule = next(item for item in exported["rules"] if item["name"] == "Bob's agent pays small amounts")
    assert rule["tools"] == ["payroll_pay"]
    assert rule["conditions"] == given["rules"][0]["conditions"]
    assert not apply(yaml.safe_dump({"resources": [server], "rules": [rule]}))


@pytest.mark.parametrize(("was", "becomes", "told"), [
    ("labels: [internal]", "labels: [Internal]", "labels"),
    ('"payroll_*"', '"*_payroll"', "tools[1].name"),
    ("list_notes", "payroll_export", "tools"),
    ("below: 0.5", "below: half", "below"),
    ("labels: [pii]\n", "labels: pii\n", "labels"),
])  # fmt: skip
def test_a_mistake_names_its_line(gatehouse: World, was: str, becomes: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        apply(CONFIGURATION.replace(was, becomes))
    assert told in str(refused.value)
    assert "line " in str(refused.value)


def test_expectations_can_be_about_calls(with_tools: World, tmp_path: Path) -> None:
    file = tmp_path / "expectations.yaml"
    file.write_text(EXPECTATIONS)
    assert "4 expectations met." in manage("policy", "test", str(file))
    file.write_text(EXPECTATIONS.replace("tool: list_notes", "arguments: {a: 1}"))
    with pytest.raises(CommandError, match="must be a mapping, beside a tool"):
        manage("policy", "test", str(file))


def test_an_explanation_names_what_does_not_match(with_tools: World) -> None:
    asked = ("policy", "explain", "--client", "desktop-app", "--user", "bob", "--resource", NOTES, "--scopes")
    call = ("mcp:write", "--tool", "payroll_pay", "--arguments")
    said = manage(*asked, *call, '{"amount": "0.1", "to": {"country": "US"}}')
    assert "arguments.amount: wants amount is below 0.5; the request has “0.1”" in said
    assert "arguments.to.country: wants to.country is “DE” or “AT”; the request has “US”" in said
    assert "labels: wants server, scope or tool is labelled pii; the request has internal, reading, payroll" in said
    said = manage(*asked, "mcp:write", "--tool", "list_notes")
    assert "tools: wants the tool payroll_pay; the request has list_notes" in said
    for wrong in ("[1]", '{"amount": 1, "amount": 2}', "{"):
        with pytest.raises(CommandError, match="no JSON object"):
            manage(*asked, *call, wrong)


def test_the_access_review_says_that_it_depends_on_the_call(with_tools: World) -> None:
    apply("rules:\n  - {name: No payroll, effect: deny, clients: [desktop-app], groups: ['*'], resources: ['*'],"
          " scopes: ['mcp:read'], tools: ['payroll_*']}\n")  # fmt: skip
    said = manage("policy", "reach", "--client", "desktop-app", "--user", "bob", "--resource", NOTES)
    assert (
        "mcp:read mcp:write: after the right sign-in, from the right network, at the right time, for some tools" in said
    )


def test_a_name_that_no_server_has_is_warned_of(with_tools: World) -> None:
    apply(CONFIGURATION.replace("tools: [payroll_pay]", "tools: [list_note]"))
    found = rule_check.check(simulation.current().values())
    (part,) = found["Bob's agent pays small amounts"]
    assert (part.field, part.suggestion, part.is_fatal) == ("tools[0]", "list_notes", True)


def test_an_allow_for_tools_of_a_server_that_does_not_ask_is_warned_of(with_tools: World) -> None:
    apply(CONFIGURATION.replace("decision_clients: [notes-server]", "decision_clients: []"))
    found = rule_check.check(simulation.current().values())
    assert "asks before each call" in found["Bob's agent pays small amounts"][0].problem


def test_a_token_keeps_in_the_audit_what_its_decision_rested_on(with_tools: World) -> None:
    with_tools.signed_in_tokens(scope="mcp:read")
    event = AuditEvent.objects.filter(event="token:access:issued").latest("id")
    asked = event.detail["ask"]
    assert asked["labels"] == ["internal"]
    assert asked["scope_labels"] == [["mcp:read", "reading"]]
    assert asked["tool_labels"] == ["payroll", "pii"]
    assert asked["asks_before_calls"] is True
    assert "It was" not in manage("policy", "replay", "--event", str(event.pk))


def test_a_policy_about_calls_is_compared_call_by_call(with_tools: World, tmp_path: Path) -> None:
    # The token depends on the call before and after; only the calls tell whether the policy is kept.
    apply("rules:\n  - {name: Bob exports, effect: allow, clients: [desktop-app], users: [bob],"
          f" resources: ['{NOTES}'], scopes: ['mcp:write'], tools: [payroll_print]}}\n")  # fmt: skip
    demand = tmp_path / "policy.yaml"
    demand.write_text("rules:\n  - {name: No pay slips, effect: deny, clients: ['*'], groups: ['*'],"
                      " resources: ['*'], scopes: ['mcp:write'], labels: [payroll]}\n")  # fmt: skip
    out = StringIO()
    with pytest.raises(CommandError, match="around it"):
        call_command("policy", "comply", str(demand), "--client", "desktop-app", stdout=out, no_color=True)
    assert (
        f"desktop-app for bob calling payroll_print at {NOTES} by authorization_code: mcp:write, now" in out.getvalue()
    )

    manage("apply", str(demand))
    assert manage("policy", "comply", str(demand)).startswith("The rules keep it")
