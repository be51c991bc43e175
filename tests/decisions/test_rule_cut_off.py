"""`end_access rule`: what one rule has allowed ends at once, and the rule is switched off."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from authz.configuration import apply
from authz.models import AccessRequest, AuditEvent, Client, Rule, RuleChange, User
from tests.support.world import NOTES, SECRET, World

ENGINEERS = "Engineers use agents on Notes"
AGENTS = "Agents read notes"


def end_access(*arguments: str) -> str:
    output = StringIO()
    call_command("end_access", *arguments, stdout=output)
    return output.getvalue()


def is_active(gatehouse: World, token: str) -> bool:
    return bool(gatehouse.introspect(token)["active"])


def machine(gatehouse: World) -> int:
    return gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code


def rule(name: str = ENGINEERS) -> Rule:
    return Rule.objects.get(name=name)


@pytest.mark.parametrize("by_id", [True, False])
def test_what_it_allowed_ends_and_nothing_else(gatehouse: World, by_id: bool) -> None:
    tokens, other = gatehouse.signed_in_tokens(), gatehouse.machine_token()["access_token"]
    named = str(rule().pk) if by_id else ENGINEERS
    assert end_access("rule", named, "--preview").startswith("1 live authorization would end.")
    assert is_active(gatehouse, tokens["access_token"])

    assert end_access("rule", named, "--reason", "too wide").startswith(
        "1 authorization ended. The rule is switched off"
    )

    assert not is_active(gatehouse, tokens["access_token"])
    assert gatehouse.refresh(tokens["refresh_token"]).status_code == 400
    assert is_active(gatehouse, other)
    assert machine(gatehouse) == 200
    assert not rule().enabled
    change = RuleChange.objects.filter(name=ENGINEERS).order_by("-id")[0]
    assert (change.author, change.how, change.enabled) == ("terminal", "end_access", False)
    event = AuditEvent.objects.get(event="policy:access:cut_off")
    assert (event.detail["kind"], event.detail["name"], event.detail["ended"]) == ("rule", ENGINEERS, 1)


def test_an_undo_allows_new_requests_and_gives_nothing_back(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens()
    end_access("rule", ENGINEERS)
    assert "never come back" in end_access("rule", ENGINEERS, "--undo")
    assert rule().enabled
    assert not is_active(gatehouse, tokens["access_token"])
    assert is_active(gatehouse, World().signed_in_tokens()["access_token"])


def test_an_undo_after_a_change_of_the_rule_is_void(gatehouse: World) -> None:
    """Attack: an old undo switches a rule on that was made wider meanwhile."""
    end_access("rule", ENGINEERS)
    changed = rule()
    changed.definition["groups"] = ["*"]
    changed.save()
    with pytest.raises(CommandError, match="changed"):
        end_access("rule", ENGINEERS, "--undo")
    assert not rule().enabled


def test_what_an_earlier_version_allowed_ends_too(gatehouse: World) -> None:
    token = gatehouse.signed_in_tokens()["access_token"]
    narrowed = rule()
    narrowed.definition["scopes"] = ["mcp:write"]
    narrowed.save()
    assert "1 authorization ended" in end_access("rule", ENGINEERS)
    assert not is_active(gatehouse, token)


def test_what_another_rule_allows_can_be_asked_for_again(gatehouse: World) -> None:
    apply(
        f'rules: [{{name: Bob reads, effect: allow, clients: ["*"], users: [bob], resources: ["{NOTES}"],'
        ' scopes: ["mcp:read"]}]'
    )
    token = gatehouse.signed_in_tokens()["access_token"]
    end_access("rule", ENGINEERS)
    assert not is_active(gatehouse, token)
    assert is_active(gatehouse, World().signed_in_tokens()["access_token"])


def test_a_suspended_agents_authorizations_end_along(gatehouse: World) -> None:
    """They would come back with the agent."""
    gatehouse.signed_in_tokens()
    Client.objects.filter(client_id="desktop-app").update(status="suspended")
    assert "1 authorization ended" in end_access("rule", ENGINEERS)


def test_a_rule_that_is_off_already_can_be_ended(gatehouse: World) -> None:
    tokens = gatehouse.signed_in_tokens()
    Rule.objects.filter(name=ENGINEERS).update(enabled=False)
    assert "1 authorization ended" in end_access("rule", ENGINEERS)
    Rule.objects.filter(name=ENGINEERS).update(enabled=True)
    assert not is_active(gatehouse, tokens["access_token"])


def test_an_approval_of_it_ends_and_the_rule_goes_on_holding(gatehouse: World) -> None:
    """Attack: without the rule, what it holds back would be allowed by another one."""
    held = rule()
    held.effect = "require_approval"
    held.save()
    now, agent = datetime.now(UTC), Client.objects.get(client_id="desktop-app")
    AccessRequest.objects.create(
        digest="d", client=agent, client_digest=agent.consent_digest, user=User.objects.get(username="bob"),
        resource=NOTES, grant_type="authorization_code", scopes=["mcp:read"], approved_scopes=["mcp:read"],
        status="approved", context={"rules": [ENGINEERS]}, first_asked=now, last_asked=now,
        not_before=now - timedelta(hours=1), expires=now + timedelta(hours=1),
    )  # fmt: skip
    tokens = gatehouse.signed_in_tokens()
    assert "1 authorization ended. What was approved" in end_access("rule", ENGINEERS)
    assert rule().enabled
    assert AccessRequest.objects.get().status == "expired"
    assert gatehouse.refresh(tokens["refresh_token"]).status_code == 400


def test_a_rule_that_denies_has_allowed_nothing(gatehouse: World) -> None:
    apply('rules: [{name: No writing, effect: deny, clients: ["*"], resources: ["*"], scopes: ["mcp:write"]}]')
    with pytest.raises(CommandError, match="denies, so nothing rests on it"):
        end_access("rule", "No writing")
    with pytest.raises(CommandError, match="There is no rule"):
        end_access("rule", "99999999999999999999999")


def test_of_a_machine(gatehouse: World) -> None:
    token = gatehouse.machine_token()["access_token"]
    end_access("rule", AGENTS)
    assert not is_active(gatehouse, token)
    assert machine(gatehouse) == 400


def test_the_api_and_the_console(gatehouse: World) -> None:
    gatehouse.signed_in_tokens()
    browser = World()
    browser.sign_in("alice")
    pk = rule().pk
    assert f"/console/switch/rule/?id={pk}" in browser.browser.get(f"/console/authz/rule/{pk}/change/").content.decode()
    page = browser.browser.get(f"/console/switch/rule/?id={pk}").content.decode()
    assert "End access of this rule?" in page
    found = json.loads(browser.browser.get(f"/api/v1/end_access?kind=rule&name={pk}").content)
    assert (found["name"], found["would_end"]) == (ENGINEERS, 1)
    assert f"id={pk}" in browser.browser.get("/console/switch/?q=Engineers use").content.decode()


@pytest.mark.parametrize("role", ["approver", "auditor", "none"])
def test_only_an_administrator_ends_it(gatehouse: World, role: str) -> None:
    User.objects.filter(username="bob").update(role=role, is_staff=True)
    gatehouse.sign_in("bob")
    answer = gatehouse.browser.post(
        "/api/v1/end_access",
        json.dumps({"kind": "rule", "name": ENGINEERS, "reason": "x"}),
        content_type="application/json",
    )
    assert answer.status_code == 403
    assert rule().enabled
