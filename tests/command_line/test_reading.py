"""Every command that reads prints JSON for programs: the whole catalogue is walked, and each is run."""

import json
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command, load_command_class

from authz.api.framework.schema import document
from authz.command_line import catalog, parsers
from authz.models import AuditEvent
from tests.support.world import NOTES, World

# What has no --json, and why.
WRITES = {
    "prepare", "createsuperuser", "invite", "changepassword", "api_key", "end_access", "backup", "restore",
    "migrate", "periodic", "policy restore", "requests approve", "requests deny", "requests cancel",
    "requests end", "agents approve", "agents suspend", "agents retire", "agents renew", "agents reject",
    "keys ensure", "keys rotate", "keys retire", "keys reencrypt", "audit seal",
    "directory token", "directory withdraw", "signals token", "signals withdraw", "signals create",
    "signals update", "signals delete", "signals verify", "signals status", "signals hold", "signals release",
    "signals discard", "signals undo",
    "emergency_account make", "emergency_account renew", "emergency_account remove",
}  # fmt: skip
OTHER_FORM = {
    "export": "prints the file, YAML",
    "convert keycloak": "prints the file, YAML",
    "convert oauth-toolkit": "prints the file, YAML",
    "audit export": "JSON Lines, or another format of its --format",
    "audit proof": "JSON",
    "audit consistency": "JSON",
    "audit checkpoint": "a signed note, as it is kept",
    "audit keys": "verifier keys, one a line, as the verifier takes them",
    "check": "of Django",
    "policy comply": "a verdict, as its exit code",
}


def calls() -> Iterator[tuple[str, bool]]:
    """(command with its action, whether it has --json)."""
    for name in catalog.entries().keys() - set(parsers.STARTING) - {"check", "migrate"}:
        app = next(app for app in ("authz", "cimd", "xaa") if Path(f"{app}/management/commands/{name}.py").exists())
        yield from _actions(name, load_command_class(app, name).create_parser("gatehouse", name))


def _actions(name: str, parser: ArgumentParser) -> Iterator[tuple[str, bool]]:
    branches = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    if not branches:
        yield name, any("--json" in action.option_strings for action in parser._actions)
    for branch in branches:
        for action, inner in branch.choices.items():
            yield from _actions(f"{name} {action}", inner)


def test_what_reads_has_json_or_a_form_of_its_own() -> None:
    without = {name for name, has_json in calls() if not has_json}
    assert without - WRITES - OTHER_FORM.keys() == set()


def told(*call: str) -> dict:
    out = StringIO()
    call_command(*call, "--json", stdout=out)
    found: dict = json.loads(out.getvalue())
    return found


def members(path: str, method: str) -> set[str]:
    answer = document()["paths"][path][method]["responses"]["200"]["content"]
    return set(next(iter(answer.values()))["schema"]["properties"])


def test_the_policys_answers_are_those_of_the_api(gatehouse: World, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    rule = {"name": "New", "effect": "deny", "clients": ["*"], "resources": ["*"], "scopes": ["*"]}
    file.write_text(json.dumps({"rules": [rule]}))
    explained = told("policy", "explain", "--client", "nightly-report", "--resource", NOTES)
    assert explained.keys() == members("/api/v1/policy/explain", "get")
    assert explained["effect"] == "allow"
    assert told("policy", "reach", "--client", "nightly-report").keys() == members("/api/v1/policy/reach", "get")
    simulated = told("policy", "simulate", str(file), "--client", "nightly-report")
    assert simulated.keys() == members("/api/v1/policy/simulate", "post") and simulated["lost"]
    history = told("policy", "history", "--limit", "1")
    assert history.keys() == members("/api/v1/policy/history", "get") and len(history["items"]) == 1
    differing = told("policy", "diff", str(file), "--days", "1")
    assert [(change["key"], change["action"]) for change in differing["changes"]] == [("New", "created")]
    assert differing["effect"].keys() == members("/api/v1/policy/effect", "post")


def test_a_past_decision_is_that_of_the_api(gatehouse: World) -> None:
    gatehouse.machine_token()
    event = AuditEvent.objects.filter(event="token:access:issued").latest("id")
    replayed = told("policy", "replay", "--event", str(event.pk))
    assert replayed.keys() == members("/api/v1/policy/replay", "get")
    assert replayed["explanation"]["effect"] == "allow"


@pytest.mark.django_db
def test_the_audits_verdict(gatehouse: World) -> None:
    call_command("audit", "seal", stdout=StringIO())
    verdict = told("audit", "verify")
    assert verdict["is_as_sealed"] and not verdict["findings"]
    assert verdict["events"] > 0
