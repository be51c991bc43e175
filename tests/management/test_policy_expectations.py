"""`manage.py policy test`: an organisation's expectations of its rules, as its CI checks them."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.support.world import NOTES, World

GOOD = f"""
expectations:
  - name: The nightly report reads
    client: nightly-report
    resource: {NOTES}
    scopes: ["mcp:read"]
    expect: allow
    granted: ["mcp:read"]
  - name: It does not write
    client: nightly-report
    resource: {NOTES}
    scopes: ["mcp:write"]
    expect: deny
  - client: desktop-app
    user: alice
    resource: {NOTES}
    expect: allow
    at: 2027-01-01T12:00Z
"""


def answer_to(tmp_path: Path, text: str, *options: str) -> str:
    (tmp_path / "expectations.yaml").write_text(text)
    out = StringIO()
    try:
        call_command("policy", "test", str(tmp_path / "expectations.yaml"), *options, stdout=out, no_color=True)
    except CommandError as error:
        return out.getvalue() + str(error)
    return out.getvalue()


def test_what_holds(gatehouse: World, tmp_path: Path) -> None:
    assert answer_to(tmp_path, GOOD) == (
        "ok  The nightly report reads\nok  It does not write\n"
        f"ok  desktop-app for alice at {NOTES}\n3 expectations met.\n"
    )


def test_what_does_not_hold_names_the_rule(gatehouse: World, tmp_path: Path) -> None:
    said = answer_to(tmp_path, GOOD.replace("expect: allow\n    granted", "expect: deny\n    granted"))
    assert "NO  The nightly report reads: expected deny, and it is allow (by “Agents read notes”)\n" in said
    assert said.endswith("1 of 3 expectations not met.")
    said = answer_to(tmp_path, GOOD.replace('granted: ["mcp:read"]', "granted: []"))
    assert "NO  The nightly report reads: expected the scopes none, and it is mcp:read\n" in said


def test_the_rules_of_a_file_before_they_are_applied(gatehouse: World, tmp_path: Path) -> None:
    """A change that would lock the report out fails in CI, and nothing is changed here."""
    (tmp_path / "organisation.yaml").write_text(
        f"rules:\n  - {{name: No machines, effect: deny, clients: [nightly-report], resources: ['{NOTES}'],"
        " scopes: ['*']}\n"
    )
    said = answer_to(tmp_path, GOOD, "--rules", str(tmp_path / "organisation.yaml"))
    assert "NO  The nightly report reads: expected allow, and it is deny" in said
    assert answer_to(tmp_path, GOOD).endswith("3 expectations met.\n")


def test_a_request_that_waits_for_an_approval(gatehouse: World, tmp_path: Path) -> None:
    rule = f"name: Review, effect: require_approval, clients: [nightly-report], resources: ['{NOTES}'], scopes: ['*']"
    (tmp_path / "organisation.yaml").write_text(f"rules:\n  - {{{rule}}}\n")
    waits = f"expectations:\n  - {{client: nightly-report, resource: '{NOTES}', expect: require_approval}}\n"
    assert answer_to(tmp_path, waits, "--rules", str(tmp_path / "organisation.yaml")).endswith("1 expectation met.\n")
    assert "expected require_approval, and it is allow" in answer_to(tmp_path, waits)
    said = answer_to(
        tmp_path, waits.replace("require_approval", "allow"), "--rules", str(tmp_path / "organisation.yaml")
    )
    assert "expected allow, and it is require_approval (by " in said


def test_for_programs(gatehouse: World, tmp_path: Path) -> None:
    found = json.loads(answer_to(tmp_path, GOOD, "--json"))["items"]
    assert [item["holds"] for item in found] == [True, True, True]
    assert found[0] | {"scopes": ["mcp:read"], "effect": "allow", "rules": ["Agents read notes"]} == found[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("expectations: []\n", "line 1: expectations: must be a list of one expectation at least"),
        ("rules: []\n", "the file: is a configuration file, and this takes one with `expectations:`"),
        (
            f"expectations:\n  - {{client: nightly-report, resource: '{NOTES}', expect: alow}}\n",
            "line 2: expectations[0].expect: 'alow' is none of allow, deny, require_approval; did you mean allow?",
        ),
        (
            f"expectations:\n  - {{clint: x, resource: '{NOTES}', expect: allow, scopes: read}}\n",
            "line 2: expectations[0].clint: is not a known key; did you mean client?",
        ),
        (
            f"expectations:\n  - {{client: x, resource: '{NOTES}', expect: allow, scopes: read}}\n",
            "line 2: expectations[0].scopes: must be a list, not the text “read”",
        ),
        ("expectations:\n  - {client: x, expect: allow}\n", "line 2: expectations[0]: resource is required"),
        (
            f"expectations:\n  - {{client: x, resource: '{NOTES}', expect: allow}}\n",
            "line 2: expectations[0]: No agent has the client_id 'x'.",
        ),
        (
            f"expectations:\n  - {{client: x, resource: '{NOTES}', expect: allow, at: soon}}\n",
            "line 2: expectations[0].at: must be a date or a date and time",
        ),
    ],
)
def test_a_file_that_cannot_be_meant(gatehouse: World, tmp_path: Path, text: str, said: str) -> None:
    assert f"expectations.yaml: {said}" in answer_to(tmp_path, text)
