"""Rules that speak of tools, labels and arguments: what they mean for a call, and what for a token."""

import dataclasses

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from authz import policy
from authz.decisions.calls import shows_live_token
from authz.policy import AccessQuestion, Approval, Conditions, Effect, Rule, RuleError, decide

from . import strategies as any_
from .cast import NOW, allow, approval, call, deny, question, require, told
from .strategies import SOME


def decided(asked: AccessQuestion, *rules: Rule, approvals: tuple[Approval, ...] = ()) -> str:
    return told(decide(asked, policy.compile(rules), NOW, approvals))


@pytest.mark.parametrize(
    ("tools", "name", "permitted", "denied"),
    [
        (["pay"], "pay", True, True),
        (["pay"], "pay_all", False, False),
        (["pay"], "Pay", False, False),
        (["pay_*"], "pay_all", True, True),
        (["pay_*"], "pay", False, False),
        (["pay_*"], "pay_", True, True),
        (["get", "pay_*"], "pay_all", True, True),
        (["*"], "pay", True, True),
        ([], "pay", False, False),
        # What the server takes such a name for isn't known.
        (["pay"], "pay\u200b", False, True),
        (["pay"], "p\u0430y", False, True),
        (["pay"], "pay ", False, True),
        (["*"], "", False, True),
    ],
)
def test_a_rule_names_tools(tools: list[str], name: str, permitted: bool, denied: bool) -> None:
    assert decided(call(name), allow(tools=tools)) == ("allowed: read" if permitted else "no_rule_allows")
    assert decided(call(name), allow(), deny(tools=tools)) == ("denied_by_rule" if denied else "allowed: read")


@pytest.mark.parametrize(
    ("facts", "permitted", "denied"),
    [
        ({"labels": frozenset({"pii"})}, True, True),
        ({"labels": frozenset({"other"})}, False, False),
        ({"labels": frozenset()}, False, False),
        # The labels of a tool that isn't known may be any.
        ({"labels": None}, False, True),
    ],
)
def test_a_rule_names_labels_of_tools(facts: dict[str, object], permitted: bool, denied: bool) -> None:
    assert decided(call(**facts), allow(labels=["pii"])) == ("allowed: read" if permitted else "no_rule_allows")
    assert decided(call(**facts), allow(), deny(labels=["pii"])) == ("denied_by_rule" if denied else "allowed: read")


def test_a_rule_names_labels_of_servers_and_scopes() -> None:
    for rule, other in ((allow(labels=["pii"]), ()), (deny(labels=["pii"]), (allow(),))):
        at_server = decided(dataclasses.replace(question("read write"), labels=("pii",)), rule, *other)
        at_scope = decided(dataclasses.replace(question("read write"), scope_labels=(("read", "pii"),)), rule, *other)
        is_allow = rule.effect is Effect.ALLOW
        assert at_server == ("allowed: read write" if is_allow else "denied_by_rule")
        assert at_scope == ("narrowed: read" if is_allow else "narrowed: write")


def test_a_rule_without_tools_speaks_of_all() -> None:
    assert decided(call("anything"), allow()) == "allowed: read"
    assert decided(call("anything"), allow(), deny()) == "denied_by_rule"


def test_arguments_that_are_not_known_permit_nothing_and_escape_nothing() -> None:
    small, large = allow(arguments={"amount": {"below": 100}}), deny(arguments={"amount": {"at_least": 100}})
    assert decided(call(arguments={"amount": 99}), small, large) == "allowed: read"
    assert decided(call(arguments={"amount": 100}), small, large) == "denied_by_rule"
    for unknown in ({}, {"amount": "99"}, {"amount": None}, {"amount": True}, {"amount": [99]}, None):
        assert decided(call(arguments=unknown), small) == "no_rule_allows"
        assert decided(call(arguments=unknown), allow(), large) == "denied_by_rule"


def test_a_call_is_one_act_that_a_deny_of_one_scope_refuses() -> None:
    # Which scope a tool uses isn't known: a token for reading and writing must not get past a deny of writing.
    assert decided(call("erase", "read write"), allow(), deny("write", tools=["erase"])) == "denied_by_rule"
    assert decided(call("get", "read write"), allow(), deny("write", tools=["erase"])) == "allowed: read write"
    assert decided(call("get", "read write"), allow("read")) == "narrowed: read"
    waiting = decided(call("erase", "read write"), allow(), deny("write"), require("read"))
    assert waiting == "denied_by_rule"


BY_TOOL = {"tools": ["pay"]}
BY_ARGUMENT = {"arguments": {"amount": {"below": 100}}}
BY_LABEL = {"labels": ["payroll"]}
BY_FIRST_USE = {"unusual": ["first_use"]}


@pytest.mark.parametrize("by_call", [BY_TOOL, BY_ARGUMENT, BY_LABEL, BY_FIRST_USE])
def test_a_token_is_permitted_and_not_restricted_where_each_call_is_asked_about(by_call: dict[str, object]) -> None:
    asked = question(asks_before_calls=True, tool_labels=("payroll",))
    assert decided(asked, allow(**by_call)) == "allowed: read"
    assert decided(asked, allow(), deny(**by_call)) == "allowed: read"
    assert decided(asked, allow(), require(**by_call)) == "allowed: read"
    assert decided(asked, require(**by_call)) == "allowed: read"
    assert decided(asked, deny(**by_call)) == "no_rule_allows"
    assert decided(asked, allow(**by_call), deny()) == "denied_by_rule"
    assert decided(asked, allow(**by_call), require()) == "waits: read"


@pytest.mark.parametrize("by_call", [BY_TOOL, BY_ARGUMENT, BY_LABEL, BY_FIRST_USE])
def test_a_token_that_is_good_for_every_call_is_not_permitted_and_restricted(by_call: dict[str, object]) -> None:
    asked = question(tool_labels=("payroll",))
    assert decided(asked, allow(**by_call)) == "no_rule_allows"
    assert decided(asked, allow(), deny(**by_call)) == "denied_by_rule"
    assert decided(asked, allow(), require(**by_call)) == "waits: read"
    assert decided(asked, require(**by_call)) == "no_rule_allows"


def test_a_label_that_no_tool_has_says_nothing_of_a_token() -> None:
    for asks in (True, False):
        asked = question(asks_before_calls=asks, tool_labels=("other",))
        assert decided(asked, allow(), deny(labels=["payroll"])) == "allowed: read"
        assert decided(asked, allow(labels=["payroll"])) == "no_rule_allows"


def test_a_rule_that_speaks_of_calls_is_answered_by_an_approval_of_this_call() -> None:
    rules = allow(), require(tools=["pay"])
    of_token, this, other = approval("read"), approval("read", call="this"), approval("read", call="other")
    assert decided(call("pay"), *rules) == "waits: read"
    assert decided(call("pay"), *rules, approvals=(of_token,)) == "waits: read"
    assert decided(call("pay"), *rules, approvals=(other,)) == "waits: read"
    assert decided(call("pay"), *rules, approvals=(this,)) == "allowed: read"
    assert decided(call("pay", digest=""), *rules, approvals=(this, of_token)) == "waits: read"
    assert decided(question(), *rules, approvals=(this,)) == "waits: read"


def test_the_label_of_a_tool_asks_for_an_approval_of_the_call_and_that_of_a_server_does_not() -> None:
    rules, of_token = (allow(), require(labels=["pii"])), approval("read")
    assert decided(call(labels=frozenset({"pii"})), *rules, approvals=(of_token,)) == "waits: read"
    by_server = dataclasses.replace(call(), labels=("pii",))
    assert decided(by_server, *rules, approvals=(of_token,)) == "allowed: read"


def test_an_approval_of_a_token_answers_a_rule_that_speaks_of_all() -> None:
    assert decided(call(), require(), approvals=(approval("read"),)) == "allowed: read"


def test_an_approver_who_declined_one_scope_refuses_the_call() -> None:
    declined = approval("", declined=("write",), call="this")
    rules = allow("read"), require("write", tools=["pay"])
    assert decided(call("pay", "read write"), *rules, approvals=(declined,)) == "approval_declined"
    assert decided(call("pay", "read write", digest="other"), *rules, approvals=(declined,)) == "waits: write"


def without_calls(rule: Rule) -> Rule:
    conditions = dataclasses.replace(rule.conditions, arguments=(), unusual=())
    return dataclasses.replace(rule, tools=None, labels=None, conditions=conditions)


@SOME
@given(any_.questions, any_.rule_lists, any_.allows, any_.approvals)
def test_what_is_said_of_calls_never_makes_a_permission_allow_more(
    asked: AccessQuestion, rules: list[Rule], rule: Rule, approvals: list[Approval]
) -> None:
    with_them = decide(asked, policy.compile([*rules, rule]), NOW, approvals)
    without = decide(asked, policy.compile([*rules, without_calls(rule)]), NOW, approvals)
    assert {*with_them.scopes} <= {*without.scopes}
    assert {*with_them.scopes, *with_them.waiting} <= {*without.scopes, *without.waiting}


@SOME
@given(any_.questions, any_.rules)
def test_what_is_said_of_calls_never_makes_a_rule_by_itself_allow_more(asked: AccessQuestion, rule: Rule) -> None:
    # A token that waits for no approval is one whose calls wait.
    assume(rule.effect is Effect.ALLOW or asked.tool is not None or not asked.asks_before_calls)
    with_them = decide(asked, policy.compile([rule]), NOW)
    without = decide(asked, policy.compile([without_calls(rule)]), NOW)
    assert {*with_them.scopes} <= {*without.scopes}


@SOME
@given(any_.questions, any_.rule_lists, any_.denies, any_.approvals)
def test_they_never_make_a_restriction_deny_what_it_did_not_deny_without(
    asked: AccessQuestion, rules: list[Rule], rule: Rule, approvals: list[Approval]
) -> None:
    with_them = decide(asked, policy.compile([*rules, rule]), NOW, approvals)
    without = decide(asked, policy.compile([*rules, without_calls(rule)]), NOW, approvals)
    assert {*with_them.scopes} >= {*without.scopes}


@SOME
@given(any_.questions, any_.calls, any_.rule_lists)
def test_no_token_is_good_for_a_call_that_the_rules_would_refuse_where_nothing_asks(
    asked: AccessQuestion, tool: policy.ToolCall, rules: list[Rule]
) -> None:
    listed = {*asked.tool_labels} | (tool.labels or set())
    asked = dataclasses.replace(asked, asks_before_calls=False, tool=None, tool_labels=tuple(listed))
    known = dataclasses.replace(tool, labels=tool.labels or frozenset())
    compiled = policy.compile(rules)
    granted = decide(asked, compiled, NOW).scopes
    for scope in asked.scopes:
        if scope[0] in granted:
            single = dataclasses.replace(asked, scopes=(scope,))
            at_call = decide(dataclasses.replace(single, tool=known), compiled, NOW)
            if decide(single, compiled, NOW).scopes:
                assert at_call.scopes


@SOME
@given(any_.questions, any_.calls, any_.rule_lists, any_.allows, st.sampled_from(["bound", "wanted", ""]))
def test_an_allowed_call_shows_that_its_token_is_still_allowed_as_a_whole(
    asked: AccessQuestion, tool: policy.ToolCall, rules: list[Rule], rule: Rule, proof: str
) -> None:
    """So the decision point asks the rules once (`shows_live_token`)."""
    listed = {*asked.tool_labels} | (tool.labels or set())
    token = dataclasses.replace(asked, asks_before_calls=True, tool=None, tool_labels=tuple(listed))
    compiled = policy.compile([*rules, dataclasses.replace(rule, proof_of_possession=proof == "wanted")])
    at_call = decide(dataclasses.replace(token, tool=tool), compiled, NOW)
    if shows_live_token(at_call, token.scope_names(), compiled, is_bound=proof == "bound"):
        as_a_whole = decide(token, compiled, NOW)
        assert {*as_a_whole.scopes} == {*token.scope_names()}
        assert proof == "bound" or not as_a_whole.proof_of_possession


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("tools", "pay", "tools"),
        ("tools", ["*_all"], "tools[0]"),
        ("tools", ["pay", "p*y"], "tools[1]"),
        ("tools", ["pay**"], "tools[0]"),
        ("tools", ["p\u0430y"], "tools[0]"),
        ("tools", ["pay all"], "tools[0]"),
        ("tools", ["x" * 129], "tools[0]"),
        ("labels", ["PII"], "labels[0]"),
        ("labels", ["*"], "labels[0]"),
        ("labels", ["p i"], "labels[0]"),
    ],
)
def test_what_names_no_tool_and_no_label_is_refused(field: str, value: object, where: str) -> None:
    with pytest.raises(RuleError) as refused:
        allow(**{field: value})
    assert refused.value.field == where


def test_a_rule_comes_back_as_it_was_written() -> None:
    rule = allow(tools=["get", "pay_*"], labels=["pii"], arguments={"amount": {"below": 0.5}})
    assert Rule.from_mapping(rule.to_mapping()) == rule
    assert without_calls(rule).conditions == Conditions()
