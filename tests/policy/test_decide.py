"""`decide`, as a table of rules, question and decision: what nothing allows, and what resources and scopes decide.

Bob is in engineering. `read` has low sensitivity, `write` and `delete` have high; that of `odd` isn't known.
"""

import dataclasses

import pytest

from authz import policy
from authz.policy import ClientStatus

from .cast import NOTES, NOW, PAYROLL, allow, deny, machine, question, require, told

OFFICE, ELSEWHERE = "10.1.2.3", "192.0.2.7"
HOUR = 3600
REFRESH = {"refresh": True}
ID_JAG = "urn:ietf:params:oauth:grant-type:jwt-bearer"

# idea · rules · question · what comes out
NOTHING_BY_DEFAULT = [
    ("without rules nothing is allowed", [], question(), "no_rule_allows"),
    ("without rules a machine gets nothing", [], machine(), "no_rule_allows"),
    ("a deny alone allows nothing", [deny("write")], question("read"), "no_rule_allows"),
    ("a rule for everything allows what is asked", [allow()], question("read"), "allowed: read"),
    ("it allows several scopes in the order of the request", [allow()], question("write read"), "allowed: write read"),
    ("a scope asked twice is granted once", [allow()], question("read write read"), "allowed: read write"),
    ("who asks for no scope gets none", [allow()], question(""), "nothing_asked"),
    (
        "a rule that is switched off hides none after it",
        [deny(name="a", enabled=False), allow(name="b")],
        question(),
        "allowed: read",
    ),
    ("a rule that is switched off allows nothing", [allow(enabled=False)], question(), "no_rule_allows"),
    ("a deny that is switched off denies nothing", [allow(), deny(enabled=False)], question(), "allowed: read"),
]

EMPTY_LISTS = [
    ("no clients is no client", [allow(clients=[])], question(), "no_rule_allows"),
    ("no groups is no one", [allow(groups=[])], question(), "no_rule_allows"),
    ("no users is no one", [allow(users=[])], question(), "no_rule_allows"),
    ("no users is not a machine either", [allow(users=[])], machine(), "no_rule_allows"),
    ("no groups is not a machine either", [allow(groups=[])], machine(), "no_rule_allows"),
    (
        "no users beside a group leaves the group",
        [allow(users=[], groups=["engineering"])],
        question(),
        "allowed: read",
    ),
    ("no grant types is no grant", [allow(grant_types=[])], question(), "no_rule_allows"),
    ("no resources is no resource", [allow(resources=[])], question(), "no_rule_allows"),
    ("no scopes is no scope", [allow("")], question(), "no_rule_allows"),
    ("no sensitivities is no scope", [allow(sensitivities=[])], question(), "no_rule_allows"),
    ("a deny of no scopes denies nothing", [allow(), deny("")], question(), "allowed: read"),
    ("a deny for no clients denies nothing", [allow(), deny(clients=[])], question(), "allowed: read"),
    (
        "empty conditions ask for nothing",
        [allow(acr=[], amr=[], networks=[], environments=[])],
        question(),
        "allowed: read",
    ),
    ("conditions of null ask for nothing", [allow(max_auth_age=None, not_after=None)], question(), "allowed: read"),
]

STATUS = [
    ("a pending client gets nothing", [allow()], question(client_status=ClientStatus.PENDING), "client_not_approved"),
    (
        "a suspended client gets nothing",
        [allow()],
        question(client_status=ClientStatus.SUSPENDED),
        "client_not_approved",
    ),
    ("a retired client gets nothing", [allow()], question(client_status=ClientStatus.RETIRED), "client_not_approved"),
    ("a status from nowhere gets nothing", [allow()], question(client_status="APPROVED"), "client_not_approved"),
    ("an empty status gets nothing", [allow()], question(client_status=""), "client_not_approved"),
    (
        "a suspended machine gets nothing",
        [allow(groups=None)],
        machine(client_status=ClientStatus.SUSPENDED),
        "client_not_approved",
    ),
]

RESOURCES = [
    ("the resource named", [allow(resources=[NOTES])], question(), "allowed: read"),
    ("another resource", [allow(resources=[PAYROLL])], question(), "no_rule_allows"),
    ("one of several", [allow(resources=[PAYROLL, NOTES])], question(), "allowed: read"),
    ("a path below is another resource", [allow(resources=[NOTES])], question(resource=NOTES + "/x"), "no_rule_allows"),
    ("a path above is another resource", [allow(resources=[NOTES])], question(resource=NOTES[:-4]), "no_rule_allows"),
    (
        "a resource is compared letter by letter",
        [allow(resources=[NOTES])],
        question(resource=NOTES + "/"),
        "no_rule_allows",
    ),
    ("a question for * is no wildcard", [allow(resources=[NOTES])], question(resource="*"), "no_rule_allows"),
    ("a deny elsewhere", [allow(), deny(resources=[PAYROLL])], question(), "allowed: read"),
    ("a deny here", [allow(), deny(resources=[PAYROLL])], question(resource=PAYROLL), "denied_by_rule"),
]

SCOPES = [
    ("only what is allowed", [allow("read")], question("read write"), "narrowed: read"),
    ("in the order of the request", [allow("read write")], question("delete write read"), "narrowed: write read"),
    ("nothing left is a refusal", [allow("read")], question("write"), "no_rule_allows"),
    (
        "two rules together",
        [allow("read", name="a"), allow("write", name="b")],
        question("read write"),
        "allowed: read write",
    ),
    ("a rule allows no more than is asked", [allow("read write delete")], question("read"), "allowed: read"),
    ("a question for * is no wildcard", [allow("read")], question("*"), "no_rule_allows"),
    ("scopes are compared with their case", [allow("Read")], question("read"), "no_rule_allows"),
    ("a deny of one scope leaves the others", [allow(), deny("write")], question("read write"), "narrowed: read"),
    ("a deny of what isn't asked", [allow(), deny("write")], question("read"), "allowed: read"),
    ("a deny of all that is asked", [allow(), deny("read write")], question("read write"), "denied_by_rule"),
    ("a deny of every scope", [allow(), deny("*")], question("read write"), "denied_by_rule"),
    ("a deny outweighs a more exact allow", [allow("read", users=["bob"]), deny("*")], question(), "denied_by_rule"),
    (
        "two denies together",
        [allow(), deny("read", name="a"), deny("write", name="b")],
        question("read write"),
        "denied_by_rule",
    ),
    ("denied here, unheard of there", [allow("read"), deny("read")], question("read write"), "denied_by_rule"),
]

SENSITIVITY = [
    ("scopes of a sensitivity", [allow(sensitivities=["low"])], question("read write"), "narrowed: read"),
    ("of one of several", [allow(sensitivities=["low", "high"])], question("read write"), "allowed: read write"),
    ("of none of them", [allow(sensitivities=["medium"])], question("read"), "no_rule_allows"),
    (
        "names and sensitivities together",
        [allow("read write", sensitivities=["high"])],
        question("read write"),
        "narrowed: write",
    ),
    ("names are not enough", [allow("read", sensitivities=["high"])], question("read write"), "no_rule_allows"),
    (
        "a deny of high sensitivity",
        [allow(), deny(sensitivities=["high"])],
        question("read write delete"),
        "narrowed: read",
    ),
    ("an unknown sensitivity isn't allowed", [allow(sensitivities=["low"])], question("odd"), "no_rule_allows"),
    (
        "an unknown sensitivity is denied",
        [allow(), deny(sensitivities=["high"])],
        question("read odd"),
        "narrowed: read",
    ),
    (
        "it is denied only where the name fits",
        [allow(), deny("write", sensitivities=["high"])],
        question("odd"),
        "allowed: odd",
    ),
    ("unknown is no obstacle for other rules", [allow()], question("odd"), "allowed: odd"),
    ("an unknown one beside a known one", [allow(sensitivities=["low"])], question("odd read"), "narrowed: read"),
    (
        "a question that contradicts itself isn't believed",
        [allow(), deny(sensitivities=["high"])],
        dataclasses.replace(question(), scopes=(("write", "low"), ("write", "high"))),
        "denied_by_rule",
    ),
    ("high sensitivity waits", [allow(), require(sensitivities=["high"])], question("write"), "waits: write"),
    ("an unknown sensitivity waits", [allow(), require(sensitivities=["high"])], question("odd"), "waits: odd"),
    (
        "an unknown one isn't even waited for without an allow",
        [require(sensitivities=["high"])],
        question("odd"),
        "no_rule_allows",
    ),
]

TABLE = [*NOTHING_BY_DEFAULT, *EMPTY_LISTS, *STATUS, *RESOURCES, *SCOPES, *SENSITIVITY]


@pytest.mark.parametrize(("idea", "rules", "asked", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_it_decides(idea: str, rules: list[policy.Rule], asked: policy.AccessQuestion, expected: str) -> None:
    assert told(policy.decide(asked, policy.compile(rules), NOW)) == expected
