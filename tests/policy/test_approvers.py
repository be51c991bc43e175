"""The approvers that a require_approval names: read, refused, matched and put into words."""

from typing import Any

import pytest

from authz import policy
from authz.policy import Rule, RuleError
from authz.policy.approvers import phrase

from .test_rules import SHAPE

HOLD = {**SHAPE, "effect": "require_approval"}


@pytest.mark.parametrize(
    "approvers",
    [
        {"owner": True},
        {"users": ["olga", "paul"], "count": 2},
        {"groups": ["payroll leads"], "count": 5},
        {"owner": True, "users": ["olga"], "count": 2},
        {"roles": ["administrator", "approver"]},
    ],
)
def test_approvers_read_as_they_are_written(approvers: dict[str, object]) -> None:
    rule = Rule.from_mapping({**HOLD, "approvers": approvers})
    assert rule.approvers is not None
    assert rule.to_mapping()["approvers"] == approvers
    assert Rule.from_mapping(rule.to_mapping()) == rule


@pytest.mark.parametrize(
    ("approvers", "field"),
    [
        ({}, "approvers"),
        ({"count": 2}, "approvers"),
        ({"owner": False}, "approvers"),
        ({"groups": []}, "approvers"),
        ({"groups": ["*"]}, "approvers.groups"),
        ({"users": ["*"]}, "approvers.users"),
        ({"users": "olga"}, "approvers.users"),
        ({"roles": ["auditor"]}, "approvers.roles[0]"),
        ({"roles": ["approver"], "count": 0}, "approvers.count"),
        ({"roles": ["approver"], "count": 6}, "approvers.count"),
        ({"roles": ["approver"], "count": True}, "approvers.count"),
        ({"users": ["olga"], "count": 2}, "approvers.count"),
        ({"users": ["olga", "olga"], "count": 2}, "approvers.count"),
        ({"owner": True, "count": 2}, "approvers.count"),
        ({"owner": "yes"}, "approvers.owner"),
        ({"group": ["a"]}, "approvers.group"),
        (["olga"], "approvers"),
    ],
)
def test_approvers_that_cannot_be_meant_are_refused(approvers: object, field: str) -> None:
    with pytest.raises(RuleError) as raised:
        Rule.from_mapping({**HOLD, "approvers": approvers})
    assert raised.value.field == field


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_only_a_require_approval_has_approvers(effect: str) -> None:
    with pytest.raises(RuleError) as raised:
        Rule.from_mapping({**SHAPE, "effect": effect, "approvers": {"owner": True}})
    assert raised.value.field == "approvers"


@pytest.mark.parametrize(
    ("person", "means"),
    [
        ({"username": "olga"}, True),
        ({"username": "paul", "groups": ["leads"]}, True),
        ({"username": "paul", "role": "approver"}, True),
        ({"username": "paul", "is_owner": True}, True),
        ({"username": "paul", "role": "administrator"}, False),
        ({"username": "leads", "groups": ["olga"]}, False),
    ],
)
def test_which_people_are_approvers(person: dict[str, Any], means: bool) -> None:
    approvers = policy.Approvers(owner=True, users=("olga",), groups=("leads",), roles=("approver",))
    facts: dict[str, Any] = {"groups": [], "role": "none", "is_owner": False, **person}
    assert approvers.mean(**facts) is means
    assert not policy.Approvers(users=("nobody",)).mean(**facts)


@pytest.mark.parametrize(
    ("approvers", "problem"),
    [
        ({"users": ["*"]}, "must be exact: approvers can't be everyone."),
        ({"roles": ["auditor"]}, "must be one of administrator, approver, not the text “auditor”."),
        ({"roles": ["approver"], "count": 6}, "must be at most 5."),
        ({"users": ["olga"], "count": 2}, "is more than the people who are named."),
        ({}, "names no one: give it an owner, users, groups or roles."),
    ],
)
def test_what_is_wrong_with_approvers_is_said(approvers: dict[str, object], problem: str) -> None:
    with pytest.raises(RuleError) as raised:
        policy.Approvers.from_mapping(approvers)
    assert raised.value.problem == problem


def test_a_role_that_is_no_text_is_named() -> None:
    with pytest.raises(RuleError) as raised:
        policy.Approvers.from_mapping({"roles": [1]}, "who")
    assert raised.value.field == "who.roles[0]"


@pytest.mark.parametrize(
    ("approvers", "words"),
    [
        (policy.Approvers(owner=True), "the server’s owner"),
        (policy.Approvers(users=("olga",)), "olga"),
        (policy.Approvers(roles=("administrator",)), "an administrator"),
        (policy.Approvers(owner=True, roles=("approver",)), "the server’s owner or an approver"),
        (policy.Approvers(users=("olga", "paul"), groups=("leads",)), "olga, paul or members of leads"),
        (policy.Approvers(owner=True, groups=("leads",), count=2), "two of: the server’s owner, members of leads"),
        (policy.Approvers(groups=("leads",), count=5), "five of: members of leads"),
    ],
)
def test_approvers_in_words(approvers: policy.Approvers, words: str) -> None:
    assert phrase(approvers) == words
