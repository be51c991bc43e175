"""Wrong configuration files: the whole answer of `apply` is read. All mistakes are named at once, each with its line,
with what there is, and with what was probably meant; what only follows from another mistake is not named.
"""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from authz.models import AuditEvent
from tests.support.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

ROLES = "none, developer, auditor, approver, administrator"
WRONG = {
    "a misspelt section": (
        "client:\n  - client_id: x\n",
        ["line 1: client: is not a known section; did you mean clients?"],
    ),
    "an unknown section": (
        "webhook: []\nzzz: []\n",
        [
            "line 1: webhook: is not a known section; did you mean webhooks?",
            "line 2: zzz: is not a known section; there are audit_destinations, cimd, clients, directories,"
            " extensions, resource_authorization_servers, resources, rules, signal_receivers, signal_sources,"
            " trusted_issuers, users, webhooks",
        ],
    ),
    "a misspelt key, from which a missing one follows": (
        "users:\n  - usrname: dora\n    role: auditor\n",
        ["line 2: users[0].usrname: is not a known key; did you mean username?"],
    ),
    "two people with mistakes of their own": (
        "users:\n  - {username: dora, role: adminstrator}\n  - {username: emil, email: emil}\n",
        [
            f"line 2: users[0].role: 'adminstrator' is none of {ROLES}; did you mean administrator?",
            "line 3: users[1].email: must be an e-mail address, not the text “emil”",
        ],
    ),
    "an owner that is misspelt": (
        "clients:\n  - {client_id: x, owner: alcie, grant_types: [client_credentials]}\n",
        ["line 2: clients[0].owner: there is no person 'alcie'; did you mean alice?"],
    ),
    "an owner whose own entry is wrong": (
        "users:\n  - {username: dora, role: king}\nclients:\n"
        "  - {client_id: x, owner: dora, grant_types: [client_credentials]}\n",
        [f"line 2: users[0].role: 'king' is none of {ROLES}"],
    ),
    "an agent with three mistakes": (
        "clients:\n  - client_id: x\n    status: aproved\n    grant_types: [client_credential]\n"
        "    token_endpoint_auth_method: secret\n",
        [
            "line 3: clients[0].status: 'aproved' is none of pending, approved, suspended, retired; did you mean"
            " approved?",
            "line 4: clients[0].grant_types: client_credential is not a known grant type; did you mean"
            " client_credentials?",
            "line 5: clients[0].token_endpoint_auth_method: secret is not a known authentication method; there are"
            " client_secret_basic, client_secret_post, none, private_key_jwt",
        ],
    ),
    "a misspelt redirect URI, without which the grant cannot be used": (
        "clients:\n  - client_id: x\n    redirect_uri: ['https://a.example/cb']\n",
        ["line 3: clients[0].redirect_uri: is not a known key; did you mean redirect_uris?"],
    ),
    "a rule with four mistakes": (
        "rules:\n  - name: R\n    effect: allow\n    clients: x\n    grant_types: ['*']\n    resources: ['*']\n"
        "    scopes: ['*']\n    max_lifetime: 0\n"
        "    conditions:\n      network: [10.0.0.0/8]\n      max_auth_age: soon\n",
        [
            "line 4: rules[0].clients: must be a list, not the text “x”: put it in brackets, as in [a, b]",
            "line 8: rules[0].max_lifetime: must be at least 1",
            "line 10: rules[0].conditions.network: is not a known field. Did you mean “networks”?",
            "line 11: rules[0].conditions.max_auth_age: must be a whole number, not the text “soon”",
        ],
    ),
    "an effect of another product": (
        "rules:\n  - {name: R, effect: permit, clients: ['*'], resources: ['*'], scopes: ['*']}\n",
        ["line 2: rules[0].effect: 'permit' is none of allow, deny, require_approval"],
    ),
    "a server over plain http, and one that is there twice": (
        "resources:\n  - {identifier: 'http://mcp.example.com/mcp', scopes: [{name: read}]}\n"
        "  - {identifier: 'https://a.example/', scopes: [{name: read}]}\n"
        "  - {identifier: 'https://a.example/', scopes: [{name: read}]}\n",
        [
            "line 2: resources[0].identifier: must be an https URL without a fragment (plain http only on loopback, and"
            " for hosts in GATEHOUSE_PLAIN_HTTP_RESOURCES; RFC 8707 §2). Did you mean “https://mcp.example.com/mcp”?",
            "line 4: resources[2]: https://a.example/ is there twice",
        ],
    ),
    "mistakes in several sections": (
        "cimd:\n  trusted_host: ['*.example.com']\nusers: alice\nrules:\n  - name\n",
        [
            "line 2: cimd.trusted_host: is not a known key; did you mean trusted_hosts?",
            "line 3: users: must be a list, not the text “alice”",
            "line 5: rules[0]: must be a mapping, not the text “name”",
        ],
    ),
}


@pytest.mark.parametrize(("text", "mistakes"), WRONG.values(), ids=WRONG)
def test_the_whole_answer(gatehouse: World, tmp_path: Path, text: str, mistakes: list[str]) -> None:
    file, before = tmp_path / "organisation.yaml", AuditEvent.objects.count()
    file.write_text(text)
    with pytest.raises(CommandError) as refused:
        call_command("apply", str(file), stdout=StringIO())
    if len(mistakes) == 1:
        expected = f"{file}: {mistakes[0].rstrip('.')}. Nothing was changed."
    else:
        lines = [f"{file}: {mistake}" for mistake in mistakes]
        expected = "\n".join([*lines, f"{len(mistakes)} mistakes. Nothing was changed."])
    assert str(refused.value) == expected
    assert AuditEvent.objects.count() == before


def test_very_many_mistakes_are_counted(gatehouse: World, tmp_path: Path) -> None:
    file = tmp_path / "organisation.yaml"
    file.write_text("users:\n" + "".join(f"  - {{username: u{number}, role: king}}\n" for number in range(150)))
    with pytest.raises(CommandError) as refused:
        call_command("apply", str(file), stdout=StringIO())
    assert str(refused.value).endswith("\n… and 50 more\n150 mistakes. Nothing was changed.")
    assert str(refused.value).count("\n") == 101
