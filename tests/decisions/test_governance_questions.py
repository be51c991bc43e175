"""The three questions of docs/governance.md, asked as the page says."""

import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from authz.approvals import agent_lifecycle
from authz.approvals.agent_lifecycle import Terms
from authz.models import Rule, User
from tests.support.world import NOTES, PAYROLL, World, client

PAGE = (Path(__file__).resolve().parents[2] / "docs/governance.md").read_text()


def manage(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output, no_color=True)
    return output.getvalue()


@pytest.fixture
def data_policy(tmp_path: Path) -> str:
    text, _ = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    file = tmp_path / "data-policy.yaml"
    file.write_text(text)
    return str(file)


def test_is_this_agent_approved_for_production(gatehouse: World) -> None:
    question = ("agents", "show", "nightly-report", "--environment", "production")
    assert " ".join(question) in PAGE
    with pytest.raises(CommandError, match="not approved for production"):
        manage(*question)

    carol, now = User.objects.create(username="carol", role="approver"), datetime.now(UTC)
    terms = Terms(environment="production", until=now + timedelta(days=90))
    agent_lifecycle.approve(client("nightly-report"), by=carol, now=now, terms=terms)

    assert manage(*question).startswith("nightly-report: approved for production by carol until ")


def test_may_alice_delegate_payroll_access_to_it(gatehouse: World) -> None:
    question = ("policy", "explain", "--client", "desktop-app", "--user", "alice", "--resource", PAYROLL)
    assert " ".join(question) in PAGE
    said = manage(*question)
    assert said.startswith("DENY: no rule allows")
    assert "Engineers use agents on Notes" in said
    assert f"resources: wants {NOTES}; the request has {PAYROLL}" in said


def test_does_this_comply_with_our_data_policy(gatehouse: World, data_policy: str) -> None:
    with pytest.raises(CommandError, match="around it"):
        manage("policy", "comply", data_policy)

    # Once applied, it is enforced, also against later permissions.
    manage("apply", data_policy)
    assert manage("policy", "comply", data_policy).startswith("The rules keep it")
    everything = {"clients": ["*"], "groups": ["*"], "grant_types": ["*"], "resources": ["*"], "scopes": ["*"]}
    Rule.objects.create(name="Carelessly, everything", effect="allow", definition=everything)
    assert manage("policy", "comply", data_policy).startswith("The rules keep it")


def test_who_gets_around_it_is_listed(gatehouse: World, data_policy: str) -> None:
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("policy", "comply", data_policy, stdout=output, no_color=True)
    lines = output.getvalue().splitlines()
    assert f"desktop-app for bob at {NOTES} by authorization_code: mcp:write, now" in lines
    # Reading notes is not personal data, and Charlie gets nothing anyway.
    assert not any("mcp:read" in line or "charlie" in line for line in lines)


def test_how_often_it_really_happened_is_told(gatehouse: World, data_policy: str) -> None:
    gatehouse.signed_in_tokens(scope="mcp:read mcp:write")
    said = manage("policy", "diff", data_policy, "--days", "30")
    assert f"desktop-app for bob at {NOTES}: granted mcp:read, mcp:write → waits: mcp:write" in said


def test_a_policy_that_allows_demands_nothing(gatehouse: World, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(f'rules: [{{name: x, effect: allow, clients: ["*"], resources: ["{NOTES}"], scopes: ["*"]}}]')
    with pytest.raises(CommandError, match="demand nothing"):
        manage("policy", "comply", str(file))


@pytest.mark.parametrize(
    ("escape", "conditions"),
    [
        ("from another network", {"networks": ["10.0.0.0/8"]}),
        ("after another sign-in", {"acr": ["bronze"]}),
        ("at another hour", {"hours": {"from": "00:00", "to": "23:59"}}),
        ("once it has ended", {"not_after": "2999-01-01"}),
    ],
)
def test_who_gets_around_the_approval_is_listed(
    gatehouse: World, data_policy: str, escape: str, conditions: dict[str, object]
) -> None:
    definition = {"clients": ["*"], "groups": ["*"], "grant_types": ["*"], "resources": ["*"], "scopes": ["*"]}
    Rule.objects.create(
        name="Sometimes ask", effect="require_approval", definition={**definition, "conditions": conditions}
    )
    output = StringIO()
    with pytest.raises(CommandError, match="around it"):
        call_command("policy", "comply", data_policy, stdout=output, no_color=True)
    assert f"desktop-app for bob at {NOTES} by authorization_code: mcp:write, after the right" in output.getvalue()


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("", "without rules demands nothing"),
        ("{%s, enabled: false}", "is disabled"),
        (
            "{%s, conditions: {networks: [10.0.0.0/8], hours: {from: '08:00', to: '09:00'}}}",
            "depends on hours, networks",
        ),
        ("{%s, conditions: {not_after: 2999-01-01}}", "depends on not_after"),
    ],
)
def test_what_demands_nothing_for_sure_is_never_kept(gatehouse: World, tmp_path: Path, rule: str, problem: str) -> None:
    file = tmp_path / "policy.yaml"
    fields = 'name: x, effect: deny, clients: ["*"], groups: ["*"], resources: ["*"], scopes: ["*"]'
    file.write_text(f"rules: [{rule.replace('%s', fields)}]")
    with pytest.raises(CommandError, match=problem):
        manage("policy", "comply", str(file))


def test_a_demand_of_an_environment_is_judged(gatehouse: World, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        'rules: [{name: x, effect: deny, clients: ["*"], groups: ["*"], resources: ["*"], scopes: ["*"],'
        " conditions: {environments: [test]}}]"
    )
    with pytest.raises(CommandError, match="around it"):
        manage("policy", "comply", str(file))


def test_a_demand_never_stands_in_for_the_rule_of_its_name(gatehouse: World, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        f'rules: [{{name: Engineers use agents on Notes, effect: deny, clients: ["*"], resources: ["{NOTES}"],'
        ' scopes: ["mcp:write"]}]'
    )
    # Machines get no more than reading; people's writing is no business of this demand.
    assert manage("policy", "comply", str(file)).startswith("The rules keep it")
