"""Types are strict in every section: nothing is converted silently, and the sentence says what was found."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework import serializers

from authz.configuration import ConfigurationError, all_sections, apply
from authz.configuration.value_types import wrong
from authz.models import User
from authz.policy import value_kinds
from tests.support.world import World

SERVER = "identifier: 'https://a.example/'"
ISSUER = "issuer: 'https://i.example', name: I"
QUOTES = "write it in quotes"
YAML = "write it in quotes (without them YAML reads yes, no, on and off as true and false)"
# What is written, and what is said of it.
WRONG = {
    "a text for a switch": (
        "users: [{username: a, active: 'false'}]",
        "users[0].active: must be true or false, not the text “false”: write false, without quotes",
    ),
    "a word for a switch": (
        f"resources: [{{{SERVER}, default: 'yes'}}]",
        "resources[0].default: must be true or false, not the text “yes”: write true, without quotes",
    ),
    "another word for a switch": (
        f"resources: [{{{SERVER}, status_list: maybe}}]",
        "resources[0].status_list: must be true or false, not the text “maybe”",
    ),
    "a number for a switch": (
        "clients: [{client_id: c, grant_types: [client_credentials], reuse_assertions: 1}]",
        "clients[0].reuse_assertions: must be true or false, not the number 1",
    ),
    "a number for a name": ("users: [{username: 007}]", f"users[0].username: must be text, not the number 7: {QUOTES}"),
    "a fraction for a name": (
        "webhooks: [{name: 1.5, url: 'https://a.example/'}]",
        f"webhooks[0].name: must be text, not the number 1.5: {QUOTES}",
    ),
    "a switch for a name": ("users: [{username: no}]", f"users[0].username: must be text, not false: {YAML}"),
    "a switch in a list of names": (
        "users: [{username: a, groups: [b, on]}]",
        f"users[0].groups[1]: must be text, not true: {YAML}",
    ),
    "a number for an owner": (
        "clients: [{client_id: c, grant_types: [client_credentials], owner: 7}]",
        f"clients[0].owner: must be text, not the number 7: {QUOTES}",
    ),
    "a text for a number": (
        f"resources: [{{{SERVER}, access_token_lifetime: '600'}}]",
        "resources[0].access_token_lifetime: must be a whole number, not the text “600”: write it without quotes",
    ),
    "a fraction for a whole number": (
        f"trusted_issuers: [{{{ISSUER}, max_lifetime: 600.0}}]",
        "trusted_issuers[0].max_lifetime: must be a whole number, not the number 600.0",
    ),
    "a switch for a number": (
        f"resources: [{{{SERVER}, recorded_calls: true}}]",
        "resources[0].recorded_calls: must be a whole number, not true",
    ),
    "a text for a list": (
        "clients: [{client_id: c, grant_types: client_credentials}]",
        "clients[0].grant_types: must be a list, not the text “client_credentials”: put it in brackets, as in [a, b]",
    ),
    "a mapping for a list": ("cimd: {trusted_hosts: {a: b}}", "cimd.trusted_hosts: must be a list, not a mapping"),
    "a text for a list of mappings": (
        f"resources: [{{{SERVER}, scopes: read}}]",
        "resources[0].scopes: must be a list of mappings, not the text “read”",
    ),
    "a text for a mapping": (
        f"resources: [{{{SERVER}, scopes: [read]}}]",
        "resources[0].scopes[0]: must be a mapping, not the text “read”",
    ),
    "a list for a mapping": (
        f"trusted_issuers: [{{{ISSUER}, subjects: [sub]}}]",
        "trusted_issuers[0].subjects: must be a mapping, not a list",
    ),
    "a number in a mapping of texts": (
        f"trusted_issuers: [{{{ISSUER}, client_ids: {{a: 5}}}}]",
        f"trusted_issuers[0].client_ids.a: must be text, not the number 5: {QUOTES}",
    ),
    "a number for the one of a list": (
        f"trusted_issuers: [{{{ISSUER}, audience: 5}}]",
        "trusted_issuers[0].audience: must be text or a list, not the number 5",
    ),
    "a number for a secret, which is not shown": (
        "audit_destinations: [{name: a, format: jsonl, to: 'https://a.example/', bearer_token: 4711}]",
        f"audit_destinations[0].bearer_token: must be text, not a number: {QUOTES}",
    ),
    "a rule's switch": (
        "rules: [{name: R, effect: allow, enabled: 'no', clients: [a], resources: ['*'], scopes: ['*']}]",
        "rules[0].enabled: must be true or false, not the text “no”: write false, without quotes",
    ),
    "a rule's list": (
        "rules: [{name: R, effect: allow, clients: a, resources: ['*'], scopes: ['*']}]",
        "rules[0].clients: must be a list, not the text “a”: put it in brackets, as in [a, b]",
    ),
    "a rule's comparison": (
        "rules: [{name: R, effect: allow, clients: [a], resources: ['*'], scopes: ['*'], tools: [t],"
        " conditions: {arguments: {amount: {lesser: 5}}}}]",
        "rules[0].conditions.arguments.amount.lesser: is not a known field."
        " There are equals, one_of, below, at_least, prefix, present",
    ),
    "nothing for an item": ("users: [~]", "users[0]: must be a mapping, not nothing"),
    "nothing for a list": (
        "users: [{username: a, groups: }]",
        "users[0].groups: has no value: write one, or leave the key out",
    ),
    "an empty name": ("users: [{username: ''}]", "users[0].username: must not be empty"),
    "a name that is too long": (
        f"users: [{{username: {'a' * 151}}}]",
        "users[0].username: must have at most 150 characters, not 151",
    ),
    "a number that is too small": (
        f"resources: [{{{SERVER}, access_token_lifetime: 5}}]",
        "resources[0].access_token_lifetime: must be at least 30, not 5",
    ),
    "a number that is too large": (
        f"resources: [{{{SERVER}, recorded_calls: 10001}}]",
        "resources[0].recorded_calls: must be at most 10000, not 10001",
    ),
    "a key that is needed": ("users: [{role: auditor}]", "users[0].username: is required"),
    "a client_id with a blank": (
        "clients: [{client_id: a b}]",
        "clients[0].client_id: must be printable ASCII without blanks",
    ),
    "an owner who is misspelt": (
        f"resources: [{{{SERVER}, owner: alcie}}]",
        "resources[0].owner: there is no person 'alcie'; did you mean alice?",
    ),
    "a server's agent that is misspelt": (
        f"resources: [{{{SERVER}, introspection_clients: [nightly-reprot]}}]",
        "resources[0].introspection_clients: there is no agent 'nightly-reprot'; did you mean nightly-report?",
    ),
    "a preset that is misspelt": (
        "trusted_issuers: [{issuer: 'https://i.example', preset: okkta}]",
        "trusted_issuers[0].preset: 'okkta' is none of okta, entra, google-workspace, keycloak, auth0, anthropic,"
        " kubernetes, github-actions, gitlab, aws-sts, azure-managed-identity, spiffe, gatehouse; did you mean okta?",
    ),
    "a scheme with its colon": (
        "cimd: {redirect_schemes: ['cursor://']}",
        "cimd.redirect_schemes: cursor:// is not a private-use scheme that can be allowed: write cursor",
    ),
    "a URL for a host": (
        "cimd: {trusted_hosts: ['https://claude.ai/']}",
        "cimd.trusted_hosts: 'https://claude.ai/' is not a host, *.host or *: write claude.ai",
    ),
    "a kind with a blank": (
        "webhooks: [{name: a, url: 'https://a.example/', events: ['a b']}]",
        "webhooks[0].events[0]: must be * or a kind such as access_request.opened (docs/notifications.md)",
    ),
    "a password that begins with a star": (
        "users: [{username: a, password: *pw}]",
        "the file: has a text that begins with *, which YAML takes for something else: it has to be in quotes",
    ),
    "a star alone": (
        "rules: [{name: R, clients: [*]}]",
        "the file: has a text that begins with *, which YAML takes for something else: it has to be in quotes",
    ),
    "a text that begins with @": (
        "users: [{username: @a}]",
        "the file: has a text that begins with @, which YAML takes for something else: it has to be in quotes",
    ),
    "a text that begins with !": (
        "users: [{username: !a }]",
        "users[0].username: has a value of unknown kind !a: text that begins with ! has to be in quotes",
    ),
    "nothing": ("", "the file: holds no section; there are users, clients, resources,"),
    "a comment": ("# later\n", "the file: holds no section; there are users, clients, resources,"),
    "an empty mapping": ("{}", "the file: holds no section; there are users, clients, resources,"),
    "a file of expectations": (
        "expectations: []",
        "expectations: is what `policy test` takes, and no section of the configuration",
    ),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_what_is_found_is_said(gatehouse: World, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        apply(text)
    (mistake,) = refused.value.mistakes()
    told = str(mistake).partition(": ")[2] if mistake.line else str(mistake)
    assert told.rstrip(".").startswith(said)
    assert said.endswith(",") or told.rstrip(".") == said


def test_a_tab_is_named(gatehouse: World) -> None:
    with pytest.raises(ConfigurationError, match=r"^line 2: the file: has a tab where YAML takes spaces$"):
        apply("users:\n\t- username: a\n")


def test_mistakes_of_type_come_with_all_others(gatehouse: World) -> None:
    text = "users: [{username: 7, role: king, email: x, active: 'no', shoe: 1}]\ncimd: {registration: 'on'}\n"
    with pytest.raises(ConfigurationError) as refused:
        apply(text)
    assert {".".join(map(str, mistake.path)) for mistake in refused.value.mistakes()} == {
        "users.0.username", "users.0.role", "users.0.email", "users.0.active", "users.0.shoe", "cimd.registration",
    }  # fmt: skip
    assert not User.objects.filter(username="7").exists()


def every_field(field: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    found = [(path, field)]
    if isinstance(field, serializers.Serializer):
        for name, inner in field.fields.items():
            found += every_field(inner, (*path, name))
    elif isinstance(field, serializers.ListSerializer | serializers.ListField | serializers.DictField):
        found += every_field(field.child, (*path, "*"))
    return found


def test_each_member_of_each_section_refuses_another_type() -> None:
    """What looks by itself: choices, and the shapes of rules, keys and claims."""
    for section in all_sections():
        for path, field in every_field(section.SERIALIZER(), (section.KEY,)):
            if isinstance(field, serializers.ChoiceField | serializers.JSONField):
                continue
            values: list[Any] = [True, 5, 1.5, "text", [], {}]
            refused = [value for value in values if list(wrong(field, value))]
            assert len(refused) in {4, 5}, (path, refused)


@pytest.mark.parametrize("value", [None, True, 5, 0.5, "a", "a" * 500, [], {}])
def test_a_value_is_called_what_it_is(value: object) -> None:
    assert 0 < len(value_kinds.called(value)) < 90


@pytest.mark.parametrize(
    ("command", "outcome"),
    [("apply", "Nothing was changed."), ("plan", "Nothing was planned."), ("drift", "Nothing was compared.")],
)
@pytest.mark.parametrize("text", ["", "users: [{username: 7}]\n", "users: [{username: 7, active: 'no'}]\n"])
def test_each_command_says_what_it_did_not_do(
    gatehouse: World, tmp_path: Path, command: str, outcome: str, text: str
) -> None:
    file = tmp_path / "organisation.yaml"
    file.write_text(text)
    with pytest.raises(CommandError) as refused:
        call_command(command, str(file), stdout=StringIO())
    assert str(refused.value).endswith(outcome)
    assert str(refused.value).count("Nothing was") == 1


@pytest.mark.parametrize("command", ["apply", "plan", "drift", "policy diff", "policy test", "convert keycloak"])
def test_a_file_that_is_not_utf8_is_named_with_its_line(gatehouse: World, tmp_path: Path, command: str) -> None:
    file = tmp_path / "organisation.yaml"
    file.write_bytes(b"users:\n  - {username: j\xfcrgen}\n")
    with pytest.raises(CommandError) as refused:
        call_command(*command.split(), str(file), stdout=StringIO())
    assert str(refused.value) == f"{file} cannot be read: line 2 is not UTF-8 text"
