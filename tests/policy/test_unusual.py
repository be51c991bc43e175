"""What is unusual about a call, and rules that name it."""

import dataclasses
import json

import pytest
from hypothesis import given

from authz import policy
from authz.policy import AccessQuestion, Approval, Effect, Rule, RuleError, Unusual, decide, explain, facts_of
from authz.policy.unusual import Usage, in_order, limit, unusual

from . import strategies as any_
from .cast import NOW, allow, approval, call, deny, question, require
from .strategies import SOME
from .test_tool_calls import decided

FIRST, MANY = Unusual.FIRST_USE, Unusual.VOLUME


@pytest.mark.parametrize(
    ("busiest", "calls", "times", "expected"),
    [(0, 200, 3, 200), (66, 200, 3, 200), (67, 200, 3, 201), (100, 200, 3, 300), (100, 1, 1, 100), (0, 1, 1000, 1)],
)
def test_how_many_calls_a_day_are_usual(busiest: int, calls: int, times: int, expected: int) -> None:
    assert limit(busiest, calls=calls, times=times) == expected


@pytest.mark.parametrize(
    ("used", "today", "busiest", "expected"),
    [
        (True, 0, 0, set()),
        (False, 0, 0, {FIRST}),
        (False, 0, 50, {FIRST}),
        # The tenth call of a day is usual, the eleventh is not.
        (True, 9, 0, set()),
        (True, 10, 0, {MANY}),
        (False, 10, 0, {FIRST, MANY}),
        # Three times the busiest day, once that is more.
        (True, 149, 50, set()),
        (True, 150, 50, {MANY}),
        (True, 11, 3, {MANY}),
        (True, 11, 4, set()),
    ],
)
def test_what_is_unusual(used: bool, today: int, busiest: int, expected: set[Unusual]) -> None:
    assert unusual(Usage(used=used, today=today, busiest=busiest), limit(busiest, calls=10, times=3)) == expected


def test_kinds_have_one_order() -> None:
    assert in_order(["volume", "first_use"]) == ["first_use", "volume"] == in_order(frozenset(Unusual))
    assert in_order([]) == []


@pytest.mark.parametrize(
    ("wanted", "found", "permitted", "restricted"),
    [
        (["first_use"], {FIRST}, True, True),
        (["first_use"], {MANY}, False, False),
        (["first_use"], set(), False, False),
        (["first_use"], {FIRST, MANY}, True, True),
        (["first_use", "volume"], {MANY}, True, True),
        (["first_use", "volume"], set(), False, False),
        # Attack: a call of which it isn't known how unusual it is.
        (["first_use"], None, False, True),
        (["volume"], None, False, True),
        # It asks for nothing.
        ([], set(), True, True),
        ([], None, True, True),
    ],
)
def test_a_rule_names_what_is_unusual(
    wanted: list[str], found: set[Unusual] | None, permitted: bool, restricted: bool
) -> None:
    asked = call(unusual=None if found is None else frozenset(found))
    assert decided(asked, allow(unusual=wanted)) == ("allowed: read" if permitted else "no_rule_allows")
    assert decided(asked, allow(), deny(unusual=wanted)) == ("denied_by_rule" if restricted else "allowed: read")
    assert decided(asked, allow(), require(unusual=wanted)) == ("waits: read" if restricted else "allowed: read")


def test_a_first_use_passes_once_this_call_is_approved() -> None:
    rules, first = (allow(), require(unusual=["first_use"])), call(unusual=frozenset({FIRST}))
    assert decided(first, *rules, approvals=(approval("read"),)) == "waits: read"
    assert decided(first, *rules, approvals=(approval("read", call="other"),)) == "waits: read"
    assert decided(first, *rules, approvals=(approval("read", call="this"),)) == "allowed: read"
    assert decided(call(), *rules) == "allowed: read"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ("first_use", "conditions.unusual"),
        (["first"], "conditions.unusual[0]"),
        (["first_use", "*"], "conditions.unusual[1]"),
        ([1], "conditions.unusual[0]"),
        ({"first_use": True}, "conditions.unusual"),
    ],
)
def test_what_is_not_understood_is_refused(given: object, field: str) -> None:
    with pytest.raises(RuleError) as refused:
        deny(unusual=given)
    assert refused.value.field == field
    if field.endswith("]") and given != [1]:
        assert refused.value.problem == "must be one of first_use, volume."


def test_the_shape_is_read_back() -> None:
    rule = deny(unusual=["volume", "first_use", "volume"])
    assert rule.to_mapping()["conditions"] == {"unusual": ["volume", "first_use"]}
    assert Rule.from_mapping(rule.to_mapping()) == rule
    assert rule.is_of_calls
    assert not deny(unusual=[]).is_of_calls


def test_the_sentence_and_the_explanation() -> None:
    rule = require(unusual=["first_use", "volume"])
    assert (
        "may call every tool with every scope at any server through any agent, but only once an approver has approved"
        " it, if the agent calls the tool for the first time or it makes far more calls than on its busiest day (or"
        " that isn’t known)."
    ) in policy.sentence(rule)
    told = {
        "usual": (call(), "a usual call", True),
        "unknown": (call(unusual=None), "unknown", False),
        "first": (call(unusual=frozenset({FIRST})), "the agent calls the tool for the first time", True),
        "token": (question(), "a token, for calls to come", False),
    }
    volume = deny(unusual=["volume"])
    for asked, said, established in told.values():
        (trace,) = explain(asked, policy.compile([volume]), NOW).rules
        (missed,) = trace.mismatches
        assert (missed.field, missed.asked, missed.established) == ("unusual", said, established)
        assert missed.wanted == "it makes far more calls than on its busiest day"
    both = explain(call(unusual=frozenset(Unusual)), policy.compile([deny(acr=["gold"], unusual=["volume"])]), NOW)
    assert [missed.field for missed in both.rules[0].mismatches] == ["acr"]


@pytest.mark.parametrize("found", [None, frozenset(), frozenset({FIRST}), frozenset(Unusual)])
def test_the_audit_keeps_it(found: frozenset[Unusual] | None) -> None:
    asked = call(unusual=found)
    kept = json.loads(json.dumps(facts_of(asked, {})))
    assert kept["tool"].get("unusual") == (None if found is None else in_order(found))
    read = policy.question_from(kept, client_id=asked.client_id, resource=asked.resource, address="")
    assert read.tool is not None
    assert read.tool.unusual == found


@SOME
@given(any_.questions, any_.rule_lists, any_.rules, any_.approvals)
def test_the_condition_never_makes_a_permission_allow_more_nor_a_restriction_deny_more(
    asked: AccessQuestion, rules: list[Rule], rule: Rule, approvals: list[Approval]
) -> None:
    bare = dataclasses.replace(rule, conditions=dataclasses.replace(rule.conditions, unusual=()))
    named = dataclasses.replace(rule, conditions=dataclasses.replace(rule.conditions, unusual=(FIRST,)))
    with_it = decide(asked, policy.compile([*rules, named]), NOW, approvals)
    without = decide(asked, policy.compile([*rules, bare]), NOW, approvals)
    if rule.effect is Effect.ALLOW:
        assert {*with_it.scopes} <= {*without.scopes}
    elif rule.effect is Effect.DENY:
        assert {*with_it.scopes} >= {*without.scopes}


@SOME
@given(any_.questions, any_.calls, any_.rule_lists, any_.approvals)
def test_what_is_not_known_gets_no_more_than_whatever_it_is(
    asked: AccessQuestion, tool: policy.ToolCall, rules: list[Rule], approvals: list[Approval]
) -> None:
    compiled = policy.compile(rules)

    def scopes(found: frozenset[Unusual] | None) -> set[str]:
        at_call = dataclasses.replace(asked, tool=dataclasses.replace(tool, unusual=found))
        return set(decide(at_call, compiled, NOW, approvals).scopes)

    for found in (frozenset(), frozenset({FIRST}), frozenset({MANY}), frozenset(Unusual)):
        assert scopes(None) <= scopes(found)
