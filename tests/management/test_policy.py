"""`manage.py policy`: one request explained, and other rules tried out before they are saved."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from authz.models import Rule
from tests.support.world import NOTES, World


def policy(*arguments: str) -> str:
    output = StringIO()
    call_command("policy", *arguments, stdout=output, no_color=True)
    return output.getvalue()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Visitors get to read, engineers may no longer write, and agents wait for a human."""
    path = tmp_path / "rules.yaml"
    path.write_text(
        f"""
rules:
  - name: Engineers use agents on Notes
    effect: allow
    clients: [desktop-app]
    groups: [engineering, visitors]
    grant_types: [authorization_code]
    resources: ["{NOTES}"]
    scopes: ["mcp:read"]
  - name: Agents read notes
    effect: require_approval
    clients: [nightly-report]
    resources: ["{NOTES}"]
    scopes: ["mcp:read"]
"""
    )
    return path


def test_it_explains_what_is_allowed(gatehouse: World) -> None:
    said = policy("explain", "--client", "nightly-report", "--resource", NOTES)
    assert said.startswith("ALLOW: narrowed (asked: all scopes)\n")
    assert "mcp:read: permitted by “Agents read notes”" in said
    assert "mcp:write: not granted: no rule permits it" in said
    assert "for at most 300 seconds a token" in said
    assert "+ permits   Agents read notes:" in said
    assert "all scopes" not in policy(
        "explain", "--client", "nightly-report", "--resource", NOTES, "--scopes", "mcp:read"
    )


def test_each_kind_of_rule_has_a_mark_of_its_own(gatehouse: World) -> None:
    people = {"clients": ["desktop-app"], "groups": ["*"], "grant_types": ["*"], "resources": [NOTES]}
    for name, effect, more in (
        ("No writing", "deny", {"scopes": ["mcp:write"]}),
        ("Ask a human first", "require_approval", {"scopes": ["mcp:read"]}),
        ("With a key", "allow", {"scopes": ["mcp:read"], "conditions": {"acr": ["phr"]}}),
    ):
        Rule.objects.create(name=name, effect=effect, definition={**people, **more})
    said = policy("explain", "--client", "desktop-app", "--user", "bob", "--resource", NOTES)
    assert "\n  mcp:write: denied by “No writing”, which outweighs “Engineers use agents on Notes”\n" in said
    assert "\n  mcp:read: waits for an approval, which “Ask a human first” requires\n" in said
    for line in (
        "+ permits   Engineers use agents on Notes: ",
        "- denies    No writing: ",
        "? approval  Ask a human first: ",
        "^ step-up   With a key: ",
        "  no match  Agents read notes: ",
    ):
        assert f"\n{line}" in said


def test_it_explains_on_which_field_a_rule_missed(gatehouse: World) -> None:
    said = policy("explain", "--client", "desktop-app", "--user", "charlie", "--resource", NOTES)
    assert said.startswith("DENY: no rule allows")
    assert "subject: wants members of engineering; the request has charlie, member of visitors" in said


def test_it_explains_what_waits(gatehouse: World) -> None:
    definition = {"clients": ["*"], "grant_types": ["*"], "resources": [NOTES], "scopes": ["mcp:read"]}
    Rule.objects.create(name="Ask a human first", effect="require_approval", definition=definition)
    said = policy("explain", "--client", "nightly-report", "--resource", NOTES, "--scopes", "mcp:read")
    assert said.startswith("PENDING: approval needed")
    assert "mcp:read: waits for an approval" in said


def test_it_says_who_gains_and_who_loses(gatehouse: World, rules: Path) -> None:
    said = policy("simulate", str(rules))
    by_code = f"at {NOTES} by authorization_code"
    assert f"gains desktop-app for charlie {by_code}: mcp:read, nothing → now" in said
    assert f"loses desktop-app for bob {by_code}: mcp:write, now → nothing" in said
    assert f"loses web-app for bob {by_code}: mcp:read, now → nothing" in said
    machine = f"nightly-report for itself at {NOTES} by client_credentials"
    assert f"loses {machine}: mcp:read, now → after an approval" in said
    assert "desktop-app for bob at http://127.0.0.1:9200/mcp by authorization_code: mcp:read" not in said


def test_it_looks_at_one_agent_alone(gatehouse: World, rules: Path) -> None:
    said = policy("simulate", str(rules), "--client", "web-app")
    assert "web-app" in said
    assert "desktop-app" not in said


def test_it_changes_nothing(gatehouse: World, rules: Path) -> None:
    before = list(Rule.objects.values())
    policy("simulate", str(rules), "--prune")
    policy("diff", str(rules), "--prune")
    assert list(Rule.objects.values()) == before


def test_unchanged_rules_change_nothing(gatehouse: World, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: []")
    assert policy("simulate", str(path)) == "No one gains or loses.\n"
    assert policy("diff", str(path)) == "No rule differs.\n"
    # With --prune the same file takes everything away.
    assert " 0 lost" not in policy("simulate", str(path), "--prune")
    assert policy("diff", str(path), "--prune").endswith("2 rules differ.\n")


def test_it_shows_rules_as_sentences_before_and_after(gatehouse: World, rules: Path) -> None:
    said = policy("diff", str(rules))
    assert "- Agents read notes: allow." in said
    assert "+ Agents read notes: require_approval." in said
    assert said.endswith("2 rules differ.\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("clients: []", "has no section rules"),
        ("rules: x", "must be a list, not the text “x”"),
        ("rules: [{name: x}]", "line 1"),
        ("rules: [x]", "line 1"),
        ("rules: {", "YAML"),
    ],
)
def test_a_mistake_in_the_file_is_named(gatehouse: World, tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(CommandError, match=problem):
        policy("simulate", str(path))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--client", "nobody", "--resource", NOTES),
        ("--client", "web-app", "--resource", "https://nowhere.example.com/"),
        ("--client", "web-app", "--resource", NOTES, "--user", "nobody"),
    ],
)
def test_what_does_not_exist_is_said(gatehouse: World, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        policy("explain", *arguments)


def test_it_tells_who_reaches_what(gatehouse: World) -> None:
    said = policy("reach", "--resource", NOTES)
    assert "nightly-report" in said
    assert f"desktop-app, web-app for alice, bob at {NOTES} by authorization_code\n    mcp:read mcp:write: now" in said
    assert "charlie" not in said
    said = policy("reach", "--client", "nightly-report")
    assert said == f"nightly-report for itself at {NOTES} by client_credentials\n    mcp:read: now\n"
    assert policy("reach", "--user", "charlie") == "Out of reach.\n"
    with pytest.raises(CommandError, match="Name an agent"):
        policy("reach")


def test_rules_that_name_what_exists_pass_the_check(gatehouse: World) -> None:
    assert policy("check") == "Every rule that is switched on names what exists.\n"


@pytest.mark.parametrize(
    ("clients", "fails"), [(["nightly-reprot"], True), (["nightly-report", "nightly-reprot"], False)]
)
def test_the_check_fails_where_a_rule_matches_nothing(
    gatehouse: World, capsys: pytest.CaptureFixture[str], clients: list[str], fails: bool
) -> None:
    rule = Rule.objects.get(name="Agents read notes")
    Rule.objects.filter(pk=rule.pk).update(definition={**rule.definition, "clients": clients})
    for arguments in ((), ("--json",)):
        codes = []
        try:
            call_command("policy", "check", *arguments)
        except SystemExit as ended:
            codes.append(ended.code)
        assert codes == ([1] if fails else [])
    told, _, as_json = capsys.readouterr().out.partition("{")
    assert "Did you mean “nightly-report”?" in told
    assert ("“Agents read notes” matches nothing." in told) is fails
    (item,) = json.loads("{" + as_json)["items"]
    assert (item["rule"], item["matches_nothing"]) == ("Agents read notes", fails)
    assert item["parts"][0]["suggestion"] == "nightly-report"


def test_a_rule_that_is_switched_off_is_not_checked(gatehouse: World) -> None:
    rule = Rule.objects.get(name="Agents read notes")
    Rule.objects.filter(pk=rule.pk).update(definition={**rule.definition, "clients": ["misspelt"]}, enabled=False)
    assert policy("check").startswith("Every rule")


@pytest.mark.parametrize("option", ["--client", "--user", "--resource"])
def test_an_unknown_agent_person_or_server_is_refused(gatehouse: World, rules: Path, option: str) -> None:
    for action in (("simulate", str(rules)), ("reach",)):
        with pytest.raises(CommandError, match="There is no 'misspelt'"):
            policy(*action, option, "misspelt")
