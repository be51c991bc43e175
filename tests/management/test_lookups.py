"""What commands are asked about: each argument is one that can be, and all that are not are told at once."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.support.world import NOTES, World

ASK = ["policy", "explain", "--client", "nightly-report", "--resource", NOTES]
WRONG = {
    "an agent": (
        ["policy", "explain", "--client", "nightly-reprot", "--resource", NOTES],
        "No agent has the client_id 'nightly-reprot'. Did you mean “nightly-report”?",
    ),
    "a server with another slash": (
        ["policy", "explain", "--client", "nightly-report", "--resource", f"{NOTES}/"],
        f"No MCP server has the identifier '{NOTES}/'. Did you mean “{NOTES}”?",
    ),
    "a person": ([*ASK, "--user", "bobb"], "There is no person 'bobb'. Did you mean “bob”?"),
    "a scope": ([*ASK, "--scopes", "mcp:raed"], f"{NOTES} has no scope 'mcp:raed'. Did you mean “mcp:read”?"),
    "a grant type": (
        [*ASK, "--grant-type", "client_credential"],
        "There is no grant type 'client_credential'. Did you mean “client_credentials”?",
    ),
    "an address": (
        [*ASK, "--address", "999.1.1.1"],
        "'999.1.1.1' is not an IP address, such as 192.0.2.7 or 2001:db8::7.",
    ),
    "a network for an address": (
        [*ASK, "--address", "10.0.0.0/8"],
        "'10.0.0.0/8' is not an IP address, such as 192.0.2.7 or 2001:db8::7.",
    ),
    "a pattern for a tool": (
        [*ASK, "--tool", "read_*"],
        "'read_*' is a pattern, and a call is of one tool: give its name (letters, digits and “_”, “-”, “.”, “/”).",
    ),
    "a star for a tool": (
        [*ASK, "--tool", "*"],
        "'*' is a pattern, and a call is of one tool: give its name (letters, digits and “_”, “-”, “.”, “/”).",
    ),
    "no name of a tool": (
        [*ASK, "--tool", "read note"],
        "'read note' is no tool’s name (letters, digits and “_”, “-”, “.”, “/”).",
    ),
    "several at once": (
        [*ASK, "--user", "bobb", "--address", "x"],
        "There is no person 'bobb'. Did you mean “bob”?\n'x' is not an IP address, such as 192.0.2.7 or 2001:db8::7.",
    ),
    "a past request": (
        ["policy", "replay", "--at", "2026-01-01T00:00Z", "--client", "nightly-reprot", "--resource", NOTES],
        "No agent has the client_id 'nightly-reprot'. Did you mean “nightly-report”?",
    ),
    "a reach": (
        ["policy", "reach", "--resource", f"{NOTES}/"],
        f"There is no '{NOTES}/', or it is switched off. Did you mean “{NOTES}”?",
    ),
    "a reach of a person": (
        ["policy", "reach", "--user", "bobb"],
        "There is no 'bobb', or it is switched off. Did you mean “bob”?",
    ),
    "an event": (["policy", "replay", "--event", "999999"], "There is no event 999999 in the audit."),
    "no event": (["policy", "replay"], "Name an event of the audit, a request, a token, or a time."),
    "an administrator": (
        ["policy", "restore", "1", "--by", "alicee"],
        "There is no person 'alicee'. Did you mean “alice”?",
    ),
    "one who is none": (["policy", "restore", "1", "--by", "bob"], "'bob' is not an administrator."),
    "an assertion's client and server": (
        ["xaa", "explain", "a.b.c", "--client", "nightly-reprot", "--resource", f"{NOTES}/"],
        "No agent has the client_id 'nightly-reprot'. Did you mean “nightly-report”?\n"
        f"No MCP server has the identifier '{NOTES}/'. Did you mean “{NOTES}”?",
    ),
    "an issuer": (["xaa", "inspect", "abc"], "'abc' must be an https URL, such as https://acme.okta.com."),
    "a key's owner": (
        ["api_key", "Job", "--scopes", "gatehouse:read", "--owner", "bobb"],
        "There is no person 'bobb'. Did you mean “bob”?",
    ),
    "one who is invited": (["invite", "bobb", "--by", "alice"], "There is no person 'bobb'. Did you mean “bob”?"),
    "one whose access ends": (
        ["end_access", "client", "nightly-reprot"],
        "No agent has the client_id 'nightly-reprot'. Did you mean “nightly-report”?",
    ),
}


@pytest.mark.parametrize(("call", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_said(gatehouse: World, call: list[str], said: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command(*call, stdout=StringIO())
    assert str(refused.value) == said


@pytest.mark.parametrize(
    "more", [["--address", "2001:db8::7"], ["--tool", "read_note"], ["--grant-type", "authorization_code"]]
)
def test_what_can_be_is_answered(gatehouse: World, more: list[str]) -> None:
    out = StringIO()
    call_command(*ASK, *more, stdout=out)
    assert out.getvalue()


def test_a_scope_that_is_misspelt_meets_no_expectation(gatehouse: World, tmp_path: Path) -> None:
    """It is denied whatever the rules say: such an expectation would hold for ever."""
    file = tmp_path / "expectations.yaml"
    file.write_text(
        f"expectations: [{{client: nightly-report, resource: '{NOTES}', scopes: ['mcp:wrte'], expect: deny}}]"
    )
    with pytest.raises(CommandError, match=r"has no scope 'mcp:wrte'\. Did you mean “mcp:write”"):
        call_command("policy", "test", str(file), stdout=StringIO())
