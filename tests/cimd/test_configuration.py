"""The `cimd:` section: applied, exported, refused by line."""

import pytest
from django.core.management import call_command

from authz.configuration import ConfigurationError, apply, export
from cimd import policy
from cimd.changes import Change, Consequence
from cimd.trust import TrustStatus, trust_status
from tests.support.world import World

TOKEN = "initial-access-token-0123456789-0123456789"
WHOLE = f"""
cimd:
  trusted_hosts: ["*.example.com", vscode.dev]
  blocked_hosts: [evil.example.com]
  redirect_schemes: [cursor]
  redirect_hosts: [login.example.org]
  changes: {{keys: accept, cosmetic: consent}}
  registration: true
  registration_hosts: [old.example.com]
  registration_tokens: [{TOKEN}]
"""


def test_it_is_applied_exported_and_idempotent(gatehouse: World) -> None:
    (change,) = apply(WHOLE)
    assert (change.section, change.action) == ("cimd", "created")
    assert TOKEN not in str(change)
    assert apply(WHOLE) == []
    exported = export()
    assert TOKEN not in exported
    assert "trusted_hosts" in exported
    assert apply(exported) == []  # and the tokens are still there
    assert policy._load().registration_token_digests != ()


def test_the_policy_in_force_is_what_was_applied(gatehouse: World) -> None:
    assert trust_status("a.example.com", policy._load().trust) is TrustStatus.WAITS
    apply(WHOLE)
    in_force = policy._load()
    assert trust_status("a.example.com", in_force.trust) is TrustStatus.TRUSTED
    assert trust_status("evil.example.com", in_force.trust) is TrustStatus.BLOCKED
    assert in_force.changes == {Change.KEYS: Consequence.ACCEPT, Change.COSMETIC: Consequence.CONSENT}
    assert in_force.redirect_schemes == {"cursor"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("trusted_hosts: ['https://x']", "is not a host"),
        ("trusted_hosts: ['example.com:443']", "is not a host"),
        ("trusted_hosts: ['*.com']", "is not a host"),
        ("blocked_hosts: ['a*']", "is not a host"),
        ("redirect_hosts: ['']", "must not be empty"),
        ("registration_hosts: ['*']", "names hosts"),
        ("redirect_schemes: [javascript]", "is not a private-use scheme"),
        ("redirect_schemes: [HTTP]", "is not a private-use scheme"),
        ("redirect_schemes: [http]", "is not a private-use scheme"),
        ("redirect_schemes: ['a b']", "is not a private-use scheme"),
        ("changes: {keys: ignore}", "must be accept, consent or quarantine, not the text “ignore”"),
        ("changes: {name: accept}", "is not a known class of change; there are "),
        ("changes: {authentication_method: accept}", "is never just accepted"),
        ("registration_tokens: [short]", "at least 32"),
        ("trusted: []", "is not a known key"),
    ],
)
def test_a_mistake_is_named_by_its_line(line: str, problem: str, gatehouse: World) -> None:
    with pytest.raises(ConfigurationError, match=rf"line 2: cimd\..*{problem}"):
        apply(f"cimd:\n  {line}\n")


def test_the_command_refuses_with_a_status(gatehouse: World) -> None:
    with pytest.raises(Exception, match="refused"):
        call_command("cimd", "inspect", "http://app.example.com/client.json")
