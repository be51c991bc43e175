"""What a change of the rules would have changed over past asks."""

import pytest

from authz import policy
from authz.policy import Direction, Rule

from .cast import NOW, allow, approval, ask, deny, require, told

HOUR = 3600

# idea · old · new · ask · direction
CHANGES = [
    ("nothing", [allow()], [allow()], ask(), None),
    ("only a rule's name", [allow()], [allow(name="other")], ask(), None),
    ("only the reason of a refusal", [allow(), deny()], [], ask(), None),
    ("a new permission", [], [allow()], ask(), Direction.MORE),
    ("a new denial", [allow()], [allow(), deny()], ask(), Direction.LESS),
    ("one scope more", [allow("read")], [allow()], ask("read write"), Direction.MORE),
    ("one scope less", [allow()], [allow("read")], ask("read write"), Direction.LESS),
    ("one for another", [allow("read")], [allow("write")], ask("read write"), Direction.OTHER),
    ("a longer life", [allow(max_lifetime=60)], [allow(max_lifetime=61)], ask(), Direction.MORE),
    ("a shorter life", [allow(max_lifetime=61)], [allow(max_lifetime=60)], ask(), Direction.LESS),
    ("no cap", [allow(max_lifetime=60)], [allow()], ask(), Direction.MORE),
    ("a cap", [allow()], [allow(max_lifetime=60)], ask(), Direction.LESS),
    ("more, for a shorter time", [allow("read")], [allow(max_lifetime=60)], ask("read write"), Direction.OTHER),
    ("now it waits", [allow()], [require()], ask(), Direction.LESS),
    ("it may wait at least", [], [require()], ask(), Direction.MORE),
    ("it needn't wait", [require()], [allow()], ask(), Direction.MORE),
    ("it may not even wait", [require()], [], ask(), Direction.LESS),
    ("part of it waits", [allow()], [allow(), require("write")], ask("read write"), Direction.LESS),
    ("more of it waits", [allow(), require("write")], [require()], ask("read write"), Direction.LESS),
    ("less of it waits", [require()], [allow(), require("write")], ask("read write"), Direction.MORE),
    ("more, if one waits", [allow("read")], [allow("read"), require("write")], ask("read write"), Direction.OTHER),
]


@pytest.mark.parametrize(("idea", "old", "new", "asked", "direction"), CHANGES, ids=[row[0] for row in CHANGES])
def test_it_tells_what_changes(
    idea: str, old: list[Rule], new: list[Rule], asked: policy.Ask, direction: Direction | None
) -> None:
    changes = policy.compare(policy.compile(old), policy.compile(new), [(asked, NOW - 60)], NOW)
    assert [change.direction for change in changes] == ([] if direction is None else [direction])


def test_it_keeps_the_asks_their_order_and_both_decisions() -> None:
    asks = [(ask("read"), NOW - 3), (ask("write"), NOW - 2), (ask("delete"), NOW - 1)]
    old, new = policy.compile([allow("read write")], "old"), policy.compile([allow("write delete")], "new")
    changes = policy.compare(old, new, asks, NOW)
    assert [(change.ask, change.at) for change in changes] == [asks[0], asks[2]]
    assert [(told(change.before), told(change.after)) for change in changes] == [
        ("allowed: read", "no_rule_allows"),
        ("no_rule_allows", "allowed: delete"),
    ]
    assert (changes[0].before.ruleset, changes[0].after.ruleset) == ("old", "new")


def test_a_sign_in_is_as_old_as_it_was_then() -> None:
    then = NOW - 24 * HOUR
    fresh = (ask(auth_time=then - 60), then)
    free, demanding = policy.compile([allow()]), policy.compile([allow(max_auth_age=HOUR)])
    assert policy.compare(free, demanding, [fresh], NOW) == policy.compare(demanding, free, [fresh], NOW) == ()


def test_the_hour_of_the_day_is_that_of_the_ask() -> None:
    old, new = policy.compile([]), policy.compile([allow(hours={"from": "03:00", "to": "05:00"})])
    night, day = (ask(), NOW - 4 * HOUR), (ask(), NOW)
    assert [change.at for change in policy.compare(old, new, [night, day], NOW)] == [night[1]]


def test_a_rule_is_tried_as_if_it_had_been_in_force_all_the_time() -> None:
    yesterday = (ask(), NOW - 24 * HOUR)
    begun, ended = allow(not_before="2027-01-15T08:00:00Z"), allow(not_after="2027-01-15T08:00:00Z")
    nothing = policy.compile([])
    assert len(policy.compare(nothing, policy.compile([begun]), [yesterday], NOW)) == 1
    assert policy.compare(nothing, policy.compile([ended]), [yesterday], NOW) == ()
    assert len(policy.compare(policy.compile([begun]), nothing, [yesterday], NOW)) == 1


def test_a_rules_end_caps_a_lifetime_by_the_present() -> None:
    ending = policy.compile([allow(not_after="2027-01-15T08:01:40Z")])
    (change,) = policy.compare(policy.compile([]), ending, [(ask(), NOW - HOUR)], NOW)
    assert change.after.lifetime == 100


def test_approvals_count_while_they_lived() -> None:
    old, new = policy.compile([allow()]), policy.compile([require()])
    asks = [(ask(), NOW - 60), (ask(), NOW - 61)]
    changes = policy.compare(old, new, asks, NOW, [approval("read")])
    assert [(change.at, told(change.after)) for change in changes] == [
        (NOW - 60, "allowed: read"),
        (NOW - 61, "waits: read"),
    ]
    assert changes[0].direction is Direction.LESS
    back = policy.compare(new, old, asks, NOW, [approval("read")])
    assert [(change.at, told(change.before)) for change in back] == [
        (NOW - 60, "allowed: read"),
        (NOW - 61, "waits: read"),
    ]
