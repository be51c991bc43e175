"""Conditions of rules that an extension answers: what isn't known counts for the restriction, and only there."""

import json
from typing import Any

import pytest

from authz.configuration import ConfigurationError, apply
from authz.configuration.sections import exported
from authz.extensions import guarded
from authz.models import AuditEvent
from authz.operations import doctor
from authz.policy import AccessQuestion, ClientKind, ClientStatus, Rule, compile, facts_of, question_from, sentence
from tests.support.extension_packages import Install, forget
from tests.support.world import NOTES, PAYROLL, SECRET, World

pytestmark = pytest.mark.django_db

CONSENT = "com.example/patient-consent"
SOURCE = """
TITLE = "Patient consent"
CONDITION = {"type": "object", "properties": {"kind": {"enum": ["written", "oral"]}}, "additionalProperties": False}

def condition(facts, wanted, settings):
    %s
"""
ANSWERS = {
    "yes": ("return True", True),
    "no": ("return False", False),
    "not known": ("return None", None),
    "raises": ("raise RuntimeError('no')", None),
    "hangs": ("import time; time.sleep(0.5)", None),
    "a text that reads as true": ("return 'no'", None),
    "a number that reads as true": ("return 1", None),
    "exits": ("raise SystemExit", None),
}


def configured(install: Install, body: str, effect: str) -> None:
    """The only rule of machines, or one beside that of the world."""
    install(CONSENT, SOURCE % body)
    apply(json.dumps({"extensions": {CONSENT: {"enabled": True}}, "rules": [rule(effect)]}), prune=effect == "allow")


def rule(effect: str, **says: Any) -> dict[str, Any]:
    return {
        "name": "With consent",
        "effect": effect,
        "clients": ["nightly-report"],
        "resources": [NOTES],
        "scopes": ["*"],
        "conditions": {"extensions": {CONSENT: says or {"kind": "written"}}},
    }


def machine(gatehouse: World, client_id: str = "nightly-report") -> int:
    """The status of a token request of the agent that the rule names."""
    return gatehouse.token(
        basic=(client_id, SECRET), grant_type="client_credentials", resource=NOTES, scope="mcp:read"
    ).status_code


@pytest.mark.parametrize(("body", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_a_restriction_applies_unless_the_answer_is_no(
    gatehouse: World, install: Install, body: str, answer: bool | None
) -> None:
    configured(install, body, "deny")
    assert (machine(gatehouse) == 200) is (answer is False)


@pytest.mark.parametrize(("body", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_a_permission_applies_only_if_the_answer_is_yes(
    gatehouse: World, install: Install, body: str, answer: bool | None
) -> None:
    configured(install, body, "allow")
    assert (machine(gatehouse) == 200) is (answer is True)


@pytest.mark.parametrize("body", ["raise RuntimeError('no')", "import time; time.sleep(0.5)", "return 'junk'"])
def test_a_broken_one_leaves_every_other_token_untouched(gatehouse: World, install: Install, body: str) -> None:
    configured(install, body, "deny")
    assert machine(gatehouse) == 400
    for agent in ("posting-agent",):
        response = gatehouse.token(
            grant_type="client_credentials", client_id=agent, client_secret=SECRET, resource=NOTES, scope="mcp:read"
        )
        assert response.status_code == 200
    (fault,) = AuditEvent.objects.filter(event="extension:call:failed")
    assert fault.detail["extension"] == CONSENT
    assert any(CONSENT in finding.says for finding in doctor.examine()["extensions"])


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_uninstalled_its_rules_fail_closed(gatehouse: World, install: Install, tmp_path: Any, effect: str) -> None:
    configured(
        install,
        "return facts['agent']['client_id'] == 'nightly-report'" if effect == "allow" else "return False",
        effect,
    )
    assert machine(gatehouse) == 200
    for path in tmp_path.glob("*.dist-info"):
        path.rename(tmp_path / "gone")
    forget()
    assert machine(gatehouse) == 400
    says = [finding.says for finding in doctor.examine()["extensions"]]
    assert f"{CONSENT} is not on, and rules have its condition: With consent." in says


def test_switched_off_its_rules_fail_closed(gatehouse: World, install: Install) -> None:
    configured(install, "return True", "allow")
    assert machine(gatehouse) == 200
    apply(json.dumps({"extensions": {}}))
    assert machine(gatehouse) == 400


def test_what_it_answered_is_kept_with_the_decision_and_replayed_without_it(gatehouse: World, install: Install) -> None:
    configured(install, "return True", "allow")
    assert machine(gatehouse) == 200
    asked = AuditEvent.objects.filter(event="token:access:issued").latest("id").detail["ask"]
    assert asked["extensions"] == [[f'{CONSENT} {{"kind":"written"}}', "yes"]]
    question = question_from(asked, client_id="nightly-report", resource=NOTES, address="")
    assert facts_of(question, ())["extensions"] == asked["extensions"]


MISTAKES = {
    "an unknown extension": ({"com.example/patient-consents": {}}, "did you mean com.example/patient-consent?"),
    "one of ours": ({"io.modelcontextprotocol/tasks": {}}, "which is not switched on"),
    "what it does not take": ({CONSENT: {"kind": "shouted"}}, "patient-consent.kind: 'shouted' is not one of"),
    "what it does not know": ({CONSENT: {"kinds": "oral"}}, "com.example/patient-consent.kinds: is not known"),
    "no mapping": ({CONSENT: True}, "must be a mapping"),
    "a list": ([CONSENT], "must be a mapping"),
}  # fmt: skip


@pytest.mark.parametrize(("conditions", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_rule_that_cannot_be_meant_is_refused(gatehouse: World, install: Install, conditions: Any, says: str) -> None:
    configured(install, "return True", "deny")
    wrong = {**rule("deny"), "conditions": {"extensions": conditions}}
    with pytest.raises(ConfigurationError, match=r"rules\[0\]\.conditions\.extensions") as caught:
        apply(json.dumps({"rules": [wrong]}))
    assert says in str(caught.value)


def test_it_is_told_in_words_and_exported(gatehouse: World, install: Install) -> None:
    configured(install, "return True", "deny")
    written = Rule.from_mapping({**rule("deny"), "grant_types": ["*"]})
    assert f'{CONSENT} says yes to {{"kind":"written"}}' in sentence(written)
    assert Rule.from_mapping(written.to_mapping()) == written
    assert exported()["rules"][-1]["conditions"] == rule("deny")["conditions"]


def test_rules_without_one_ask_no_extension(gatehouse: World, install: Install) -> None:
    configured(install, "return True", "deny")
    apply(json.dumps({"rules": [{**rule("deny"), "enabled": False}]}))
    before = dict(guarded._workers)
    assert machine(gatehouse) == 200
    assert "extensions" not in AuditEvent.objects.filter(event="token:access:issued").latest("id").detail["ask"]
    assert dict(guarded._workers) == before


ELSEWHERE: dict[str, dict[str, Any]] = {
    "another agent": {"clients": ["posting-agent"]},
    "another MCP server": {"resources": [PAYROLL]},
    "people": {"groups": ["*"]},
    "another grant": {"grant_types": ["authorization_code"]},
    "what came through another agent": {"through": ["posting-agent"]},
}


@pytest.mark.parametrize("other", ELSEWHERE.values(), ids=ELSEWHERE)
def test_only_rules_about_the_question_ask(gatehouse: World, install: Install, other: dict[str, Any]) -> None:
    """A deny about something else: an extension that hangs costs a question nothing where no rule about it could
    count."""
    configured(install, "return False", "deny")
    apply(json.dumps({"rules": [{**rule("deny"), "effect": "allow", **other}]}))
    before = dict(guarded._workers)
    assert machine(gatehouse) == 200
    assert dict(guarded._workers) == before


def test_a_sign_in_asks_for_rules_about_any_server() -> None:
    named = rule("deny") | {"clients": ["*"], "groups": ["*"], "resources": [PAYROLL]}
    rules = compile([Rule.from_mapping(named | {"grant_types": ["*"]})])
    question = AccessQuestion(
        client_id="any", client_status=ClientStatus.APPROVED, client_kind=ClientKind.REGISTERED, subject="bob",
        grant_type="authorization_code", resource=NOTES, scopes=(("openid", ""),),
    )  # fmt: skip
    assert rules.extension_conditions(question, anywhere=False) == ()
    (asked,) = rules.extension_conditions(question, anywhere=True)
    assert asked.identifier == CONSENT
