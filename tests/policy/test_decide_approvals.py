"""`decide`, as a table: what waits for an approval, and what an approval allows.

Bob is in engineering. `read` has low sensitivity, `write` and `delete` have high; that of `odd` isn't known.
"""

import pytest

from authz import policy
from authz.policy import ClientStatus

from .cast import NOW, PAYROLL, allow, approval, deny, machine, question, require, told

OFFICE, ELSEWHERE = "10.1.2.3", "192.0.2.7"
HOUR = 3600
REFRESH = {"refresh": True}
ID_JAG = "urn:ietf:params:oauth:grant-type:jwt-bearer"

# idea · rules · question · approvals · what comes out
APPROVALS = [
    ("it waits", [require()], question(), [], "waits: read"),
    ("an allow beside it doesn't help", [allow(), require()], question(), [], "waits: read"),
    ("approved", [require()], question(), [approval("read")], "allowed: read"),
    ("approved beside an allow", [allow(), require()], question(), [approval("read")], "allowed: read"),
    ("a deny outweighs it", [require(), deny()], question(), [], "denied_by_rule"),
    ("a deny outweighs the approval", [require(), deny()], question(), [approval("read")], "denied_by_rule"),
    (
        "approved for the rule that asks",
        [require(name="a")],
        question(),
        [approval("read", rules=("a", "b"))],
        "allowed: read",
    ),
    (
        "a rule that came later asks for itself",
        [require(name="late")],
        question(),
        [approval("read", rules=("a",))],
        "waits: read",
    ),
    (
        "of two rules that ask each was answered",
        [require(name="a"), require(name="b")],
        question(),
        [approval("read", rules=("a",)), approval("read", rules=("b",), id="b")],
        "waits: read",
    ),
    ("an approval alone allows nothing", [], question(), [approval("read")], "no_rule_allows"),
    (
        "an approval widens no allow",
        [allow("read")],
        question("read write"),
        [approval("read write")],
        "narrowed: read",
    ),
    ("one scope waits, so all wait", [allow(), require("write")], question("read write"), [], "waits: write"),
    ("what doesn't need it goes on", [allow(), require("write")], question("read"), [], "allowed: read"),
    ("only what is missing waits", [require()], question("read write"), [approval("read")], "waits: write"),
    (
        "two approvals together",
        [require()],
        question("read write"),
        [approval("read"), approval("write", id="b")],
        "allowed: read write",
    ),
    (
        "narrower than asked",
        [require()],
        question("read write"),
        [approval("read", declined=("write",))],
        "narrowed: read",
    ),
    (
        "declined as a whole",
        [require()],
        question("read write"),
        [approval("", declined=("read", "write"))],
        "approval_declined",
    ),
    (
        "declined, then approved",
        [require()],
        question(),
        [approval("", declined=("read",)), approval("read", id="b")],
        "allowed: read",
    ),
    ("declined, but nothing was needed", [allow()], question(), [approval("", declined=("read",))], "allowed: read"),
    (
        "a decline that has ended",
        [require()],
        question(),
        [approval("", declined=("read",), expires=NOW)],
        "waits: read",
    ),
    ("denied and waiting", [require(), deny("write")], question("read write"), [], "waits: read"),
    ("approved for another client", [require()], question(), [approval("read", client_id="other")], "waits: read"),
    ("approved for another person", [require()], question(), [approval("read", subject="alice")], "waits: read"),
    ("approved for a machine", [require()], question(), [approval("read", subject=None)], "waits: read"),
    ("approved for another resource", [require()], question(), [approval("read", resource=PAYROLL)], "waits: read"),
    ("approved for another scope", [require()], question(), [approval("write")], "waits: read"),
    ("an approval of * is of no scope", [require()], question(), [approval("*")], "waits: read"),
    ("approved for another grant", [require()], question(), [approval("read", grant_types=(ID_JAG,))], "waits: read"),
    ("approved for no grant", [require()], question(), [approval("read", grant_types=())], "waits: read"),
    ("approved for any grant", [require()], question(), [approval("read", grant_types=("*",))], "allowed: read"),
    ("approved, and refreshed", [require()], question(**REFRESH), [approval("read")], "allowed: read"),
    ("approved for later", [require()], question(), [approval("read", not_before=NOW + 1)], "waits: read"),
    ("approved from now", [require()], question(), [approval("read", not_before=NOW)], "allowed: read"),
    ("no longer approved", [require()], question(), [approval("read", expires=NOW)], "waits: read"),
    ("approved without an end", [require()], question(), [approval("read", expires=float("inf"))], "waits: read"),
    ("a machine waits", [require(groups=None)], machine(), [], "waits: read"),
    (
        "a machine's approval",
        [require(groups=None)],
        machine(),
        [approval("read", subject=None, grant_types=("*",))],
        "allowed: read",
    ),
    (
        "a suspended client's approval",
        [require()],
        question(client_status=ClientStatus.SUSPENDED),
        [approval("read")],
        "client_not_approved",
    ),
    (
        "it waits only in the network",
        [allow(), require(networks=["192.0.2.0/24"])],
        question(address=OFFICE),
        [],
        "allowed: read",
    ),
    ("it waits from nowhere known", [allow(), require(networks=["192.0.2.0/24"])], question(), [], "waits: read"),
    (
        "from nowhere known it permits nothing",
        [require(networks=["192.0.2.0/24"])],
        question(),
        [approval("read")],
        "no_rule_allows",
    ),
    (
        "but lifts what an allow permits",
        [allow(), require(networks=["192.0.2.0/24"])],
        question(),
        [approval("read")],
        "allowed: read",
    ),
    ("switched off", [allow(), require(enabled=False)], question(), [], "allowed: read"),
]


@pytest.mark.parametrize(
    ("idea", "rules", "asked", "approvals", "expected"), APPROVALS, ids=[row[0] for row in APPROVALS]
)
def test_it_decides_with_approvals(
    idea: str, rules: list[policy.Rule], asked: policy.AccessQuestion, approvals: list[policy.Approval], expected: str
) -> None:
    assert told(policy.decide(asked, policy.compile(rules), NOW, approvals)) == expected
