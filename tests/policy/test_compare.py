"""What a change of the rules would have changed over past questions."""

import pytest

from authz import policy
from authz.policy import Direction, Rule

from .cast import NOW, allow, approval, deny, question, require, told

HOUR = 3600

# idea · old · new · question · direction
CHANGES = [
    ("nothing", [allow()], [allow()], question(), None),
    ("only a rule's name", [allow()], [allow(name="other")], question(), None),
    ("only the reason of a refusal", [allow(), deny()], [], question(), None),
    ("a new permission", [], [allow()], question(), Direction.MORE),
    ("a new denial", [allow()], [allow(), deny()], question(), Direction.LESS),
    ("one scope more", [allow("read")], [allow()], question("read write"), Direction.MORE),
    ("one scope less", [allow()], [allow("read")], question("read write"), Direction.LESS),
    ("one for another", [allow("read")], [allow("write")], question("read write"), Direction.OTHER),
    ("a longer life", [allow(max_lifetime=60)], [allow(max_lifetime=61)], question(), Direction.MORE),
    ("a shorter life", [allow(max_lifetime=61)], [allow(max_lifetime=60)], question(), Direction.LESS),
    ("no cap", [allow(max_lifetime=60)], [allow()], question(), Direction.MORE),
    ("a cap", [allow()], [allow(max_lifetime=60)], question(), Direction.LESS),
    ("more, for a shorter time", [allow("read")], [allow(max_lifetime=60)], question("read write"), Direction.OTHER),
    ("now it waits", [allow()], [require()], question(), Direction.LESS),
    ("it may wait at least", [], [require()], question(), Direction.MORE),
    ("it needn't wait", [require()], [allow()], question(), Direction.MORE),
    ("it may not even wait", [require()], [], question(), Direction.LESS),
    ("part of it waits", [allow()], [allow(), require("write")], question("read write"), Direction.LESS),
    ("more of it waits", [allow(), require("write")], [require()], question("read write"), Direction.LESS),
    ("less of it waits", [require()], [allow(), require("write")], question("read write"), Direction.MORE),
    ("more, if one waits", [allow("read")], [allow("read"), require("write")], question("read write"), Direction.OTHER),
]


@pytest.mark.parametrize(("idea", "old", "new", "asked", "direction"), CHANGES, ids=[row[0] for row in CHANGES])
def test_it_tells_what_changes(
    idea: str, old: list[Rule], new: list[Rule], asked: policy.AccessQuestion, direction: Direction | None
) -> None:
    changes = policy.compare(policy.compile(old), policy.compile(new), [(asked, NOW - 60)], NOW)
    assert [change.direction for change in changes] == ([] if direction is None else [direction])


def test_it_keeps_the_asks_their_order_and_both_decisions() -> None:
    questions = [(question("read"), NOW - 3), (question("write"), NOW - 2), (question("delete"), NOW - 1)]
    old, new = policy.compile([allow("read write")], "old"), policy.compile([allow("write delete")], "new")
    changes = policy.compare(old, new, questions, NOW)
    assert [(change.question, change.at) for change in changes] == [questions[0], questions[2]]
    assert [(told(change.before), told(change.after)) for change in changes] == [
        ("allowed: read", "no_rule_allows"),
        ("no_rule_allows", "allowed: delete"),
    ]
    assert (changes[0].before.ruleset, changes[0].after.ruleset) == ("old", "new")


def test_a_sign_in_is_as_old_as_it_was_then() -> None:
    then = NOW - 24 * HOUR
    fresh = (question(auth_time=then - 60), then)
    free, demanding = policy.compile([allow()]), policy.compile([allow(max_auth_age=HOUR)])
    assert policy.compare(free, demanding, [fresh], NOW) == policy.compare(demanding, free, [fresh], NOW) == ()


def test_the_hour_of_the_day_is_that_of_the_ask() -> None:
    old, new = policy.compile([]), policy.compile([allow(hours={"from": "03:00", "to": "05:00"})])
    night, day = (question(), NOW - 4 * HOUR), (question(), NOW)
    assert [change.at for change in policy.compare(old, new, [night, day], NOW)] == [night[1]]


def test_a_rule_is_tried_as_if_it_had_been_in_force_all_the_time() -> None:
    yesterday = (question(), NOW - 24 * HOUR)
    begun, ended = allow(not_before="2027-01-15T08:00:00Z"), allow(not_after="2027-01-15T08:00:00Z")
    nothing = policy.compile([])
    assert len(policy.compare(nothing, policy.compile([begun]), [yesterday], NOW)) == 1
    assert policy.compare(nothing, policy.compile([ended]), [yesterday], NOW) == ()
    assert len(policy.compare(policy.compile([begun]), nothing, [yesterday], NOW)) == 1


def test_a_rules_end_caps_a_lifetime_by_the_present() -> None:
    ending = policy.compile([allow(not_after="2027-01-15T08:01:40Z")])
    (change,) = policy.compare(policy.compile([]), ending, [(question(), NOW - HOUR)], NOW)
    assert change.after.lifetime == 100


def test_approvals_count_while_they_lived() -> None:
    old, new = policy.compile([allow()]), policy.compile([require()])
    questions = [(question(), NOW - 60), (question(), NOW - 61)]
    changes = policy.compare(old, new, questions, NOW, [approval("read")])
    assert [(change.at, told(change.after)) for change in changes] == [
        (NOW - 60, "allowed: read"),
        (NOW - 61, "waits: read"),
    ]
    assert changes[0].direction is Direction.LESS
    back = policy.compare(new, old, questions, NOW, [approval("read")])
    assert [(change.at, told(change.before)) for change in back] == [
        (NOW - 60, "allowed: read"),
        (NOW - 61, "waits: read"),
    ]
