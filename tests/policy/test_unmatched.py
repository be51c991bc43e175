"""Rules that name what does not exist: which part is told of, what was probably meant, and when nothing matches."""

from typing import Any

import pytest

from authz.policy import Agent, ClientKind, ClientStatus, Rule, Server
from authz.policy.unmatched import Known, matches_nothing, unmatched

from .cast import NOTES, NOW, PAYROLL

CODE, EXCHANGE = "authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"


def agent(client_id: str, *grant_types: str, **facts: Any) -> Agent:
    return Agent(
        client_id=client_id,
        status=facts.pop("status", ClientStatus.APPROVED),
        kind=facts.pop("kind", ClientKind.REGISTERED),
        grant_types=grant_types,
        **facts,
    )


KNOWN = Known(
    agents=[
        agent("nightly-report", "client_credentials", tags=("finance",), owner="alice", environment="production"),
        agent("desktop-app", CODE, "refresh_token", environment="test"),
        agent("https://app.example.com/client.json", CODE, kind=ClientKind.CIMD, host="app.example.com"),
        agent("old-agent", "client_credentials", status=ClientStatus.RETIRED),
    ],
    servers=[
        Server(identifier=NOTES, scopes=(("mcp:read", "low"), ("mcp:write", "high"))),
        Server(identifier=PAYROLL, scopes=(("payroll:read", "high"),)),
    ],
    users={"alice", "bob"},
    groups={"engineering", "payroll-leads"},
    hosts={"*.trusted.example"},
    grant_types=[CODE, "client_credentials", "refresh_token", EXCHANGE],
)
MACHINES: dict[str, object] = {
    "name": "r",
    "effect": "deny",
    "clients": ["nightly-report"],
    "grant_types": ["*"],
    "resources": [NOTES],
    "scopes": ["*"],
}
PEOPLE = {**MACHINES, "clients": ["*"], "groups": ["engineering"]}


def found(shape: dict[str, object]) -> list[tuple[str, str, bool]]:
    parts = unmatched(Rule.from_mapping(shape), KNOWN, NOW)
    return [(part.field, part.suggestion, part.is_fatal) for part in parts]


# (the rule, where it is wrong, what was probably meant, whether the rule matches nothing for that)
WRONG: list[tuple[dict[str, object], str, str, bool]] = [
    ({**MACHINES, "clients": ["nightly-reprot"]}, "clients[0]", "nightly-report", True),
    ({**MACHINES, "clients": ["Nightly-Report"]}, "clients[0]", "nightly-report", True),
    ({**MACHINES, "clients": ["nightly_report"]}, "clients[0]", "nightly-report", True),
    ({**MACHINES, "clients": ["something-else"]}, "clients[0]", "", True),
    ({**MACHINES, "clients": ["nightly-report", "something-else"]}, "clients[1]", "", False),
    ({**MACHINES, "clients": ["old-agent"]}, "clients[0]", "", True),
    ({**MACHINES, "clients": []}, "clients", "", True),
    ({**MACHINES, "clients": ["tag:finanse"]}, "clients[0]", "tag:finance", True),
    ({**MACHINES, "clients": ["owner:alicia"]}, "clients[0]", "owner:alice", True),
    ({**MACHINES, "clients": ["environment:prodution"]}, "clients[0]", "environment:production", True),
    ({**PEOPLE, "clients": ["host:app.exmaple.com"]}, "clients[0]", "host:app.example.com", True),
    ({**PEOPLE, "clients": ["host:*.elsewhere.example"]}, "clients[0]", "", True),
    (
        {**PEOPLE, "clients": ["https://app.example.com/client.json/"]},
        "clients[0]",
        "https://app.example.com/client.json",
        True,
    ),
    ({**PEOPLE, "clients": ["https://unknown.example/client.json"]}, "clients[0]", "", True),
    ({**PEOPLE, "groups": ["Engineering"]}, "groups[0]", "engineering", True),
    ({**PEOPLE, "groups": ["enginering"]}, "groups[0]", "engineering", True),
    ({**PEOPLE, "groups": ["engineering", "payrol-leads"]}, "groups[1]", "payroll-leads", False),
    ({**PEOPLE, "groups": []}, "users", "", True),
    ({**PEOPLE, "users": ["bobb"]}, "users[0]", "bob", False),
    ({**PEOPLE, "groups": ["nowhere"], "users": ["bobb"]}, "users[0]", "bob", True),
    (
        {**MACHINES, "grant_types": ["urn:ietf:params:oauth:grant-type:token_exchange"]},
        "grant_types[0]",
        EXCHANGE,
        True,
    ),
    ({**MACHINES, "grant_types": [CODE]}, "grant_types", "", True),
    ({**PEOPLE, "grant_types": ["client_credentials"]}, "grant_types", "", True),
    ({**MACHINES, "clients": ["desktop-app"]}, "grant_types", "", True),
    ({**PEOPLE, "clients": ["nightly-report"]}, "grant_types", "", True),
    ({**PEOPLE, "clients": ["desktop-app"], "grant_types": [EXCHANGE]}, "grant_types", "", True),
    ({**MACHINES, "resources": [f"{NOTES}/"]}, "resources[0]", NOTES, True),
    ({**MACHINES, "resources": [NOTES.replace("https", "http")]}, "resources[0]", NOTES, True),
    ({**MACHINES, "resources": [NOTES.replace(".com", ".com:443")]}, "resources[0]", NOTES, True),
    ({**MACHINES, "resources": [NOTES.replace("notes", "nodes")]}, "resources[0]", NOTES, True),
    ({**MACHINES, "scopes": ["mcp:raed"]}, "scopes[0]", "mcp:read", True),
    ({**MACHINES, "scopes": ["mcp:read", "MCP:Write"]}, "scopes[1]", "mcp:write", False),
    ({**MACHINES, "scopes": ["payroll:read"]}, "scopes[0]", "", True),
    ({**MACHINES, "scopes": ["openid"]}, "scopes[0]", "", True),
    ({**MACHINES, "scopes": ["mcp:read"], "sensitivities": ["high"]}, "sensitivities", "", True),
    ({**MACHINES, "conditions": {"not_after": "2020-01-01"}}, "conditions.not_after", "", True),
    (
        {**MACHINES, "effect": "allow", "conditions": {"environments": ["prodution"]}},
        "conditions.environments[0]",
        "production",
        True,
    ),
    ({**MACHINES, "conditions": {"environments": ["test"]}}, "conditions.environments", "", True),
    (
        {**PEOPLE, "effect": "require_approval", "approvers": {"users": ["alcie"]}},
        "approvers.users[0]",
        "alice",
        False,
    ),
    (
        {**PEOPLE, "effect": "require_approval", "approvers": {"groups": ["payroll_leads"]}},
        "approvers.groups[0]",
        "payroll-leads",
        False,
    ),
]


@pytest.mark.parametrize(("shape", "field", "suggestion", "is_fatal"), WRONG)
def test_a_name_that_matches_nothing_is_told(
    shape: dict[str, object], field: str, suggestion: str, is_fatal: bool
) -> None:
    assert (field, suggestion, is_fatal) in found(shape)
    parts = unmatched(Rule.from_mapping(shape), KNOWN, NOW)
    assert matches_nothing(parts) is is_fatal
    if suggestion:
        part = next(part for part in parts if part.field == field)
        assert part.suggestion.removeprefix(part.field) in {suggestion}
        assert "Did you mean" in part.problem


@pytest.mark.parametrize(
    "shape",
    [
        MACHINES,
        PEOPLE,
        {**MACHINES, "clients": ["*"]},
        {**MACHINES, "clients": ["tag:finance"]},
        {**MACHINES, "clients": ["kind:workload"]},
        {**PEOPLE, "clients": ["host:app.example.com"]},
        {**PEOPLE, "clients": ["host:*.example.com"]},
        {**PEOPLE, "clients": ["host:agents.trusted.example"]},
        {**PEOPLE, "clients": ["host:*.trusted.example"]},
        {**PEOPLE, "clients": ["https://new.trusted.example/client.json"]},
        {**PEOPLE, "groups": ["*"]},
        {**PEOPLE, "scopes": ["openid", "mcp:read"]},
        {**PEOPLE, "grant_types": [CODE, "refresh_token"]},
        {**MACHINES, "resources": ["*"], "scopes": ["payroll:read"]},
        {**MACHINES, "scopes": ["*"], "sensitivities": ["high"]},
        {**MACHINES, "conditions": {"environments": ["production"]}},
        {**MACHINES, "effect": "require_approval", "approvers": {"owner": True, "users": ["alice"]}},
    ],
)
def test_a_rule_that_matches_something_gets_no_warning(shape: dict[str, object]) -> None:
    assert found(shape) == []


def test_an_unknown_sensitivity_counts_for_a_denial_and_not_for_a_permission() -> None:
    known = Known(
        agents=KNOWN.agents, servers=[Server(identifier=NOTES, scopes=(("odd", ""),))], grant_types=KNOWN.grant_types
    )
    deny = Rule.from_mapping({**MACHINES, "sensitivities": ["high"]})
    allow = Rule.from_mapping({**MACHINES, "effect": "allow", "sensitivities": ["high"]})
    assert not unmatched(deny, known, NOW)
    assert [part.field for part in unmatched(allow, known, NOW)] == ["sensitivities"]


def test_a_scope_of_another_server_is_named_with_that_server() -> None:
    [part] = unmatched(Rule.from_mapping({**MACHINES, "scopes": ["payroll:read"]}), KNOWN, NOW)
    assert PAYROLL in part.problem
