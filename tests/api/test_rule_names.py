"""Rules that name what goes, in the API: they are told, and change along where it is asked."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from authz.models import AuditEvent, Client, Rule, RuleChange, Scope
from tests.api.conftest import Caller, key, problem
from tests.support.world import NOTES, PAYROLL, SECRET, World

Person = Callable[[str], Caller]
MACHINES, PEOPLE = "Agents read notes", "Engineers use agents on Notes"
SERVER, AGENT = f"configuration/resources/{key(NOTES)}", "configuration/clients/posting-agent"
READ_ONLY = {"scopes": [{"name": "mcp:read", "description": "Read notes"}]}


@pytest.fixture
def alice(person: Person) -> Caller:
    return person("administrator")


def answer(response: Any, status: int = 200) -> dict[str, Any]:
    assert response.status_code == status, response.content
    found: dict[str, Any] = json.loads(response.content)
    return found


def test_rules_change_along_with_a_scope_that_goes(alice: Caller) -> None:
    before = RuleChange.objects.count()

    found = answer(alice("PATCH", f"{SERVER}?rules=change", READ_ONLY, if_match=alice.etag(SERVER)))

    assert found["rules"] == {"changed": [PEOPLE], "left": []}
    assert Rule.objects.get(name=PEOPLE).definition["scopes"] == ["mcp:read"]
    [made] = RuleChange.objects.order_by("-id")[: RuleChange.objects.count() - before]
    assert (made.author, made.how) == ("alice", "api")
    event = AuditEvent.objects.get(event="configuration:object:changed", detail__kind="rule")
    assert event.detail["because"] == f"scope “mcp:write” of {NOTES} goes"
    # An answer may be sent back.
    assert answer(alice("PUT", SERVER, {**READ_ONLY, "rules": found["rules"]}, if_match=alice.etag(SERVER)))


def test_rules_that_are_left_are_told(alice: Caller) -> None:
    found = answer(alice("PATCH", f"{SERVER}?rules=leave", READ_ONLY, if_match=alice.etag(SERVER)))

    assert found["rules"] == {"changed": [], "left": [PEOPLE]}
    assert Rule.objects.get(name=PEOPLE).definition["scopes"] == ["mcp:read", "mcp:write"]


def test_without_a_word_everything_is_as_before(alice: Caller) -> None:
    assert "rules" not in answer(alice("PATCH", SERVER, READ_ONLY, if_match=alice.etag(SERVER)))
    assert alice("DELETE", AGENT, if_match=alice.etag(AGENT)).status_code == 204
    assert "posting-agent" in Rule.objects.get(name=MACHINES).definition["clients"]


def test_rules_change_along_with_an_agent_that_goes(alice: Caller) -> None:
    found = answer(alice("DELETE", f"{AGENT}?rules=change", if_match=alice.etag(AGENT)))

    assert found == {"rules": {"changed": [MACHINES], "left": []}}
    assert Rule.objects.get(name=MACHINES).definition["clients"] == ["nightly-report", "signing-agent"]


def test_rules_of_a_server_that_goes_are_disabled(alice: Caller, gatehouse: World) -> None:
    gatehouse.machine_token()

    found = answer(alice("DELETE", f"{SERVER}?rules=change", if_match=alice.etag(SERVER)))

    assert found == {"rules": {"changed": [MACHINES, PEOPLE], "left": []}}
    assert set(Rule.objects.values_list("enabled", flat=True)) == {False}


def test_attack_rules_do_not_change_where_the_change_itself_is_refused(alice: Caller) -> None:
    response = alice("PATCH", f"{SERVER}?rules=change", READ_ONLY, if_match='"stale"')

    assert response.status_code == 412
    assert Scope.objects.filter(name="mcp:write").exists()
    assert Rule.objects.get(name=PEOPLE).definition["scopes"] == ["mcp:read", "mcp:write"]


@pytest.mark.parametrize("path", [f"{SERVER}?rules=yes", f"configuration/rules/{key(MACHINES)}?rules=change"])
def test_what_is_not_offered_is_refused(alice: Caller, path: str) -> None:
    assert problem(alice("PATCH", path, {}))["status"] in {400, 422}


def test_a_file_tells_the_rules_beside_its_changes(alice: Caller) -> None:
    file = {"resources": [{"identifier": PAYROLL}], "clients": []}

    found = answer(alice("POST", "configuration?prune=true&dry_run=true", file))

    by_key = {change["key"]: change.get("rules") for change in found["changes"]}
    assert by_key[NOTES] == [MACHINES, PEOPLE]
    assert by_key["posting-agent"] == [MACHINES]
    assert by_key[PAYROLL] is None
    assert Client.objects.filter(client_id="posting-agent").exists()


def test_naming_shows_each_rule_before_and_after_and_the_effect(person: Person, gatehouse: World) -> None:
    gatehouse.machine_token()
    asked = {"kind": "resource", "name": NOTES, "to": "https://notes.example.com/mcp"}

    found = answer(person("auditor")("POST", "policy/naming", asked))

    assert [rule["name"] for rule in found["rules"]] == [MACHINES, PEOPLE]
    assert "https://notes.example.com/mcp" in found["rules"][0]["after"]
    assert found["rules"][0]["item"]["resources"] == ["https://notes.example.com/mcp"]
    assert (found["effect_if_left"]["changed"], found["effect_if_changed"]["changed"]) == (1, 0)
    assert Rule.objects.get(name=MACHINES).definition["resources"] == [NOTES]
    assert gatehouse.token(basic=("nightly-report", SECRET), grant_type="client_credentials").status_code == 200


@pytest.mark.parametrize(("body", "member"), [
    ({"kind": "user", "name": "bob"}, "kind"),
    ({"kind": "group"}, "name"),
    ({"kind": "scope", "name": "mcp:read"}, "server"),
    ({"kind": "group", "name": "engineering", "server": NOTES}, "server"),
    ({"kind": "group", "name": ["engineering"]}, "name"),
])  # fmt: skip
def test_what_naming_cannot_read_is_refused(alice: Caller, body: dict[str, Any], member: str) -> None:
    response = alice("POST", "policy/naming", body)

    assert response.status_code in {400, 422}
    assert member in json.dumps(problem(response))
