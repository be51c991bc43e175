"""`decide_sign_in`, as a table: may this person sign in to this client, and with which identity scopes?"""

import pytest

from authz import policy

from .cast import NOTES, NOW, PAYROLL, allow, approval, deny, machine, question, require, told

ALL = "allowed: openid email"

TABLE = [
    ("nothing by default", [], question("openid"), (), "no_rule_allows"),
    ("a person with any permission may sign in", [allow("read")], question("openid email"), (), ALL),
    ("whatever the resource", [allow("read", resources=[PAYROLL])], question("openid email"), (), ALL),
    ("in the request's order", [allow("read")], question("email openid"), (), "allowed: email openid"),
    (
        "all five",
        [allow("read")],
        question("openid profile email groups offline_access"),
        (),
        "allowed: openid profile email groups offline_access",
    ),
    ("other scopes are none of its business", [allow()], question("openid read"), (), "narrowed: openid"),
    ("only other scopes", [allow()], question("read"), (), "no_rule_allows"),
    ("no scopes", [allow()], question(""), (), "nothing_asked"),
    (
        "not through a client that isn't approved",
        [allow()],
        question("openid", client_status=policy.ClientStatus.PENDING),
        (),
        "client_not_approved",
    ),
    ("not through another client", [allow(clients=["other"])], question("openid"), (), "no_rule_allows"),
    ("not another person", [allow(users=["alice"])], question("openid"), (), "no_rule_allows"),
    ("not a machine", [allow(groups=None)], machine("openid", grant_type="authorization_code"), (), "no_rule_allows"),
    ("only by the code grant", [allow()], question("openid", grant_type="urn:x:y"), (), "no_rule_allows"),
    (
        "not by a rule for another grant",
        [allow(grant_types=["client_credentials"])],
        question("openid"),
        (),
        "no_rule_allows",
    ),
    ("a refresh too", [allow("read")], question("openid email", refresh=True), (), ALL),
    ("not if no resource is allowed", [allow(resources=[])], question("openid"), (), "no_rule_allows"),
    ("not if no scope is allowed", [allow("")], question("openid"), (), "no_rule_allows"),
    ("not if no sensitivity is allowed", [allow(sensitivities=[])], question("openid"), (), "no_rule_allows"),
    ("if some sensitivity is", [allow(sensitivities=["low"])], question("openid email"), (), ALL),
    # Denies.
    ("a deny of openid takes all away", [allow(), deny("openid")], question("openid email"), (), "denied_by_rule"),
    (
        "even if it speaks of one resource",
        [allow(), deny("openid", resources=[PAYROLL])],
        question("openid email"),
        (),
        "denied_by_rule",
    ),
    ("even offline_access alone", [allow(), deny("openid")], question("offline_access"), (), "denied_by_rule"),
    (
        "even with a sensitivity",
        [allow(), deny("openid", sensitivities=["high"])],
        question("openid"),
        (),
        "denied_by_rule",
    ),
    ("a deny of one takes one away", [allow(), deny("email")], question("openid email"), (), "narrowed: openid"),
    ("a deny of another takes none away", [allow(), deny("profile")], question("openid email"), (), ALL),
    ("a deny of another scope", [allow(), deny("write")], question("openid email"), (), ALL),
    ("a deny of everything", [allow(), deny()], question("openid email"), (), "denied_by_rule"),
    ("a deny of everything at one resource", [allow(), deny(resources=[PAYROLL])], question("openid email"), (), ALL),
    ("a deny of everything sensitive", [allow(), deny(sensitivities=["high"])], question("openid email"), (), ALL),
    (
        "a deny of all that was allowed",
        [allow(resources=[NOTES]), deny(resources=[NOTES])],
        question("openid"),
        (),
        "no_rule_allows",
    ),
    (
        "a deny of each that was allowed",
        [allow("read write"), deny("read", name="a"), deny("write", name="b")],
        question("openid"),
        (),
        "no_rule_allows",
    ),
    ("a deny of some that was allowed", [allow("read write"), deny("read")], question("openid email"), (), ALL),
    (
        "a deny of one resource of two",
        [allow(resources=[NOTES, PAYROLL]), deny(resources=[NOTES])],
        question("openid email"),
        (),
        ALL,
    ),
    (
        "denies of both",
        [allow(resources=[NOTES, PAYROLL]), deny(name="a", resources=[NOTES]), deny(name="b", resources=[PAYROLL])],
        question("openid"),
        (),
        "no_rule_allows",
    ),
    (
        "a deny of one scope here is none there",
        [allow("read", resources=[NOTES]), deny("read", resources=[PAYROLL])],
        question("openid email"),
        (),
        ALL,
    ),
    ("denies of names leave the others of *", [allow(), deny("read write")], question("openid email"), (), ALL),
    (
        "one allow is left of two",
        [allow("read"), allow("write", name="b"), deny("read")],
        question("openid email"),
        (),
        ALL,
    ),
    (
        "a deny of the sensitive doesn't take what may be harmless",
        [allow("read"), deny(sensitivities=["high"])],
        question("openid email"),
        (),
        ALL,
    ),
    ("a deny for another person", [allow(), deny(users=["charlie"])], question("openid email"), (), ALL),
    ("a deny through something else", [allow(), deny(clients=["other"])], question("openid email"), (), ALL),
    ("a deny by another grant", [allow(), deny(grant_types=["client_credentials"])], question("openid email"), (), ALL),
    (
        "a deny that isn't established",
        [allow(), deny("openid", acr=["weak"])],
        question("openid"),
        (),
        "denied_by_rule",
    ),
    (
        "a deny that surely doesn't apply",
        [allow(), deny("openid", acr=["weak"])],
        question("openid email", acr="gold"),
        (),
        ALL,
    ),
    # Conditions and sign-ins.
    ("a better sign-in would help", [allow(acr=["gold"])], question("openid"), (), "step_up_needed"),
    ("the better sign-in", [allow(acr=["gold"])], question("openid email", acr="gold"), (), ALL),
    (
        "nor does it replace an approval",
        [require(acr=["gold"], resources=[NOTES])],
        question("openid"),
        (),
        "no_rule_allows",
    ),
    (
        "but may follow one",
        [require(acr=["gold"], resources=[NOTES])],
        question("openid"),
        (approval("read"),),
        "step_up_needed",
    ),
    ("or go before one", [require(acr=["gold"])], question("openid"), (), "step_up_needed"),
    ("it wouldn't help against a deny", [allow(acr=["gold"]), deny()], question("openid"), (), "denied_by_rule"),
    (
        "nor where a deny leaves nothing",
        [allow("read", acr=["gold"]), deny("read")],
        question("openid"),
        (),
        "no_rule_allows",
    ),
    ("recent enough", [allow(max_auth_age=60)], question("openid email", auth_time=NOW - 60), (), ALL),
    ("within hours", [allow(hours={"from": "08:00", "to": "09:00"})], question("openid email"), (), ALL),
    ("valid", [allow(not_before="2027-01-15T08:00:00Z")], question("openid email"), (), ALL),
    (
        "the wrong network",
        [allow(networks=["10.0.0.0/8"])],
        question("openid", address="192.0.2.1"),
        (),
        "no_rule_allows",
    ),
    # Approvals.
    (
        "what needs approval at one resource allows nothing yet",
        [require(resources=[NOTES])],
        question("openid"),
        (),
        "no_rule_allows",
    ),
    ("once it is approved it does", [require(resources=[NOTES])], question("openid email"), (approval("read"),), ALL),
    (
        "for that person",
        [require(resources=[NOTES])],
        question("openid"),
        (approval("read", subject="alice"),),
        "no_rule_allows",
    ),
    (
        "while it lives",
        [require(resources=[NOTES])],
        question("openid"),
        (approval("read", expires=NOW),),
        "no_rule_allows",
    ),
    (
        "if it approved anything",
        [require(resources=[NOTES])],
        question("openid"),
        (approval("", declined=("read",)),),
        "no_rule_allows",
    ),
    ("approval of everything makes it wait", [require()], question("openid email"), (), "waits: openid email"),
    ("also beside an allow", [allow(), require()], question("openid email"), (), "waits: openid email"),
    ("until anything is approved", [allow(), require()], question("openid email"), (approval("read"),), ALL),
    (
        "or declined",
        [allow(), require()],
        question("openid"),
        (approval("", declined=("openid",)),),
        "approval_declined",
    ),
    ("approval of a resource doesn't", [allow(), require(resources=[NOTES])], question("openid email"), (), ALL),
    (
        "approval of the sensitive doesn't",
        [allow(), require(sensitivities=["high"])],
        question("openid email"),
        (),
        ALL,
    ),
    (
        "approval of openid by name does",
        [allow(), require("openid")],
        question("openid email"),
        (),
        "waits: openid email",
    ),
    (
        "another approval isn't that",
        [allow(), require("openid")],
        question("openid"),
        (approval("read"),),
        "waits: openid",
    ),
    (
        "that approval is",
        [allow(), require("openid")],
        question("openid"),
        (approval("openid", resource=""),),
        "allowed: openid",
    ),
    ("approval of email by name", [allow(), require("email")], question("openid email"), (), "waits: email"),
    ("approved", [allow(), require("email")], question("openid email"), (approval("email", resource=""),), ALL),
    (
        "approved narrowly",
        [allow(), require("email")],
        question("openid email"),
        (approval("x", declined=("email",)),),
        "narrowed: openid",
    ),
    (
        "a deny outweighs the approval",
        [require(), deny("openid")],
        question("openid"),
        (approval("openid"),),
        "denied_by_rule",
    ),
    (
        "approval of what a deny takes away",
        [require("openid", resources=[NOTES]), deny(resources=[NOTES])],
        question("openid"),
        (),
        "no_rule_allows",
    ),
    ("an approval alone", [], question("openid"), (approval("openid"),), "no_rule_allows"),
]


@pytest.mark.parametrize(("idea", "rules", "asked", "approvals", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_it_decides_on_signing_in(
    idea: str,
    rules: list[policy.Rule],
    asked: policy.AccessQuestion,
    approvals: tuple[policy.Approval, ...],
    expected: str,
) -> None:
    assert told(policy.decide_sign_in(asked, policy.compile(rules), NOW, approvals)) == expected


def test_it_names_the_rules_that_opened_the_door() -> None:
    rules = policy.compile([allow("read", name="a"), allow("write", name="b"), deny("write", name="c")], "v1")
    assert policy.decide_sign_in(question("openid"), rules, NOW) == policy.Decision(
        effect=policy.Outcome.ALLOW,
        reason=policy.DecisionReason.ALLOWED,
        scopes=("openid",),
        rules=("a",),
        ruleset="v1",
    )


def test_it_names_the_approval_and_the_rules_behind_it() -> None:
    rules = policy.compile([allow(name="a"), require(name="b", max_lifetime=60)])
    decision = policy.decide_sign_in(question("openid"), rules, NOW, [approval("read")])
    assert (decision.rules, decision.approvals, decision.lifetime) == (("a", "b"), ("approval",), 60)


def test_it_names_every_rule_of_which_something_is_left() -> None:
    rules = policy.compile([allow("read", name="a"), allow("write", name="b"), deny("delete", name="c")])
    assert policy.decide_sign_in(question("openid"), rules, NOW).rules == ("a", "b")


def test_it_ends_with_the_rule_it_stands_on() -> None:
    rules = policy.compile([allow(not_after="2027-01-15T08:01:40Z")])
    assert policy.decide_sign_in(question("openid"), rules, NOW).lifetime == 100


def test_it_says_which_sign_in_would_help() -> None:
    decision = policy.decide_sign_in(question("openid email"), policy.compile([allow(acr=["gold"])]), NOW)
    assert decision.step_up == policy.StepUp(rule="allow", max_auth_age=None, acr=("gold",), amr=())


def test_a_machine_is_refused_under_the_rules_version() -> None:
    rules = policy.compile([allow(groups=None)], "v1")
    assert policy.decide_sign_in(machine("openid"), rules, NOW).ruleset == "v1"
