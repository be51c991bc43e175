"""Past calls of tools under other rules: what is known of them, and what depends on arguments that weren't recorded."""

import dataclasses

import pytest

from authz import policy
from authz.policy.past_calls import MOST_KINDS
from authz.policy.unusual import Unusual

from .cast import NOW, allow, deny, question, require

SMALL = {"amount": {"below": 100}}
LARGE = {"amount": {"at_least": 100}}
HUGE = {"amount": {"at_least": 1000}}
TO_DE = {"country": {"equals": "DE"}}


def asked(recorded: dict[str, object] | None) -> policy.AccessQuestion:
    """A past call, of whose arguments these were recorded. None: the caller had sent none."""
    known = None if recorded is None else frozenset(recorded)
    call = policy.ToolCall(name="pay", labels=frozenset(), arguments=recorded, recorded=known)
    return question("read", tool=call, asks_before_calls=True)


# old rules · new rules · what is recorded · the direction; None: nothing changes
CALLS: list[tuple[list[policy.Rule], list[policy.Rule], dict[str, object] | None, str | None]] = [
    # No rule depends on arguments: all is known.
    ([allow()], [allow(), deny(tools=["pay"])], {}, "less"),
    ([allow()], [allow(), deny(tools=["other"])], {}, None),
    ([allow()], [allow(), require(tools=["pay"])], {}, "less"),
    ([], [allow(tools=["pay"])], {}, "more"),
    # What is recorded decides.
    ([allow()], [allow(), deny(arguments=LARGE)], {"amount": 250}, "less"),
    ([allow()], [allow(), deny(arguments=LARGE)], {"amount": 50}, None),
    ([allow(arguments=SMALL)], [], {"amount": 50}, "less"),
    ([allow(arguments=SMALL)], [], {"amount": 250}, None),
    # What isn't recorded could have decided.
    ([allow()], [allow(), deny(arguments=LARGE)], {}, "unknown"),
    ([allow()], [allow(), require(arguments=LARGE)], {}, "unknown"),
    ([], [allow(arguments=SMALL)], {}, "unknown"),
    ([allow(arguments=SMALL)], [], {}, "unknown"),
    ([allow(), deny(arguments=LARGE)], [allow(), deny(arguments=HUGE)], {}, "unknown"),
    ([allow(arguments=SMALL)], [allow(arguments=TO_DE)], {"amount": 50}, "unknown"),
    # It could have, but another rule decides whatever it was.
    ([allow(), deny()], [allow(), deny(), deny(arguments=LARGE, name="more")], {}, None),
    ([allow()], [allow(), allow(arguments=SMALL, name="more")], {}, None),
    ([allow()], [deny(), deny(arguments=LARGE, name="more")], {}, "less"),
    ([allow(arguments=SMALL, tools=["other"])], [], {}, None),
    # A rule that stays as it is matches before and after alike.
    ([allow(), deny(arguments=LARGE)], [allow(), allow("write", name="more"), deny(arguments=LARGE)], {}, None),
    ([allow(), deny(arguments=LARGE)], [deny(name="all"), deny(arguments=LARGE)], {}, "unknown"),
    # The caller sent no arguments: that is known, and no condition is established.
    ([allow()], [allow(), deny(arguments=LARGE)], None, "less"),
    ([], [allow(arguments=SMALL)], None, None),
    # What is unusual was not measured.
    ([allow()], [allow(), deny(unusual=["first_use"])], {}, "unknown"),
    ([allow()], [deny(), deny(unusual=["first_use"], name="more")], {}, "less"),
    # A rule that is switched off depends on nothing.
    ([allow()], [allow(), deny(arguments=LARGE, enabled=False)], {}, None),
    # The address of an event is that of the MCP server: networks say nothing of a call.
    ([allow(networks=["10.0.0.0/8"])], [allow()], {}, None),
    ([allow()], [allow(), deny(networks=["10.0.0.0/8"])], {}, None),
]


@pytest.mark.parametrize(("old", "new", "recorded", "direction"), CALLS)
def test_what_other_rules_make_of_a_past_call(
    old: list[policy.Rule], new: list[policy.Rule], recorded: dict[str, object] | None, direction: str | None
) -> None:
    changes = policy.compare(policy.compile(old), policy.compile(new), [(asked(recorded), NOW)], NOW)
    assert [change.direction.value for change in changes] == ([] if direction is None else [direction])


@pytest.mark.parametrize(("measured", "direction"), [(frozenset(), None), (frozenset({Unusual.FIRST_USE}), "less")])
def test_what_was_measured_as_unusual_is_known(measured: frozenset[Unusual], direction: str | None) -> None:
    call = policy.ToolCall(name="pay", labels=frozenset(), arguments={}, recorded=frozenset(), unusual=measured)
    asked_then = question("read", tool=call, asks_before_calls=True)
    new = policy.compile([allow(), deny(unusual=["first_use"])])
    changes = policy.compare(policy.compile([allow()]), new, [(asked_then, NOW)], NOW)
    assert [change.direction.value for change in changes] == ([] if direction is None else [direction])


def test_a_token_is_compared_with_its_networks() -> None:
    rules = policy.compile([allow(networks=["10.0.0.0/8"])])
    assert policy.compare(rules, policy.compile([allow()]), [(question(), NOW)], NOW)


def test_too_many_kinds_of_rules_leave_it_unknown() -> None:
    old = [make(arguments=SMALL) for make in (allow, deny, require)]
    same = [make(arguments=TO_DE, name="same") for make in (allow, deny, require)]
    new = [make(arguments=HUGE) for make in (allow, deny, require)]
    assert MOST_KINDS < 3 * 3
    (change,) = policy.compare(
        policy.compile([*old, *same, deny(name="all")]),
        policy.compile([*new, *same, deny(name="all")]),
        [(asked({}), NOW)],
        NOW,
    )
    assert change.direction is policy.Direction.UNKNOWN


MEMBERS = ["amount", "country", "long", "null", "object"]
GIVEN: dict[str, object] = {"amount": 5, "long": "x" * 500, "null": None, "object": {"a": 1}, "secret": "s"}


def test_the_audit_tells_a_member_that_was_missing_from_one_that_is_not_recorded() -> None:
    call = policy.ToolCall(name="pay", labels=frozenset(), arguments=GIVEN)
    facts = policy.facts_of(question("read", tool=call), (), MEMBERS)
    read = policy.question_from(facts, client_id="agent", resource="https://x.example", address="")
    assert read.tool is not None
    # A text that was too long is written like null, so neither is known.
    assert read.tool.recorded == frozenset({"amount", "country", "object"})
    assert "secret" not in str(facts)


def test_without_arguments_all_is_known() -> None:
    facts = policy.facts_of(question("read", tool=policy.ToolCall(name="pay")), (), MEMBERS)
    read = policy.question_from(facts, client_id="agent", resource="https://x.example", address="")
    assert read.tool is not None and read.tool.recorded is None


def test_a_rule_keeps_all_else_in_each_world() -> None:
    limited = allow(networks=["10.0.0.0/8"], acr=["gold"])
    (free,) = policy.without_networks([limited, deny(networks=["10.0.0.0/8"])])
    assert free == dataclasses.replace(limited, conditions=dataclasses.replace(limited.conditions, networks=()))
