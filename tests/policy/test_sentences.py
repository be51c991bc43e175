"""Rules as sentences."""

import dataclasses

import pytest

from authz import policy
from authz.policy.sentences import any_of, around_servers

from .cast import NOTES, PAYROLL, allow, deny, require

HOURS = {"from": "22:00", "to": "06:30", "timezone": "Europe/Berlin"}
JWT_BEARER, TOKEN_EXCHANGE = (f"urn:ietf:params:oauth:grant-type:{name}" for name in ("jwt-bearer", "token-exchange"))

SENTENCES = [
    (allow(), "Any signed-in person may get every scope at any server through any agent."),
    (allow(users=["*"]), "Any signed-in person may get every scope at any server through any agent."),
    (deny(), "No signed-in person may get any scope at any server through any agent."),
    (
        require(),
        "Any signed-in person may get every scope at any server through any agent,"
        " but only once an approver has approved it.",
    ),
    (
        require(approvers={"owner": True, "groups": ["leads"], "count": 2}),
        "Any signed-in person may get every scope at any server through any agent,"
        " but only once two of: the server’s owner, members of leads have approved it.",
    ),
    (
        require(approvers={"users": ["olga"], "roles": ["administrator"]}),
        "Any signed-in person may get every scope at any server through any agent,"
        " but only once olga or an administrator has approved it.",
    ),
    (allow(groups=None), "Any agent may get every scope at any server for itself."),
    (deny(groups=None), "No agent may get any scope at any server for itself."),
    (allow(enabled=False), "(Switched off.) Any signed-in person may get every scope at any server through any agent."),
    (
        allow("mcp:read", groups=["engineering"], resources=[NOTES], max_lifetime=600),
        f"Members of engineering may get the scope mcp:read at {NOTES} through any agent,"
        " for at most 10 minutes a token.",
    ),
    (
        deny("read write delete", users=["bob", "alice"], groups=["law", "tax", "audit"], resources=[NOTES, PAYROLL]),
        "bob, alice or members of law, tax or audit may not get the scopes read, write and delete"
        f" at {NOTES} or {PAYROLL} through any agent.",
    ),
    (
        allow("read write", users=["members"], sensitivities=["low", "medium"]),
        "members may get the scopes read and write of low or medium sensitivity at any server through any agent.",
    ),
    (deny(users=["bob"]), "bob may not get any scope at any server through any agent."),
    (
        allow(clients=["nightly-report"], groups=None, grant_types=["client_credentials"]),
        "nightly-report may get every scope at any server for itself by client credentials.",
    ),
    (
        allow(
            clients=["host:*.example.com", "host:app.example.org", "tag:office:2", "owner:alice", "environment:test"]
        ),
        "Any signed-in person may get every scope at any server through agents of hosts below example.com,"
        " agents of app.example.org, agents tagged office:2, agents owned by alice or agents in test.",
    ),
    (
        allow(clients=["kind:registered", "kind:dynamic", "kind:cimd"]),
        "Any signed-in person may get every scope at any server through agents registered by hand,"
        " agents that registered themselves or agents with a client ID metadata document.",
    ),
    (
        deny(clients=["kind:workload"], groups=None),
        "Workloads may not get any scope at any server for themselves.",
    ),
    (
        allow(clients=["https://a.example.com/c.json"], grant_types=["authorization_code", "refresh_token"]),
        "Any signed-in person may get every scope at any server through https://a.example.com/c.json"
        " by the authorization code grant or refreshing.",
    ),
    (
        allow(grant_types=[JWT_BEARER, TOKEN_EXCHANGE, "urn:example:grant"]),
        "Any signed-in person may get every scope at any server through any agent"
        " by an identity assertion, token exchange or urn:example:grant.",
    ),
    (
        allow(max_auth_age=3600, acr=["gold", "silver"], amr=["pwd", "otp"]),
        "Any signed-in person may get every scope at any server through any agent,"
        " if the sign-in is at most 1 hour old, the sign-in’s acr is gold or silver and the sign-in used pwd and otp.",
    ),
    (
        deny(amr=["pwd", "sms"]),
        "No signed-in person may get any scope at any server through any agent,"
        " if the sign-in used pwd or sms (or that isn’t known).",
    ),
    (
        require(networks=["10.0.0.0/8", "192.0.2.0/24"]),
        "Any signed-in person may get every scope at any server through any agent,"
        " but only once an approver has approved it,"
        " if the request comes from 10.0.0.0/8 or 192.0.2.0/24 (or that isn’t known).",
    ),
    (
        allow(environments=["production"], hours=HOURS),
        "Any signed-in person may get every scope at any server through any agent,"
        " if the agent is in production and it is between 22:00 and 06:30 in Europe/Berlin.",
    ),
    (
        deny(hours={**HOURS, "days": ["sat", "sun"], "to": "24:00"}),
        "No signed-in person may get any scope at any server through any agent,"
        " if it is between 22:00 and 24:00 in Europe/Berlin on sat or sun (or that isn’t known).",
    ),
    (
        allow(not_before="2027-01-01", not_after="2027-01-31"),
        "Any signed-in person may get every scope at any server through any agent,"
        " from 2027-01-01T00:00:00Z until 2027-02-01T00:00:00Z.",
    ),
    (
        deny(not_after="2027-01-31", acr=["weak"]),
        "No signed-in person may get any scope at any server through any agent,"
        " if the sign-in’s acr is weak (or that isn’t known), until 2027-02-01T00:00:00Z.",
    ),
    (allow(clients=[]), "Applies to nothing, since its list of clients is empty."),
    (allow(grant_types=[]), "Applies to nothing, since its list of grant types is empty."),
    (allow(resources=[]), "Applies to nothing, since its list of resources is empty."),
    (allow(""), "Applies to nothing, since its list of scopes is empty."),
    (allow(sensitivities=[]), "Applies to nothing, since its list of sensitivities is empty."),
    (allow(groups=[]), "Applies to no one, since it names neither a user nor a group."),
    (allow(users=[], groups=[]), "Applies to no one, since it names neither a user nor a group."),
    (allow(users=[], groups=["law"]), "Members of law may get every scope at any server through any agent."),
    (
        deny(groups=[], enabled=False),
        "(Switched off.) Applies to no one, since it names neither a user nor a group.",
    ),
    (
        deny(clients=[], enabled=False),
        "(Switched off.) Applies to nothing, since its list of clients is empty.",
    ),
]


@pytest.mark.parametrize(("rule", "expected"), SENTENCES, ids=[row[1][:60] for row in SENTENCES])
def test_a_rule_reads_as_a_sentence(rule: policy.Rule, expected: str) -> None:
    assert policy.sentence(rule) == expected


def test_a_sentence_is_split_at_the_servers_names() -> None:
    rule = allow("read", users=["bob"], resources=[NOTES, PAYROLL], max_lifetime=60)
    before, servers, after = around_servers(rule)

    assert (before, servers) == ("bob may get the scope read at ", (NOTES, PAYROLL))
    assert after == " through any agent, for at most 1 minute a token."
    assert before + any_of(servers) + after == policy.sentence(rule)


@pytest.mark.parametrize("rule", [allow(), allow(resources=[]), deny(groups=[], resources=[NOTES])])
def test_a_sentence_without_servers_stays_in_one(rule: policy.Rule) -> None:
    assert around_servers(rule) == (policy.sentence(rule), (), "")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (3540, "59 minutes"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (86_400, "1 day"),
        (90_000, "25 hours"),
        (172_800, "2 days"),
    ],
)
def test_durations(seconds: int, said: str) -> None:
    assert policy.sentence(dataclasses.replace(allow(), max_lifetime=seconds)).endswith(
        f", for at most {said} a token."
    )
