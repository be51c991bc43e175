"""`decide`, as a table: which client asks, for which person, by which grant.

Bob is in engineering. `read` has low sensitivity, `write` and `delete` have high; that of `odd` isn't known.
"""

import pytest

from authz import policy
from authz.policy import ClientKind

from .cast import NOW, allow, cimd, deny, machine, question, told

OFFICE, ELSEWHERE = "10.1.2.3", "192.0.2.7"
HOUR = 3600
REFRESH = {"refresh": True}
ID_JAG = "urn:ietf:params:oauth:grant-type:jwt-bearer"

# idea · rules · question · what comes out
CLIENTS = [
    ("the client named", [allow(clients=["agent"])], question(), "allowed: read"),
    ("one of the clients named", [allow(clients=["other", "agent"])], question(), "allowed: read"),
    ("another client", [allow(clients=["other"])], question(), "no_rule_allows"),
    ("a client_id is compared with its case", [allow(clients=["Agent"])], question(), "no_rule_allows"),
    ("the beginning of a client_id is not it", [allow(clients=["agen"])], question(), "no_rule_allows"),
    (
        "a CIMD client by its whole URL",
        [allow(clients=["https://a.example.com/client.json"])],
        cimd("a.example.com"),
        "allowed: read",
    ),
    ("a host by name", [allow(clients=["host:a.example.com"])], cimd("a.example.com"), "allowed: read"),
    ("a host ignores case", [allow(clients=["host:A.Example.com"])], cimd("a.EXAMPLE.com"), "allowed: read"),
    (
        "a host ignores the question's port",
        [allow(clients=["host:a.example.com"])],
        cimd("a.example.com:8443"),
        "allowed: read",
    ),
    ("a host ignores the final dot", [allow(clients=["host:a.example.com."])], cimd("a.example.com."), "allowed: read"),
    ("a host is not the one below it", [allow(clients=["host:example.com"])], cimd("a.example.com"), "no_rule_allows"),
    ("hosts below a domain", [allow(clients=["host:*.example.com"])], cimd("a.example.com"), "allowed: read"),
    ("hosts far below a domain", [allow(clients=["host:*.example.com"])], cimd("a.b.example.com"), "allowed: read"),
    ("hosts below, on a port", [allow(clients=["host:*.example.com"])], cimd("a.example.com:444"), "allowed: read"),
    ("not the domain itself", [allow(clients=["host:*.example.com"])], cimd("example.com"), "no_rule_allows"),
    (
        "not a domain that begins alike",
        [allow(clients=["host:*.example.com"])],
        cimd("a.example.com.evil.org"),
        "no_rule_allows",
    ),
    (
        "not a domain that ends alike",
        [allow(clients=["host:*.example.com"])],
        cimd("evilexample.com"),
        "no_rule_allows",
    ),
    ("a loopback address is a host", [allow(clients=["host:127.0.0.1"])], cimd("127.0.0.1:9100"), "allowed: read"),
    ("an IPv6 address is a host", [allow(clients=["host:[::1]"])], cimd("[::1]:9100"), "allowed: read"),
    ("another address is not", [allow(clients=["host:127.0.0.1"])], cimd("127.0.0.2"), "no_rule_allows"),
    ("a client without a host has no host", [allow(clients=["host:*.example.com"])], question(), "no_rule_allows"),
    (
        "a registered client that calls itself like a host pattern",
        [allow(clients=["host:a.example.com"])],
        question(client_id="host:a.example.com"),
        "no_rule_allows",
    ),
    ("a tag", [allow(clients=["tag:trusted"])], question(client_tags=("x", "trusted")), "allowed: read"),
    ("another tag", [allow(clients=["tag:trusted"])], question(client_tags=("x",)), "no_rule_allows"),
    (
        "a client that calls itself like a tag",
        [allow(clients=["tag:trusted"])],
        question(client_id="tag:trusted"),
        "no_rule_allows",
    ),
    ("a client that calls itself *", [allow(clients=["agent"])], question(client_id="*"), "no_rule_allows"),
    ("an owner", [allow(clients=["owner:alice"])], question(client_owner="alice"), "allowed: read"),
    ("another owner", [allow(clients=["owner:alice"])], question(client_owner="charlie"), "no_rule_allows"),
    ("an owner is not a tag", [allow(clients=["owner:alice"])], question(client_tags=("alice",)), "no_rule_allows"),
    ("no owner is not an owner", [allow(clients=["owner:alice"])], question(), "no_rule_allows"),
    (
        "an environment",
        [allow(clients=["environment:production"])],
        question(client_environment="production"),
        "allowed: read",
    ),
    (
        "another environment",
        [allow(clients=["environment:production"])],
        question(client_environment="staging"),
        "no_rule_allows",
    ),
    ("a kind", [allow(clients=["kind:dynamic"])], question(client_kind=ClientKind.DYNAMIC), "allowed: read"),
    ("another kind", [allow(clients=["kind:dynamic"])], question(), "no_rule_allows"),
    (
        "workloads",
        [allow(clients=["kind:workload"], groups=None)],
        machine(client_kind=ClientKind.WORKLOAD),
        "allowed: read",
    ),
    ("a deny by kind", [allow(), deny(clients=["kind:cimd"])], cimd("a.example.com"), "denied_by_rule"),
    ("a deny by host", [allow(), deny(clients=["host:*.evil.org"])], cimd("a.evil.org:8443"), "denied_by_rule"),
]

SUBJECTS = [
    ("a person by name", [allow(users=["bob"])], question(), "allowed: read"),
    ("another person", [allow(users=["bob"])], question(subject="charlie"), "no_rule_allows"),
    ("a name is compared with its case", [allow(users=["Bob"])], question(), "no_rule_allows"),
    ("a group", [allow(groups=["engineering"])], question(), "allowed: read"),
    ("another group", [allow(groups=["finance"])], question(), "no_rule_allows"),
    (
        "one of several groups",
        [allow(groups=["finance"])],
        question(groups=("engineering", "finance")),
        "allowed: read",
    ),
    (
        "a user named like a group",
        [allow(groups=["engineering"])],
        question(subject="engineering", groups=()),
        "no_rule_allows",
    ),
    (
        "a group named like a user",
        [allow(users=["bob"])],
        question(subject="charlie", groups=("bob",)),
        "no_rule_allows",
    ),
    ("by group though not by name", [allow(users=["alice"], groups=["engineering"])], question(), "allowed: read"),
    ("by name though not by group", [allow(users=["bob"], groups=["finance"])], question(), "allowed: read"),
    ("any signed-in person, by groups", [allow(groups=["*"])], question(groups=()), "allowed: read"),
    ("any signed-in person, by users", [allow(users=["*"])], question(groups=()), "allowed: read"),
    ("any signed-in person is no machine", [allow(groups=["*"])], machine(), "no_rule_allows"),
    ("any user is no machine", [allow(users=["*"])], machine(), "no_rule_allows"),
    ("a person without a name is no one", [allow()], question(subject=""), "no_rule_allows"),
    ("not even as a member of a group", [allow(groups=["engineering"])], question(subject=""), "no_rule_allows"),
    ("nor a machine", [allow(groups=None)], question(subject=""), "no_rule_allows"),
    ("a rule without persons is for machines", [allow(groups=None)], machine(), "allowed: read"),
    (
        "two rules for machines",
        [allow("read", name="a", groups=None), allow("write", name="b", groups=None)],
        machine("read write"),
        "allowed: read write",
    ),
    ("and for no person", [allow(groups=None)], question(), "no_rule_allows"),
    ("groups of a machine count for nothing", [allow()], machine(groups=("engineering",)), "no_rule_allows"),
    ("a deny for machines denies no person", [allow(), deny(groups=None)], question(), "allowed: read"),
    ("a deny for persons denies no machine", [allow(groups=None), deny()], machine(), "allowed: read"),
    ("a deny for machines", [allow(groups=None), deny(groups=None)], machine(), "denied_by_rule"),
    ("a deny for one person", [allow(), deny(users=["charlie"])], question(subject="charlie"), "denied_by_rule"),
    ("leaves the others", [allow(), deny(users=["charlie"])], question(), "allowed: read"),
]

GRANTS = [
    ("the grant named", [allow(grant_types=["authorization_code"])], question(), "allowed: read"),
    ("another grant", [allow(grant_types=["client_credentials"])], question(), "no_rule_allows"),
    ("a grant by its URI", [allow(grant_types=[ID_JAG])], question(grant_type=ID_JAG), "allowed: read"),
    (
        "a refresh by the grant it comes from",
        [allow(grant_types=["authorization_code"])],
        question(**REFRESH),
        "allowed: read",
    ),
    ("a refresh by name", [allow(grant_types=["refresh_token"])], question(**REFRESH), "allowed: read"),
    ("what isn't a refresh is none", [allow(grant_types=["refresh_token"])], question(), "no_rule_allows"),
    (
        "a refresh of another grant",
        [allow(grant_types=["authorization_code"])],
        question(grant_type=ID_JAG, **REFRESH),
        "no_rule_allows",
    ),
    ("refreshing can be denied", [allow(), deny(grant_types=["refresh_token"])], question(**REFRESH), "denied_by_rule"),
    ("which leaves the first token", [allow(), deny(grant_types=["refresh_token"])], question(), "allowed: read"),
    ("a grant can be denied", [allow(), deny(grant_types=[ID_JAG])], question(grant_type=ID_JAG), "denied_by_rule"),
]

TABLE = [*CLIENTS, *SUBJECTS, *GRANTS]


@pytest.mark.parametrize(("idea", "rules", "asked", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_it_decides(idea: str, rules: list[policy.Rule], asked: policy.AccessQuestion, expected: str) -> None:
    assert told(policy.decide(asked, policy.compile(rules), NOW)) == expected
