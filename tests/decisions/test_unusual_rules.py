"""Rules that name unusual calls, from the configuration file to the explanation, expectations, reviews and back."""

from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError

from authz.configuration import ConfigurationError, apply
from authz.decisions import rule_check, simulation
from tests.decision_point.conftest import server
from tests.decisions.test_tool_rules import manage
from tests.support.world import NOTES, World

RULE = {
    "name": "First use needs a human", "effect": "require_approval", "clients": ["*"], "groups": ["*"],
    "grant_types": ["*"], "resources": [NOTES], "scopes": ["*"], "conditions": {"unusual": ["first_use"]},
}  # fmt: skip
ASKED = ("policy", "explain", "--client", "desktop-app", "--user", "bob", "--resource", NOTES)


@pytest.fixture
def with_rule(gatehouse: World) -> World:
    apply(yaml.safe_dump({"resources": [server(usual_calls=7)], "rules": [RULE]}))
    return gatehouse


def test_an_export_brings_back_what_was_applied(with_rule: World) -> None:
    exported = yaml.safe_load(manage("export"))
    notes = next(item for item in exported["resources"] if item["identifier"] == NOTES)
    rule = next(item for item in exported["rules"] if item["name"] == RULE["name"])
    assert (notes["usual_calls"], rule["conditions"]) == (7, RULE["conditions"])
    assert not apply(yaml.safe_dump({"resources": [notes], "rules": [rule]}))


@pytest.mark.parametrize("wrong", [["first"], "first_use", ["first_use", 1], {"first_use": True}])
def test_a_mistake_is_named(gatehouse: World, wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="unusual"):
        apply(yaml.safe_dump({"rules": [RULE | {"conditions": {"unusual": wrong}}]}))


@pytest.mark.parametrize("wrong", [{"usual_calls": 0}, {"usual_times": 0}, {"usual_calls": "many"}])
def test_a_mistake_of_a_server_is_named(gatehouse: World, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="usual_"):
        apply(yaml.safe_dump({"resources": [server(**wrong)]}))


def test_an_explanation_says_how_unusual_the_call_is(with_rule: World) -> None:
    call = ("--tool", "erase", "--arguments", "{}", "--unusual")
    assert manage(*ASKED, *call, "first_use").startswith("PENDING")
    assert manage(*ASKED, *call, "first_use,volume").startswith("PENDING")
    assert manage(*ASKED, *call, "").startswith("PENDING")
    said = manage(*ASKED, *call, "volume")
    assert said.startswith("ALLOW")
    wanted = "unusual: wants the agent calls the tool for the first time; the request has it makes far more calls"
    assert wanted in said
    assert manage(*ASKED, *call, "nothing").startswith("ALLOW")
    # A token is no call.
    assert manage(*ASKED).startswith("ALLOW")
    for wrong in (("--tool", "erase", "--unusual", "second_use"), ("--unusual", "first_use")):
        with pytest.raises(CommandError, match="nusual"):
            manage(*ASKED, *wrong)


def test_expectations_can_be_about_unusual_calls(with_rule: World, tmp_path: Path) -> None:
    item = {"client": "desktop-app", "user": "bob", "resource": NOTES, "tool": "erase", "arguments": {}}
    expected = [
        {**item, "unusual": "first_use", "expect": "require_approval"},
        {**item, "unusual": "nothing", "expect": "allow"},
        {**item, "expect": "require_approval"},
    ]
    file = tmp_path / "expectations.yaml"
    file.write_text(yaml.safe_dump({"expectations": expected}))
    assert "3 expectations met." in manage("policy", "test", str(file))
    file.write_text(yaml.safe_dump({"expectations": [{**item, "unusual": ["first_use"], "expect": "allow"}]}))
    with pytest.raises(CommandError, match="unusual: must be text"):
        manage("policy", "test", str(file))


def test_a_change_of_the_rules_shows_which_calls_it_concerns(with_rule: World, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"rules": [RULE | {"effect": "deny"}]}))
    assert "for some tools" in manage(
        "policy", "reach", "--client", "desktop-app", "--user", "bob", "--resource", NOTES
    )
    # Who may get there by no other rule can no longer be approved.
    assert "0 gained, 4 lost." in manage("policy", "simulate", str(file))
    apply(yaml.safe_dump({"resources": [server(decision_clients=[])]}))
    # The token is good for every call: nothing is known of those to come.
    assert manage(*ASKED).startswith("PENDING")


def test_an_allow_where_nothing_asks_is_warned_of(gatehouse: World) -> None:
    apply(yaml.safe_dump({"rules": [RULE | {"effect": "allow"}]}))
    (part,) = rule_check.check(simulation.current().values())[str(RULE["name"])]
    assert (part.field, part.is_fatal) == ("conditions.unusual", True)
