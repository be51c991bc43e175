"""Rules that name what does not exist, where the file is applied: a warning, and with --strict a refusal."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from authz.configuration import apply, export
from authz.database import configuration_cache
from authz.models import Rule
from tests.support.world import NOTES, World

MISTYPED = """\
rules:
  - name: Nightly report may not write
    effect: deny
    clients: [nightly-reprot]
    resources: [{server}]
    scopes: ["*"]
"""
NEW = """\
clients:
  - client_id: brand-new
    status: approved
    grant_types: [client_credentials]
    client_secret: 0123456789-0123456789-0123456789
resources:
  - identifier: https://new.example/mcp
    scopes: [{name: new.read}]
rules:
  - name: New
    effect: allow
    clients: [brand-new]
    resources: [https://new.example/mcp]
    scopes: [new.read]
"""


def applied(tmp_path: Path, text: str, *options: str) -> tuple[str, str]:
    file = tmp_path / "organisation.yaml"
    file.write_text(text)
    out, errors = StringIO(), StringIO()
    call_command("apply", str(file), *options, stdout=out, stderr=errors)
    return out.getvalue(), errors.getvalue()


def test_a_mistyped_denial_is_applied_with_a_warning_that_has_its_line(gatehouse: World, tmp_path: Path) -> None:
    out, errors = applied(tmp_path, MISTYPED.format(server=NOTES))
    assert "1 changed." in out
    assert "line 4" in errors and "Did you mean “nightly-report”?" in errors
    assert "“Nightly report may not write” matches nothing." in errors
    assert Rule.objects.filter(name="Nightly report may not write").exists()


def test_a_dry_run_tells_the_same_and_changes_nothing(gatehouse: World, tmp_path: Path) -> None:
    _, errors = applied(tmp_path, MISTYPED.format(server=f"{NOTES}/"), "--dry-run")
    assert "line 4" in errors and "line 5" in errors and f"Did you mean “{NOTES}”?" in errors
    assert not Rule.objects.filter(name="Nightly report may not write").exists()


@pytest.mark.parametrize("options", [["--strict"], ["--strict", "--dry-run"]])
def test_strict_refuses_the_file(gatehouse: World, tmp_path: Path, options: list[str]) -> None:
    with pytest.raises(CommandError, match="“Nightly report may not write”"):
        applied(tmp_path, MISTYPED.format(server=NOTES), *options)
    assert not Rule.objects.filter(name="Nightly report may not write").exists()


def test_what_the_same_file_makes_exists_and_nothing_of_it_is_remembered(gatehouse: World, tmp_path: Path) -> None:
    before = configuration_cache._current.values.copy()
    _, errors = applied(tmp_path, NEW, "--strict", "--dry-run")
    assert errors == ""
    # The command reads the signing keys before it begins.
    assert configuration_cache._current.values.keys() - {"signing keys"} == before.keys()


def test_a_file_that_removes_a_server_tells_of_the_rules_that_still_name_it(gatehouse: World) -> None:
    kept = apply(NEW) and "resources: []\n"
    told: list[str] = []
    apply(kept, prune=True, dry_run=True, warn=lambda found: told.extend(row.rule for row in found))
    assert "New" in told


def test_the_organisation_of_the_tests_is_without_warnings(gatehouse: World, tmp_path: Path) -> None:
    _, errors = applied(tmp_path, "rules: []\n", "--strict")
    assert errors == ""


def test_what_a_file_removes_is_told_with_the_rules_that_name_it(gatehouse: World, tmp_path: Path) -> None:
    out, _ = applied(
        tmp_path, f"resources:\n  - {{identifier: '{NOTES}', scopes: [{{name: 'mcp:read'}}]}}\n", "--dry-run"
    )
    assert "still named by rules: “Engineers use agents on Notes”" in out

    out, _ = applied(tmp_path, "clients: []\n", "--prune", "--dry-run")
    assert out.count("still named by rules: “Agents read notes”") == 3


def test_what_a_file_removes_with_its_rules_is_told_of_none(gatehouse: World, tmp_path: Path) -> None:
    out, errors = applied(tmp_path, "clients: []\nresources: []\nrules: []\n", "--prune", "--dry-run")
    assert "- resources:" in out
    assert "still named" not in out and errors == ""


OTHER = "rules: [{{name: Other, effect: allow, clients: [nightly-report], resources: ['{server}'], scopes: ['*']}}]\n"


def test_rules_that_the_file_neither_has_nor_breaks_are_told_when_asked_for(gatehouse: World, tmp_path: Path) -> None:
    apply(MISTYPED.format(server=NOTES))
    _, errors = applied(tmp_path, OTHER.format(server=NOTES), "--strict")
    assert errors == ""

    _, errors = applied(tmp_path, OTHER.format(server=NOTES), "--all-warnings")
    assert "“Nightly report may not write” matches nothing." in errors
    with pytest.raises(CommandError, match="“Nightly report may not write”"):
        applied(tmp_path, OTHER.format(server=NOTES), "--all-warnings", "--strict")


def test_a_rule_of_the_file_is_told_each_time(gatehouse: World, tmp_path: Path) -> None:
    for _ in range(2):
        _, errors = applied(tmp_path, MISTYPED.format(server=NOTES))
        assert "line 4" in errors


def test_a_broken_rule_that_was_wrong_before_is_told_only_for_more(gatehouse: World, tmp_path: Path) -> None:
    apply(NEW)
    apply(MISTYPED.format(server="https://new.example/mcp"))
    _, errors = applied(tmp_path, "resources: []\n", "--prune", "--dry-run")
    assert "rule “New”" in errors and "rule “Nightly report may not write”" in errors
    _, errors = applied(tmp_path, "clients: []\n", "--prune", "--dry-run")
    assert "rule “New”" in errors and "rule “Nightly report may not write”" not in errors


def test_what_the_file_does_not_name_is_counted(gatehouse: World, tmp_path: Path) -> None:
    rules = Rule.objects.count()
    out, _ = applied(tmp_path, OTHER.format(server=NOTES))
    assert f"\nNot in this file, and unchanged: rules ({rules}). --prune removes them.\n" in out
    assert "\nSections that this file does not have are unchanged: " in out and "clients (" in out

    out, _ = applied(tmp_path, "users: []\n", "--dry-run")
    assert f"rules ({rules + 1})" in out.splitlines()[-1]

    out, _ = applied(tmp_path, OTHER.format(server=NOTES), "--prune")
    assert "Not in this file" not in out
    out, _ = applied(tmp_path, export())
    assert out == "Nothing to change.\n"


def test_programs_get_the_same_counts(gatehouse: World, tmp_path: Path) -> None:
    rules = Rule.objects.count()
    out, _ = applied(tmp_path, OTHER.format(server=NOTES), "--json")
    found = json.loads(out)["left_out"]
    assert found["items"] == {"rules": rules} and "clients" in found["sections"]
