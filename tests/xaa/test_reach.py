"""What stands behind other authorization servers is in reach, too: by the ID-JAGs that go there."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from authz.models import Client, Rule
from tests.support.world import NOTES, person
from tests.xaa.company import AGENT, CHARLIES_AGENT, CHAT, CHAT_MCP, TOKEN_EXCHANGE, Company
from xaa.models import ResourceAuthorizationServer

THERE = f"{CHAT_MCP} behind {CHAT} by {TOKEN_EXCHANGE}"
AT_CHAT = f"agent for alice, bob at {THERE}\n    chat.read chat.history: now\n"


def policy(*arguments: str) -> str:
    output = StringIO()
    call_command("policy", *arguments, stdout=output, no_color=True)
    return output.getvalue()


def rules(path: Path, effect: str, scope: str) -> str:
    file = path / "rules.yaml"
    file.write_text(f"""
rules:
  - name: About Chat
    effect: {effect}
    clients: ["*"]
    groups: ["*"]
    resources: ["{CHAT_MCP}"]
    scopes: ["{scope}"]
""")
    return str(file)


def test_who_reaches_a_server_behind_another_authorization_server(company: Company) -> None:
    assert policy("reach", "--resource", CHAT_MCP) == AT_CHAT
    # As the token endpoint does it.
    assert company.exchange(company.login()["id_token"]).status_code == 200
    assert AT_CHAT in policy("reach", "--client", AGENT[0])
    assert THERE in policy("reach", "--user", "bob")
    assert THERE not in policy("reach", "--user", "charlie")


def test_only_who_is_known_there_and_confidential_gets_there(company: Company) -> None:
    for name in (CHARLIES_AGENT[0], "public-agent"):
        assert CHAT_MCP not in policy("reach", "--client", name)
    ResourceAuthorizationServer.objects.update(client_ids={AGENT[0]: "a", CHARLIES_AGENT[0]: "b", "public-agent": "c"})
    assert CHAT_MCP in policy("reach", "--client", CHARLIES_AGENT[0])
    assert CHAT_MCP not in policy("reach", "--client", "public-agent")
    # A metadata document's URL is known everywhere.
    ResourceAuthorizationServer.objects.update(client_ids={})
    assert policy("reach", "--resource", CHAT_MCP) == "Out of reach.\n"
    Client.objects.filter(client_id=AGENT[0]).update(registration_source=Client.RegistrationSource.CIMD)
    assert policy("reach", "--resource", CHAT_MCP) == AT_CHAT


def test_what_is_switched_off_is_not_there(company: Company) -> None:
    ResourceAuthorizationServer.objects.update(enabled=False)
    with pytest.raises(CommandError, match="There is no"):
        policy("reach", "--resource", CHAT_MCP)


def test_an_exchange_leads_only_there_and_only_for_people(company: Company) -> None:
    everything = {"clients": ["*"], "grant_types": ["*"], "resources": ["*"], "scopes": ["*"]}
    Rule.objects.create(name="People everything", effect="allow", definition=everything | {"groups": ["*"]})
    Rule.objects.create(name="Machines everything", effect="allow", definition=everything)
    Client.objects.filter(client_id=AGENT[0]).update(grant_types=["client_credentials", TOKEN_EXCHANGE])
    said = policy("reach", "--client", AGENT[0])
    assert f"agent for charlie at {THERE}\n" in said
    assert f"agent for itself at {NOTES} by client_credentials\n" in said
    assert f"at {NOTES} by {TOKEN_EXCHANGE}" not in said
    assert "itself at " + CHAT_MCP not in said


def test_rules_are_tried_and_demands_are_judged_there_too(company: Company, tmp_path: Path) -> None:
    said = policy("simulate", rules(tmp_path, "deny", "chat.history"))
    assert f"loses agent for bob at {THERE}: chat.history, now → nothing" in said
    with pytest.raises(CommandError, match="do not keep it: 2 ways"):
        policy("comply", rules(tmp_path, "deny", "chat.history"))
    with pytest.raises(CommandError, match="do not keep it: 4 ways"):
        policy("comply", rules(tmp_path, "require_approval", "*"))
    Rule.objects.filter(name="Engineers reach Chat").delete()
    assert "The rules keep it" in policy("comply", rules(tmp_path, "deny", "*"))


def test_a_scope_of_unknown_sensitivity_is_allowed_by_no_rule_that_names_one(company: Company) -> None:
    row = Rule.objects.get(name="Engineers reach Chat")
    row.definition = row.definition | {"sensitivities": ["low"]}
    row.save()
    assert f"at {THERE}\n    chat.read chat.history: now\n" not in policy("reach", "--client", AGENT[0])
    assert company.exchange(company.login()["id_token"]).status_code == 400


def test_the_console_and_the_api_name_the_server_that_it_stands_behind(company: Company) -> None:
    alice = person("alice")
    alice.role = "administrator"
    alice.save()
    browser = Browser()
    browser.force_login(alice, backend="authz.sign_in.password_backend.PasswordBackend")

    page = browser.get("/console/reach/", {"resource": CHAT_MCP}).content.decode()
    assert f'at <bdi>{CHAT_MCP}</bdi> behind <bdi title="{CHAT}">Chat</bdi>' in page
    assert f'<option value="{CHAT_MCP}" selected>{CHAT_MCP} behind Chat</option>' in page

    told = json.loads(browser.get("/api/v1/policy/reach", {"client_id": AGENT[0]}).content)["reach"]
    assert {(row["resource"], row["authorization_server"]) for row in told} == {(NOTES, ""), (CHAT_MCP, CHAT)}
